/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files about fences share. */
#pragma once

#include "ve/fence.h"

/* Whether the namespace is there is decided under this lock: shared by who needs it. */
MUST_CHECK int fence_lock(const struct inst *in, const char *file, bool alone, int *ret, struct err *e);
/*
 * Forward the ports of `to` in place of those of `from`, if the namespace is there; the caller
 * holds FENCE_LOCK_SPACE alone.
 */
MUST_CHECK int fence_move_door(const struct inst *in, const struct fence *from, const struct fence *to,
			       struct err *e);
#define FENCE_LOCK_SPACE "lock/space.lck"
#define FENCE_LOCK_VERB "lock/fence.lck"        /* one create, set or delete at a time */
