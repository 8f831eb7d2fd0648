/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Putting right what killed commands and a sudden end of the host have left behind. */
#pragma once

#include "ve/inst.h"

struct recovered {
	unsigned seen;          /* VEs looked at, or what is left of them */
	unsigned creates;       /* half-made, undone */
	unsigned destroys;      /* half-made, finished */
	unsigned runs;          /* run state and kernel objects of VEs that do not run */
	unsigned claims;        /* addresses, id ranges and names that nobody has */
	unsigned busy;          /* left alone: somebody works on them */
	unsigned failed;
};

/* Look at everything, whatever was noted. Errors of one VE are warned of and stop nothing. */
MUST_CHECK int recover_all(struct inst *in, struct recovered *ret, struct err *e);

/*
 * The same, once after every boot of the host: lock/boot.lck has the id of the boot for which it
 * was done. Every command calls this; all but the first see the right id and go on. Those that
 * come while the first is at work wait for it.
 */
void recover_stale(struct inst *in);
