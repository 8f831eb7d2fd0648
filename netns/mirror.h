/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A copy of every frame on a link, both ways, as they are on the wire: what the VE sends is seen
 * before the filters and rates, what it receives behind the rates.
 *
 * The copies are read from a packet socket (packet(7)) and not made by a filter of the kernel's
 * (mirred, nft's dup), because a socket ends with its process: however that dies, nothing is
 * left on the link. A reader that is too slow loses frames, which are counted, and never slows
 * the VE down.
 */
#pragma once

#include <net/if.h>
#include <signal.h>
#include <stdint.h>

#include "util/err.h"

struct mirror {
	char link[IFNAMSIZ];            /* the host's end of a VE's link */
	char to[IFNAMSIZ];              /* link that the copies leave by; "": they go to fd */
	int fd;                         /* gets them in pcap's format */
	uint64_t max;                   /* bytes that fd takes */
	uint64_t ms;                    /* how long */
	const volatile sig_atomic_t *stop;      /* set by a signal: end now */
};

enum mirror_end { MIRROR_TIME, MIRROR_STOPPED, MIRROR_LINK_GONE, MIRROR_FULL, MIRROR_ENDS };

struct mirror_result {
	uint64_t frames, bytes;         /* copied */
	uint64_t dropped;               /* seen, but not copied */
	enum mirror_end end;
};

/*
 * Refuse what could not work or would come back: a link that is not there or down, the same
 * link, a bridge, lo. Opens what mirror_run needs, into *ret_in and *ret_out (-1 without `to`).
 */
MUST_CHECK int mirror_open(const struct mirror *m, int *ret_in, int *ret_out, struct err *e);
/* Copy until one of the reasons of enum mirror_end. */
MUST_CHECK int mirror_run(const struct mirror *m, int in, int out, struct mirror_result *ret,
			  struct err *e);
