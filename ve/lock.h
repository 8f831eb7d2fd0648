/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One lock per VE, one per pool, and some that all VEs have in common: flock(2) on run/lock/ID.lck,
 * so that the kernel drops it when the holder dies. The file says who holds it alone: "PID VERB
 * SECONDS-SINCE-EPOCH". Those that wait get it in the order in which they came.
 */
#pragma once

#include "ve/inst.h"

/*
 * Take it, waiting up to timeout_ms. On -EBUSY (exit VZ_LOCKED) e names pid, verb and age of
 * the holder. The lock lives as long as *ret_fd.
 */
MUST_CHECK int lock_take(const struct inst *in, uint32_t id, const char *verb, int timeout_ms,
			 int *ret_fd, struct err *e);
/* Around changes of what the host guarantees to VEs; taken after that of a VE. */
MUST_CHECK int lock_take_guarantee(const struct inst *in, int *ret_fd, struct err *e);
/* The same for pool NAME, run/lock/pool-NAME.lck. Who wants a VE's lock too takes that first. */
MUST_CHECK int lock_take_pool(const struct inst *in, const char *name, const char *verb,
			      int timeout_ms, int *ret_fd, struct err *e);

/* One that many may have at once, run/lock/NAME.lck. */
struct lock_common {
	const char *name, *what;        /* what: in messages */
	const char *verb;               /* of whoever has it alone: one word */
	int wait_ms;
};

/*
 * As lock_take(). Who has it shared must not ask for it again: somebody who wants it alone may
 * stand between the two.
 */
MUST_CHECK int lock_take_common(const struct inst *in, const struct lock_common *l, bool alone,
				int *ret_fd, struct err *e);
