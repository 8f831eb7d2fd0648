/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ranges of addresses, of which pools consist: 10.0.0.0/24, or 10.0.0.10-10.0.0.20/24. */
#pragma once

#include "util/parse.h"

#include <stdbool.h>

struct ip_range {
	struct ipaddr first, last;      /* prefix of both: that of the network they are in */
};

/* -EINVAL, or -ERANGE when last is before first. A network is its whole range. */
int range_parse(const char *text, struct ip_range *ret);
void range_format(const struct ip_range *r, char dst[2 * IPADDR_STRLEN]);
bool range_has(const struct ip_range *r, const struct ipaddr *a);
bool range_overlap(const struct ip_range *a, const struct ip_range *b);
/* The network around the range. */
struct ipaddr range_network(const struct ip_range *r);
/* Address number n of it, counted from 0; false behind the end. */
bool range_nth(const struct ip_range *r, uint64_t n, struct ipaddr *ret);
/* The network's own address or its broadcast address (IPv6: the routers' anycast address). */
bool range_is_edge(const struct ip_range *r, const struct ipaddr *a);
