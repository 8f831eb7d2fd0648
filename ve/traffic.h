/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ledger of a VE's traffic: per day (UTC), folded from the kernel's counters whenever a
 * command looks, when the VE stops, and once a minute by berth-traffic.timer.
 *
 *    lib/traffic/ID.json    the current day, and the counters as they were at the last fold
 *    lib/traffic/ID.days    a line for every day before, appended when the day is over
 *
 * The kernel's counters live until the host reboots (netns/account.h), so a fold that is killed,
 * comes late or never loses nothing: what was counted since the last one is added by the next,
 * to the day on which that happens. A host that loses power loses what was counted since the
 * last fold, a minute's worth with the timer.
 */
#pragma once

#include <time.h>

#include "netns/account.h"
#include "ve/inst.h"

struct traffic_day {
	char day[11];           /* 2026-11-20 */
	struct traffic t;
};

struct traffic_report {
	struct traffic_day *days;       /* ascending */
	size_t n_days;
	struct traffic sum;
};

/* Add what was counted since the last fold. */
MUST_CHECK int traffic_fold(const struct inst *in, uint32_t id, struct err *e);
/*
 * Fold, then the days from first to last, both as 2026-11-20 and inclusive; traffic_free the
 * result. A VE that never ran has none.
 */
MUST_CHECK int traffic_read(const struct inst *in, uint32_t id, const char *first,
			    const char *last, struct traffic_report *ret, struct err *e);
void traffic_free(struct traffic_report *r);
void traffic_add(struct traffic *to, const struct traffic *t);
/* The VE is destroyed: fold, keep the ledger as *.destroyed, and forget its counters. */
void traffic_retire(const struct inst *in, uint32_t id);
/* Of a time, in UTC. */
void traffic_day_of(time_t t, char dst[11]);
