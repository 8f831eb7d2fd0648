/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An ext4 filesystem in a file that is not mounted: geometry from its superblock, making,
 * checking and resizing it with e2fsprogs. Block size is always 4096.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

#define EXT4_BLOCK 4096u

struct ext4_geo {
	uint64_t blocks, free;
	uint64_t journal;               /* blocks */
	uint32_t inodes_per_group;
	uint32_t table;                 /* blocks of one group's inode table */
	uint32_t descs;                 /* blocks of descriptors, used and reserved, per backup */
	bool clean;
	bool replay;                    /* its journal has what its blocks lack */
};

/* Geometry from the superblock of fd. Refuses what is not ext4 of the form we make. */
MUST_CHECK int ext4_read_geo(int fd, struct ext4_geo *ret, struct err *e);

/* Blocks that statfs(2) counts: all but metadata and journal (its f_blocks). */
uint64_t ext4_payload(const struct ext4_geo *g);

/* The number of blocks a filesystem of this geometry needs for at least that payload. */
uint64_t ext4_blocks_for(const struct ext4_geo *g, uint64_t payload);

/* The same for any geometry that ext4_read_geo takes, whatever its superblock says. */
uint64_t ext4_blocks_most(uint64_t payload);

/*
 * A pristine image with at least payload blocks, made once and kept in the directory seeds.
 * It holds the empty directories upper and work. Returns a readable fd.
 */
MUST_CHECK int ext4_seed(int seeds, uint64_t payload, uint64_t inodes, int *ret_fd,
			 struct err *e);

/*
 * Give the filesystem in fd, which is not mounted, an identity of its own. Takes one block: the
 * checksums of the metadata stay valid because their seed is kept (metadata_csum_seed, 4.4).
 */
MUST_CHECK int ext4_renew_uuid(int fd, struct err *e);

/*
 * e2fsck -p of dir/name; full: also when it looks clean, and give its free blocks back to the
 * host. fd is the open file: the helper holds it as its standard input, so that a lock on it
 * outlives us.
 */
MUST_CHECK int ext4_check(int dir, const char *name, int fd, bool full, struct err *e);

/* resize2fs of dir/name, which must just have had a full check. */
MUST_CHECK int ext4_resize(int dir, const char *name, int fd, uint64_t blocks, struct err *e);
