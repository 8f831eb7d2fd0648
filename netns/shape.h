/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rates of a VE's link, held on the host's end where the tenant has no hand in it (tc(8)).
 *
 *    into the VE     token bucket (tc-tbf(8)) as the root queue of the host end
 *    out of the VE   clsact on the host end sends what arrives to an ifb link of its own, whose
 *                    root queue is a token bucket; from there it goes on as if it had just
 *                    arrived, so the spoof filters see it all the same
 *
 * A link without rates has none of this, and costs nothing. Rates count whole Ethernet frames,
 * as a switch port does: full TCP segments carry 95.6 % of it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

struct shape {
	uint64_t in, out;       /* bits per second; 0: no limit */
	uint64_t burst;         /* bytes that may come at once, in KiB rounded up; 0: 25 ms of the rate */
	bool closed;            /* nothing passes: buckets whose queue holds nothing */
};

#define SHAPE_MIN 8000                          /* bit/s */
#define SHAPE_MAX UINT64_C(100000000000)

/* Make the link obey; changes on the fly, and what has not changed is left alone. What waits in
 * a queue is dropped when its burst becomes smaller, and by nothing else. */
MUST_CHECK int shape_set(const char *link, const struct shape *s, struct err *e);
/* Rates in force, burst 0. */
MUST_CHECK int shape_get(const char *link, struct shape *ret, struct err *e);
/* Before or after the link has gone: remove what does not go with it. */
int shape_forget(const char *link);
