/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one way into a closed network namespace: a pair of links, one end here, the other there,
 * with two addresses of 169.254.0.0/16 that nobody else sees. What comes to a forwarded port of
 * the host is sent to the other end, and from there on to whom it is for; the sender is hidden
 * behind our end, so that in there nothing needs to know a way out. From there only answers can
 * come: the filter lets pass what the other end itself sends, and nothing sends by it but
 * translated answers.
 */
#pragma once

#include "netns/network.h"

#define DOOR_NUMBERS 100        /* below the numbers of VEs, whose names of links these share */

struct door {
	const char *table;      /* as in struct net_spec */
	const char *tag, *link_tag;
	unsigned number;        /* 1 to DOOR_NUMBERS */
	struct net_forwards forwards;
};

/* Where the host itself finds the forwarded ports. */
struct in_addr door_addr(const struct door *d);
/* The filter first, then the pair, then the ports. Again is fine. space: fd of the namespace. */
MUST_CHECK int door_up(const struct door *d, int space, struct err *e);
/* Other ports, while it is up. On failure some of both may be forwarded. */
MUST_CHECK int door_change(const struct door *from, const struct door *to, int space, struct err *e);
/* Whatever is not there is fine. */
void door_down(const struct door *d);

/*
 * Be the gateway of a link's bridge in this namespace, in the VLAN of its network: answer for gw,
 * whose network has this prefix.
 */
MUST_CHECK int door_gateway(const struct net_spec *s, const struct ipaddr *gw, uint8_t prefix,
			    struct err *e);
