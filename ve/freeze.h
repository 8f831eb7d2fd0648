/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VE standing still: its processes parked by the control group, its filesystem frozen
 * (FIFREEZE), so that its disk can be copied. Somebody who blocks in a frozen filesystem cannot
 * even be killed, therefore the thaw is nobody's good will:
 *  - a second process, started before anything is frozen, thaws when the time is over or when
 *    this one is gone, whatever ended it;
 *  - run/ID/frozen says that it was done; whoever takes the VE's lock and finds it, thaws.
 */
#pragma once

#include <sys/types.h>

#include "ve/ve.h"

struct freeze {
	struct ve *ve;
	int deadline_ms;                /* of standing still */
	int mnt;                        /* a mount of the disk, lent by the caller */
	int pipe;                       /* its other end is the second process's */
	pid_t guard;
};
#define FREEZE_INIT { NULL, 0, -1, -1, -1 }

MUST_CHECK int freeze_hold(struct freeze *f, int mnt, struct err *e);
/*
 * Its processes only, where that can be done at once: false when something cannot be stopped that
 * soon, or all stands still already.
 */
bool freeze_briefly(struct freeze *f);
/* -ETIMEDOUT when it did not stand still until now. */
MUST_CHECK int freeze_release(struct freeze *f, struct err *e);

/* Under the lock: thaw what a killed command has left frozen. */
void freeze_mend(struct ve *ve);
