/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside of image*.c. */
#pragma once

#include "storage/storage.h"

#define IMAGE "disk.img"
#define IMAGE_NEW ".disk.img.new"

MUST_CHECK int image_open(int dir, int *ret, struct err *e);
/* Open it and hold it for ourselves; -EBUSY while it is mounted. */
MUST_CHECK int image_lock(int dir, int *ret, struct err *e);
MUST_CHECK int image_mount_loop(const struct loop *l, int *ret_mnt, struct err *e);
/* A copy of `from` under IMAGE_NEW, then in place of IMAGE (flags of renameat2(2)). renew: a disk
 * of its own, not another form of the same. */
MUST_CHECK int image_copy_new(int dir, int from, bool renew, struct err *e);
MUST_CHECK int image_place_new(int dir, unsigned flags, struct err *e);
/* Make the file, and the device that a VM has on it, so large. */
MUST_CHECK int image_grow_device(int file, int loop_num, uint64_t bytes, struct err *e);
/* VZ_NO_DISK_SPACE for a host without room. */
int image_no_space(struct err *e);
/* A copy beside the original must not fill the host's disk: neighbours live on it. */
bool image_room_for_copy(int file, int dir);

/*
 * The file of a mounted disk, its device, and one more mount of it. The device, once it is known
 * to carry our file, leads to the superblock that the VE has.
 */
MUST_CHECK int image_reach(int dir, int loop_num, int *ret_file, struct loop *ret_loop,
			   int *ret_mnt, struct err *e);

int image_copy(const struct disk_copy *c, struct err *e);
int image_reach_mount(int dir, int loop_num, int *ret_mnt, struct err *e);
int image_mount_ro(int dir, struct disk *ret, struct err *e);
int image_in_use(int dir, struct err *e);
int image_allocated(int dir, uint64_t *ret, struct err *e);

/* Give the file that is IMAGE_NEW its name, for good; flags as of renameat2(2). */
MUST_CHECK int image_place_new(int dir, unsigned flags, struct err *e);
int image_fill_begin(int dir, uint64_t size, int *ret_file, struct err *e);
int image_fill_end(int dir, int file, struct err *e);
