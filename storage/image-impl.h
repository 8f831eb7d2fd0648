/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside of image*.c. */
#pragma once

#include "storage/ext4.h"
#include "storage/storage.h"

#define IMAGE "disk.img"
#define IMAGE_NEW ".disk.img.new"
#define MIB_BLOCKS (1024 * 1024 / EXT4_BLOCK)

/* The plan, and the room for data that a filesystem should have for it ("Size" in image.c); in blocks. */
uint64_t image_plan_blocks(const struct disk_spec *spec);
uint64_t image_payload(const struct disk_spec *spec);
/* -EBUSY: `used` blocks do not fit into `data`. */
int image_too_small(uint64_t data, uint64_t used, struct err *e);

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

int image_prepare(int dir, const struct disk_spec *spec, struct err *e);
int image_attach(int dir, const struct disk_spec *spec, struct disk *ret, struct err *e);
int image_grow_attached(int dir, int loop_num, const struct disk_spec *spec, uint64_t *ret_bytes,
			struct err *e);
int image_resize_offline(int dir, const struct disk_spec *spec, struct err *e);
int image_copy(const struct disk_copy *c, struct err *e);
int image_reach_mount(int dir, int loop_num, int *ret_mnt, struct err *e);
int image_mount_ro(int dir, struct disk *ret, struct err *e);
int image_in_use(int dir, struct err *e);
int image_allocated(int dir, uint64_t *ret, struct err *e);

int image_fill_begin(int dir, uint64_t size, int *ret_file, struct err *e);
int image_fill_end(int dir, int file, struct err *e);
