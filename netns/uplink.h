/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the links of all VEs of an instance have in common: bridges, the gateway, the table. */
#pragma once

#include "util/err.h"

#include <stdbool.h>
#include <stddef.h>

struct vlan_range;

/* What a network's own bridge has, besides the links of VEs. */
struct uplink {
	const char *link;               /* of the host, "": none */
	const struct vlan_range *vlans; /* that leave by it with their tags; none: no frame has one */
	size_t n_vlans;
};

/* Make the bridge if it is not there, with the uplink as a port, and up. */
MUST_CHECK int uplink_bridge(const char *bridge, const struct uplink *u, struct err *e);
/* Its ports become free. Not there is fine. */
void uplink_bridge_drop(const char *bridge);
bool uplink_exists(const char *link);
bool uplink_is_bridge(const char *link);

/* Is there a link that the instance guards, in this network namespace? */
bool uplink_any_link(const char *table);
/*
 * Remove the instance's tables unless a link is guarded, and the IPv4 gateway's address unless
 * another instance has a table. The caller holds the instance's network lock alone.
 */
void uplink_tidy(const char *table);
