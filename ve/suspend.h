/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM whose memory is in private/ID/dump (vm/dump.h) is suspended, whatever else is so:
 *
 *   dump.new     being written; nothing
 *   dump         whole. A QEMU that still lives stands still and is ended by the next command
 *   dump.used    a QEMU has the memory again and is about to go on, or does. Of a start that died
 *                then nobody knows whether its guest has run: what says so is the disk
 *
 * Memory and disk belong together: a guest that goes on with a disk that others have written to
 * destroys it. So whatever writes to the disk of a VE refuses one that is suspended
 * (suspend_refuse), and a dump that is not of this very disk as it is now is not used.
 */
#pragma once

#include "ve/start.h"

#define DUMP "dump"
#define DUMP_NEW "dump.new"
#define DUMP_USED "dump.used"

/* Refused when its memory is on disk. `what` is the verb that cannot be. */
MUST_CHECK int suspend_refuse(const struct ve *ve, const char *what, struct err *e);
/* Give the memory up: the VE is stopped then, its disk as after a power cut. */
MUST_CHECK int suspend_forget(struct ve *ve, struct err *e);
/* What a killed command has left; the lock is held. */
void suspend_mend(struct ve *ve);

/* Fill in what says which disk this is, as it is now: the one in this directory. */
MUST_CHECK int suspend_note_disk(const struct ve *ve, int dir, struct dump *d, struct err *e);
/* Write the memory of a VM that stands still to a new file of this directory. */
MUST_CHECK int suspend_save(struct ve *ve, int dir, const char *name, struct err *e);
/* Refuses a VM whose memory could not be gone on with. */
MUST_CHECK int suspend_check(struct ve *ve, struct err *e);

/* The machine of a dump, as s shall make it. */
void suspend_plan(struct start *s, const struct dump *d);

/* ---- going on: the start of a suspended VE (ve/restore.c) ---- */

/* Read and check the dump before anything is touched; s goes on with it. */
MUST_CHECK int restore_check(struct start *s, struct dump *ret, struct err *e);
/* It goes on: what it could not know. */
void restore_done(struct ve *ve);
/* Of a restore that did not come to its end; all of it is dead. */
void restore_settle(struct ve *ve);
