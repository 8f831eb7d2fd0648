/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The snapshots of a VE on disk, below private/ID/snapshots (0700):
 *
 *   UUID/disk.img    the whole disk at that moment, no delta: removing one never touches another
 *                    (`disk` where it is a directory)
 *   UUID/memory      what its guest had in memory then (vm/dump.h), of some
 *   UUID/ve.conf     the config at that moment, unless --skip-config
 *   UUID/info.json   name, parent, template version
 *   current          the UUID that the disk of now stems from
 *
 * A snapshot exists when its directory has its name: it is made as `.new` and renamed when all
 * is on the disk, and renamed to `.del` before it is removed. Switching puts the disk of now in
 * the place of the copy in `.new` by one exchange of names; `.new/switch` says of which file,
 * so that after a kill it is known on which side of the exchange that was.
 */
#pragma once

#include "util/uuid.h"
#include "ve/snapshot.h"

#define SNAP_NEW ".new"
#define SNAP_DEL ".del"
#define SNAP_MEMORY "memory"

/* A VE under the lock with its directory of snapshots, in order; ve_close is the caller's. */
MUST_CHECK int snap_open_mended(struct ve *ve, struct inst *in, uint32_t id, int *ret_dir,
				struct err *e);
/* The VE's directory of snapshots; -ENOENT when it is not there and not to be made. */
MUST_CHECK int snap_open(const struct ve *ve, bool make, int *ret_dir, struct err *e);

/* Its info cannot be read: its name is known, and that it has a disk. */
static inline bool snap_is_unknown(const struct snapshot *s)
{
	return !s->created;
}

MUST_CHECK int snap_load(int dir, const char *name, struct snapshot *ret, struct err *e);
MUST_CHECK int snap_save(int dir, const char *name, const struct snapshot *s, struct err *e);
/* All, oldest first; the caller frees *ret. */
MUST_CHECK int snap_all(int dir, struct snapshot **ret, size_t *ret_n, struct err *e);
/* By UUID, or by a name that only one has. */
MUST_CHECK int snap_find(int dir, const char *text, struct snapshot *ret, struct err *e);

/* "" when there is none. */
void snap_current(int dir, char ret[UUID_LEN + 1]);
MUST_CHECK int snap_set_current(int dir, const char *uuid, struct err *e);

/* What the disk is called, beside the config as in a snapshot. */
const char *snap_disk(const struct ve *ve);
/* By the record of a mount and what is there now: for disks that nothing holds while mounted. */
bool snap_is_mounted(const struct ve *ve, const char *uuid);

/* Begin `.new` for s (its uuid is chosen unless it has one), and give it its name. */
MUST_CHECK int snap_begin(const struct ve *ve, int dir, struct snapshot *s, bool with_conf,
			  int *ret_new, struct err *e);
MUST_CHECK int snap_finish(int dir, const struct snapshot *s, struct err *e);

/* Remove what a killed command left, and end a switch that had begun. */
MUST_CHECK int snap_mend(struct ve *ve, int dir, struct err *e);
/* The same when the lock was just taken; a warning when it cannot be done. */
void snap_mend_all(struct ve *ve);
/* Refuse a VE whose disk is a snapshot's already while its config is not. */
MUST_CHECK int snap_switch_check(const struct ve *ve, struct err *e);

/* Put the config of a snapshot in force; whole: all of it, not only the template version. */
MUST_CHECK int snap_restore_conf(struct ve *ve, int dir, const struct snapshot *s, bool whole,
				 struct err *e);
