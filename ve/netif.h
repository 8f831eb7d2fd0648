/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NETIF: the links of a VE beyond what IP_ADDRESS and NETWORK say, entries with a ';' between them.
 * A VE always has eth0. Its entry may be missing, and its addresses are IP_ADDRESS.
 */
#pragma once

#include "netns/network.h"
#include "util/err.h"
#include "ve/netif-entry.h"
#include "ve/params.h"

#define NETIF_FIRST "eth0"

struct netif_list {
	unsigned n;
	struct netif a[NET_MAX_LINKS];
};

/* Text of the file. 0, -EINVAL or -ERANGE; *ret_want then says what would be accepted. */
int netif_parse(const char *text, struct netif_list *ret, const char **ret_want);
/* The same for whoever has nothing better to say about a config that is wrong. */
MUST_CHECK int netif_read(const char *text, struct netif_list *ret, struct err *e);
/* 0 or -ENAMETOOLONG */
int netif_format(const struct netif_list *l, char *dst, size_t size);
struct netif *netif_find(struct netif_list *l, const char *ifname);
/* One more entry, as netif_parse; netif_number is to follow. */
int netif_add(struct netif_list *l, const char *entry, const char **ret_want);
/* Indexes that no name gives: the lowest that is free, never eth0's. */
int netif_number(struct netif_list *l, const char **ret_want);

extern const struct ptype ptype_netif;
