/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `.new/switch`: what a switch is about, written before anything is exchanged. */
#pragma once

#include "util/uuid.h"
#include "ve/ve.h"

struct switch_note {
	uint64_t live;                  /* inode of the VE's disk when the switch began */
	char target[UUID_LEN + 1];      /* the snapshot to go back to */
	bool skip_config;
};

/* From the note on: whatever is left to do, or undo. */
MUST_CHECK int switch_end(struct ve *ve, int dir, struct err *e);
