/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One lock per VE, and one per pool: flock(2) on run/lock/ID.lck, so that the kernel drops it
 * when the holder dies. The file says who holds it: "PID VERB SECONDS-SINCE-EPOCH". Those that
 * wait get it in the order in which they came.
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
