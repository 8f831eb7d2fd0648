/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Links of the host that are moved into a VE, and back when it stops or dies. A mount of the VE's
 * network namespace on run/ID/netns keeps the link from being lost with it: what the kernel does
 * itself at a namespace's end is to drop it at the first one of the host, or to destroy it.
 */
#pragma once

#include "ve/links.h"

struct ve;

/* Links that its config lets past the host, as "eth1:macvlan:eth5 eth2:device:eth2"; "" is none. */
void netdev_names(const struct ve *ve, char *dst, size_t size);

/* May the VE have what leads past the host? Changes nothing. */
MUST_CHECK int netdev_check(const struct ve *ve, const struct net_spec *s, struct err *e);
MUST_CHECK int netdev_up(const struct inst *in, const struct net_spec *s, int netns, struct err *e);
/* netns -1: the one that is kept. A link that is not there is fine. */
MUST_CHECK int netdev_down(const struct inst *in, const struct net_spec *s, int netns,
			   struct err *e);
/* Every one of these links; nothing is kept any more. The first failure is reported. */
MUST_CHECK int netdev_down_all(const struct inst *in, const struct links *l, struct err *e);
MUST_CHECK int netdev_up_all(const struct inst *in, const struct links *l, int netns,
			     struct err *e);
