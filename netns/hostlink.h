/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's end of a link without a bridge: gateway, host routes, proxy neighbour entries. */
#pragma once

#include "netns/network.h"
#include "netns/nl.h"

/* The link that others would look for the address on, whether it has a route here or not. */
bool hostlink_uplink(const struct ipaddr *a, char ret[IFNAMSIZ]);
MUST_CHECK int hostlink_up(struct nl *n, const struct net_spec *s, struct err *e);
/* After the link is gone: what it does not take along. */
void hostlink_down(struct nl *n, const struct net_spec *s);
/* As net_answers. */
MUST_CHECK int hostlink_answers(const struct net_spec *s, bool mend, struct err *e);
MUST_CHECK int hostlink_addr_add(const struct net_spec *s, const struct ipaddr *a, struct err *e);
MUST_CHECK int hostlink_addr_del(const struct net_spec *s, const struct ipaddr *a, struct err *e);
