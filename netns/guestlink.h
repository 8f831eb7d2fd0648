/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's end of a link, set by netlink inside the VE's network namespace before init runs:
 * addresses, and the routes that lead out. The VE's first link of a family has the default
 * route. Of another link, what comes in by it must leave by it, or the filters would take the
 * answers for forged: a routing table of its own, chosen by source address, sees to that.
 */
#pragma once

#include "netns/network.h"

MUST_CHECK int guestlink_up(const struct net_spec *s, int netns, struct err *e);
MUST_CHECK int guestlink_addr_add(const struct net_spec *s, int netns, const struct ipaddr *a,
				  struct err *e);
/* s->addrs is what stays. */
MUST_CHECK int guestlink_addr_del(const struct net_spec *s, int netns, const struct ipaddr *a,
				  struct err *e);
/* Of a link that goes while the VE runs, what would not go with it. */
void guestlink_leave(const struct net_spec *s, int netns);
/* The default route of a family is to's now, or no longer; to->addrs is what it has by now. */
MUST_CHECK int guestlink_default(const struct net_spec *from, const struct net_spec *to, int netns,
				 struct err *e);

/* First address of the family other than skip (NULL: none to skip), or NULL. */
const struct ipaddr *net_first_of(const struct net_spec *s, uint8_t family,
				  const struct ipaddr *skip);
/* Where the VE sends what is for others; false when the link leads nowhere else. */
bool net_gateway(const struct net_spec *s, uint8_t family, struct ipaddr *ret);
