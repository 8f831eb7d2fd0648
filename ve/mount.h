/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The root of a stopped VE on the host, for its administrator: mount, umount. */
#pragma once

#include "ve/ve.h"

struct disk;

/* Unmount if mounted and drop that state; the lock is held. */
MUST_CHECK int mount_undo(struct ve *ve, struct err *e);

/*
 * The root of a VE that is not running as a detached mount, ids as they lie on disk. The caller
 * is in a mount namespace of its own, holds the lock, and closes disk after the mount.
 */
MUST_CHECK int mount_tree(struct ve *ve, struct disk *disk, int *ret_mnt, struct err *e);
