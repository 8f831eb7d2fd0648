/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files about fences share. */
#pragma once

#include "ve/fence.h"
#include "ve/lock.h"

/* Whether the namespace is there is decided under this lock: shared by who needs it. */
extern const struct lock_common fence_space;
/*
 * Forward the ports of `to` in place of those of `from`, if the namespace is there; the caller
 * holds fence_space alone.
 */
MUST_CHECK int fence_move_door(const struct inst *in, const struct fence *from, const struct fence *to,
			       struct err *e);
