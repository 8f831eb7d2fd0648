/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the links of all VEs of an instance have in common: bridges, the gateway, the table. */
#pragma once

#include "util/err.h"

#include <stdbool.h>

/* Make the bridge if it is not there, with the uplink ("": none) as a port, and up. */
MUST_CHECK int uplink_bridge(const char *bridge, const char *uplink, bool vlans, struct err *e);
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
