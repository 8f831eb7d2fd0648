/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the control groups of a running VE lie: on its own, or in the node of its pool, whose
 * limits it shares. Decided when it starts and kept in its state: a node cannot be moved.
 */
#pragma once

#include "ve/ve.h"

/*
 * Make the VE's nodes. Those of the first VE of a pool make the pool's as well and put its
 * limits in force before. Sets ve->cg, and state.place before anything is made.
 */
MUST_CHECK int place_make(struct ve *ve, struct err *e);
/* Remove them, and the pool's node with its last VE. A pool or guarantee only warns. */
MUST_CHECK int place_remove(struct ve *ve, struct err *e);

/*
 * Read what the pool's limits leave of ve->bound, where this folder has to see to it, under the
 * pool's lock, so that they stay until *ret_lock is closed (-1: no need). For before limits of
 * the VE are written.
 */
MUST_CHECK int place_bound(struct ve *ve, int *ret_lock, struct err *e);
