/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A running VM that stands still while its disk or memory is read. A process of ours watches over
 * it: when the command dies, or is too slow, the VM goes on. Should that process die as well, the
 * marker run/ID/held says what the next command has to do.
 */
#pragma once

#include "ve/ve.h"

struct vm_hold {
	struct ve *ve;
	pid_t guard;
	int pipe;                       /* to the guard */
	bool inside;                    /* the guest's filesystem is frozen, too */
};
#define VM_HOLD_INIT { NULL, -1, -1, false }

/*
 * Let it stand still, for at most so long (0: as long as the command lives). inside: ask its agent
 * to write back and freeze the filesystem first; one that does not leaves the disk as after a
 * power cut, which it must bear anyway.
 */
MUST_CHECK int vm_hold(struct ve *ve, int deadline_ms, bool inside, struct vm_hold *ret,
		       struct err *e);
/* Let it go on. -ETIMEDOUT when it has been for a while. */
MUST_CHECK int vm_hold_release(struct vm_hold *h, struct err *e);
/* It stays as it is: somebody ends it. */
void vm_hold_leave(struct vm_hold *h);
/* What a killed command and its guard have left; the lock is held. */
void vm_hold_mend(struct ve *ve);
