/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Step tables: what a verb does, in order, each step with its undo beside it.
 *
 * `down` works from what is on disk and in the kernel alone. It tolerates a step that was
 * never begun, half done or already undone, so a failed start, stop, destroy and recovery
 * after a crash run the same table backwards.
 */
#pragma once

#include <stddef.h>

#include "util/err.h"
#include "util/log.h"

struct step {
	const char *name;                               /* one word, shown in errors and traces */
	int (*up)(void *ctx, struct err *e);            /* NULL: nothing to do */
	void (*down)(void *ctx);                        /* NULL: nothing to undo */
};

/*
 * Run every up in order. When one fails, it and all before it are undone and its error is
 * returned, wrapped as "NAME: ...". `what` prefixes trace lines ("start 101").
 */
MUST_CHECK int steps_up(const struct step *s, size_t n, void *ctx, const struct log *log,
			const char *what, struct err *e);

/* Run every down, last first. */
void steps_down(const struct step *s, size_t n, void *ctx, const struct log *log,
		const char *what);

/*
 * Fault injection, always compiled in: BERTH_FAULT="start/cgroup" makes that step fail
 * before it does anything, "start/cgroup+" after its up has run; a "!" at the end kills the
 * process there instead. The verb is the first word of `what`.
 */
int fault_at(const char *verb, const char *step, bool after, struct err *e);
