/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What --netif_add, --netif_del, --ifname and their kin change. */
#pragma once

#include <net/if.h>
#include <stdbool.h>

#include "util/err.h"

/* What `set` and `create` were told about links; deletions come first. */
struct netif_change {
	bool del_all;
	char del[256];                  /* names, blank separated */
	char del_device[256];           /* the same, of the host's links */
	char add[1024];                 /* entries in the grammar of the file */
	char ifname[IFNAMSIZ];          /* --ifname: the link that edit is about */
	char edit[1024];                /* sub-keys that replace those of that link */
};

struct ip_list;
struct ve_change;
struct ve_conf;

bool netif_change_empty(const struct netif_change *c);
/* Are the addresses and the network that it names those of --ifname, not of the first link? */
bool netif_change_is_for(const struct netif_change *c);
/* Work what it says about links into c->netif. */
MUST_CHECK int netif_apply(struct ve_conf *c, const struct ve_change *change, struct err *e);
/* Addresses of a link: deletions first, then additions; the same address again replaces its prefix. */
MUST_CHECK int netif_change_ips(const struct ip_list *was, const struct ve_change *c,
				struct ip_list *ret, struct err *e);
