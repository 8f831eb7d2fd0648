/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's end of a bridged link: a port of a bridge. */
#pragma once

#include "netns/network.h"
#include "netns/nl.h"

/* Put the host end into its bridge with all that a port needs, then up. The bridge is there. */
MUST_CHECK int port_up(struct nl *n, const struct net_spec *s, struct err *e);
