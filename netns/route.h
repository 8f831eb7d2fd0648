/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routes, route look-ups and proxy neighbour entries, by rtnetlink. */
#pragma once

#include "netns/nl.h"
#include "util/parse.h"

#include <stdbool.h>

/* Host route to a over the link; -EEXIST when one to the same address is there. */
void route_put_host(struct nl *n, unsigned index, const struct ipaddr *a);
/* Remove that; not there is fine. */
void route_put_host_del(struct nl *n, unsigned index, const struct ipaddr *a);
#define ROUTE_MAIN 254  /* RT_TABLE_MAIN */

/*
 * Default route of the table over the link by gateway gw taken as on-link; prefsrc may be NULL.
 * Replaces.
 */
void route_put_default(struct nl *n, unsigned table, unsigned index, const struct ipaddr *gw,
		       const struct ipaddr *prefsrc);
/* Remove the default route by gw; not there is fine. */
void route_put_default_del(struct nl *n, unsigned table, unsigned index, const struct ipaddr *gw);
/* Route to the network dst by the on-link gateway gw. Replaces. */
void route_put_net(struct nl *n, unsigned index, const struct ipaddr *dst, const struct ipaddr *gw,
		   const struct ipaddr *prefsrc);
/* What comes from the address is routed by the table; there already, or not there, is fine. */
void route_put_rule(struct nl *n, const struct ipaddr *from, unsigned table);
void route_put_rule_del(struct nl *n, const struct ipaddr *from, unsigned table);
/* Route to the on-link gateway, scope link. Replaces. */
void route_put_gateway(struct nl *n, unsigned index, const struct ipaddr *gw);

/* Answer neighbour requests for a on this link / stop doing so (not there is fine). */
void route_put_proxy(struct nl *n, unsigned index, const struct ipaddr *a);
bool route_has_proxy(struct nl *n, unsigned index, const struct ipaddr *a);
void route_put_proxy_del(struct nl *n, unsigned index, const struct ipaddr *a);

struct route_hit {
	bool local;             /* one of this host's own addresses */
	bool exact;             /* a route to this very address, not to a network around it */
	unsigned oif;           /* link it would leave by; 0 when there is no route */
};

/* How would this host reach a? One look-up; no route is an answer, not a failure. */
MUST_CHECK int route_lookup(struct nl *n, const struct ipaddr *a, struct route_hit *ret,
			    struct err *e);
