/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VE's writable area. A backend is one row of `storage_backends` in storage.c; `image` (a
 * sparse ext4 file on a loop device of its own) is the default and works on every host, `quota`
 * (a directory of the host's filesystem with a project quota) where that has them.
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
	bool whole;                             /* no template below it: what is in its root is no layer */
	int content;                            /* of a disk with a system of its own: what to copy, or -1 */
};

/* A mounted disk: a detached mount and the device below it. */
struct disk {
	int mnt;                                /* O_PATH fd of the mount's root */
	struct loop loop;                       /* fd open until disk_done */
};
#define DISK_INIT { -1, LOOP_INIT }

/* Copying the disk in one directory into another, to a moment at which it is consistent. */
struct disk_copy {
	int from, to;                           /* directories; `to` has no disk yet */
	bool mounted;
	int loop_num;                           /* device of a mounted disk that has one */
	bool elsewhere;                         /* with mounted: by a VM, and nothing of it here; hold gets -1 */
	bool renew;                             /* the copy gets an identity of its own */
	/* Hold all writers of a mounted disk (mnt is a mount of it, to be frozen; -1: its
	 * filesystem is not only its own), and let them go on; a hold that did not last until then
	 * makes the copy worthless, and release fail. */
	int (*hold)(void *arg, int mnt, struct err *e);
	int (*release)(void *arg, struct err *e);
	void (*progress)(void *arg, uint64_t done, uint64_t all);
	void *arg;
};

struct storage_backend {
	const char *name;                       /* VE_LAYOUT word */
	const char *file;                       /* what the disk is called in its directory */
	bool on_host;                           /* its files lie in the host's own filesystem */
	/* Whether this host can keep such disks below dir, else why not. NULL: always. */
	int (*usable)(int dir, struct err *e);
	/* Make the area inside the VE's private directory; all or nothing. After a power cut the
	 * area may be missing, never half, until the caller has synced private_dir. */
	int (*create)(int private_dir, const struct disk_spec *spec, struct err *e);
	/* Before the mount of a cold start: check (e2fsck -p) after an unclean end, and make the filesystem
	 * as large as the plan asks where that is possible offline. */
	int (*prepare)(int private_dir, const struct disk_spec *spec, struct err *e);
	/* Mount detached and apply the cap. */
	int (*mount)(int private_dir, const struct disk_spec *spec, struct disk *ret, struct err *e);
	/* For a VM, which mounts it itself: the device alone, mnt -1. Refuses a filesystem that is
	 * larger than the plan, since nothing but the device's end can be a cap then. NULL: no VM
	 * can have it. */
	int (*attach)(int private_dir, const struct disk_spec *spec, struct disk *ret, struct err *e);
	/* The same while a VM has it: file and device, as large as the plan wants. *ret_bytes is the
	 * device then, for QEMU and the guest to be told, perhaps again; 0 when the guest's
	 * filesystem is large enough. Smaller is refused. */
	int (*grow_attached)(int private_dir, int loop_num, const struct disk_spec *spec,
			     uint64_t *ret_bytes, struct err *e);
	/* Change the cap of a mounted disk, both ways. mnt_dir: any fd inside the mount. Refuses
	 * to go below use (-EBUSY, with the number) or above what the filesystem can become. */
	int (*resize)(int private_dir, int mnt_dir, int loop_num, const struct disk_spec *spec,
		      struct err *e);
	/* Change the plan of a disk that is not mounted (checks only; prepare does the work). */
	int (*resize_offline)(int private_dir, const struct disk_spec *spec, struct err *e);
	int (*usage)(int private_dir, int mnt_dir, int loop_num, struct disk_usage *ret,
		     struct err *e);
	/* At once where the host's filesystem shares blocks; all or nothing. */
	int (*copy)(const struct disk_copy *c, struct err *e);
	/* One more detached mount of a disk that is mounted. */
	int (*reach)(int private_dir, int loop_num, int *ret_mnt, struct err *e);
	/* Mount a disk that is nobody's (a snapshot's) without ever writing to it. */
	int (*mount_ro)(int dir, struct disk *ret, struct err *e);
	/* 1 while it is mounted, 0, or -Exxx. NULL: nothing tells. */
	int (*in_use)(int dir, struct err *e);
	/* Bytes that it takes on the host. */
	int (*allocated)(int private_dir, uint64_t *ret, struct err *e);
	/* The disk in dir is about to be removed, or is a snapshot from now on: nothing is kept
	 * of its cap. NULL: nothing is to be done. */
	void (*retire)(int dir);
	/* The bytes of a disk that is not mounted, to be read; nobody mounts it meanwhile. NULL, and
	 * the two below: it is no single file, and cannot be sent elsewhere. */
	int (*open_file)(int private_dir, int *ret_file, struct err *e);
	/* A disk from elsewhere: an empty file of that size for the caller to fill, then whether a
	 * filesystem of ours is in it, and its place. What a killed one left is replaced. */
	int (*fill_begin)(int private_dir, uint64_t size, int *ret_file, struct err *e);
	int (*fill_end)(int private_dir, int file, struct err *e);
};

/* A disk with an operating system of its own, for a VM that boots it; no word of VE_LAYOUT. */
extern const struct storage_backend storage_disk;

/* NULL when there is no such backend; "" is the default, "ploop" an alias of image. */
const struct storage_backend *storage_find(const char *name);

/* The disk has the VE's whole root in it (`full`), with no template below. */
bool storage_is_whole(const char *name);

void disk_done(struct disk *d);

/*
 * The fresh root of a reinstall (ve/reinstall.c) takes the place of the old one, which has been
 * moved into it; while the old one is where it was, the fresh one is removed instead. whole: the
 * root is no layer. On a disk without a fresh root, nothing.
 */
#define DISK_FRESH "upper.fresh"
MUST_CHECK int disk_end_reinstall(int mnt, bool whole, struct err *e);

/* Give what is free inside back to the host (FITRIM). mnt is a mount of the disk. */
MUST_CHECK int disk_trim(int mnt, struct err *e);
