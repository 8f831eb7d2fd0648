/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VE's writable area. A backend is one row of `storage_backends` in storage.c; `image` (a
 * sparse ext4 file on a loop device of its own) is the default and works on every host.
 *
 * Nothing here enters the host's mount table: mounts are made detached (fsmount(2)) and
 * handed over as descriptors.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "storage/loop.h"
#include "util/err.h"

struct disk_usage {
	uint64_t size, used, avail;             /* bytes; size is the cap, not the filesystem */
	uint64_t inodes, inodes_used;
};

/* What `create` needs to know. All sizes in bytes. */
struct disk_spec {
	uint64_t size;                          /* the plan: used + avail inside */
	uint64_t headroom;                      /* the filesystem is made this much larger; see DESIGN of image */
	uint64_t inodes;                        /* 0: as mkfs would */
	int seeds;                              /* directory fd for pristine images to copy from */
};

/* A mounted disk: a detached mount and the device below it. */
struct disk {
	int mnt;                                /* O_PATH fd of the mount's root */
	struct loop loop;                       /* fd open until disk_done */
};
#define DISK_INIT { -1, LOOP_INIT }

struct storage_backend {
	const char *name;                       /* VE_LAYOUT word */
	/* Make the area inside the VE's private directory; all or nothing. */
	int (*create)(int private_dir, const struct disk_spec *spec, struct err *e);
	/* Before the mount of a cold start: check (e2fsck -p) after an unclean end, and make the filesystem
	 * as large as the plan asks where that is possible offline. */
	int (*prepare)(int private_dir, const struct disk_spec *spec, struct err *e);
	/* Mount detached and apply the cap. */
	int (*mount)(int private_dir, const struct disk_spec *spec, struct disk *ret, struct err *e);
	/* Change the cap of a mounted disk, both ways. mnt_dir: any fd inside the mount. Refuses
	 * to go below use (-EBUSY, with the number) or above what the filesystem can become. */
	int (*resize)(int private_dir, int mnt_dir, int loop_num, const struct disk_spec *spec,
		      struct err *e);
	/* Change the plan of a disk that is not mounted (checks only; prepare does the work). */
	int (*resize_offline)(int private_dir, const struct disk_spec *spec, struct err *e);
	int (*usage)(int mnt_dir, int loop_num, struct disk_usage *ret, struct err *e);
};

/* NULL when there is no such backend. "ploop" is an alias of image. */
const struct storage_backend *storage_find(const char *name);

void disk_done(struct disk *d);
