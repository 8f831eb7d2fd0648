/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory in snapshots. What a VE is to go on with after a switch lies in private/ID/dump.next until the
 * disks have been exchanged; what it was suspended with goes with its disk.
 */
#pragma once

#include "ve/ve.h"

/* Bytes of it; 0: none. dir: the snapshot's. */
uint64_t snap_memory_size(int dir);
/* Of a VM that stands still, or is suspended, into the directory of a new snapshot. */
MUST_CHECK int snap_memory_take(struct ve *ve, int dir, struct err *e);
/* A copy of what `from` has, for the disk in `disk`, waits for the exchange. */
MUST_CHECK int snap_memory_prepare(struct ve *ve, int from, int disk, struct err *e);
/* The disk that had this inode is in `back` now. Each part may be done already. */
MUST_CHECK int snap_memory_exchange(struct ve *ve, int back, uint64_t inode, struct err *e);
/* There has been no exchange. */
void snap_memory_drop(const struct ve *ve);
