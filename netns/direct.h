/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Links that lead past the host: a macvlan of one of its links, or one of its links itself, moved
 * in. There is no end of them here, so there is nothing that could filter, limit or count. They
 * have numbers of ours inside, by which they are found again whatever the VE calls them.
 */
#pragma once

#include "netns/network.h"

bool net_is_direct(const struct net_spec *s);

/* Refuses what cannot be held there: rates and caps. */
MUST_CHECK int direct_check(const struct net_spec *s, struct err *e);

/* Does the host carry its default route by this link? Moving it away would cut the host off. */
bool direct_is_default(const char *link);

/* What a link was when it was moved in, to be known by and to be put back to. */
struct direct_was {
	char kind[IFNAMSIZ];            /* "-": a device of the machine */
	uint8_t perm[6], addr[6];       /* perm: what it was made with; zero: nothing */
	unsigned mtu;
};
int direct_format(const struct direct_was *w, char *dst, size_t size);
int direct_parse(const char *text, struct direct_was *ret);
MUST_CHECK int direct_look(const char *link, struct direct_was *ret, struct err *e);

/*
 * Take a moved link out of netns and give it its name back. 0 when it is not there; -EXDEV when
 * something else is in its place.
 */
MUST_CHECK int direct_return(const struct net_spec *s, int netns, const struct direct_was *was,
			     struct err *e);
/* Remove a macvlan from netns; not there is fine. */
MUST_CHECK int direct_remove(const struct net_spec *s, int netns, struct err *e);
/* Inside of net_up. */
MUST_CHECK int direct_up(const struct net_spec *s, int netns, struct err *e);
