/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing a tree as an erofs image: contents as they come, then directories, then inodes. One pass
 * over the source, no file of the host but the image and a spool. The same contents in the same
 * order make the same bytes.
 */
#pragma once

#include <stdint.h>

#include <nettle/sha2.h>

#include "templates/tree.h"
#include "util/err.h"

#define IMAGE_BLOCK 4096

struct image {
	int fd, spool, list;            /* list: a line per file, see image_finish */
	uint64_t max;                   /* bytes of all contents */
	uint64_t total;                 /* so far */
	uint64_t block;                 /* next free one */
	uint64_t spooled;
	uint8_t *buf;
	size_t used;
	struct inode *open;
	struct sha256_ctx sha, all;
};

MUST_CHECK int image_init(struct image *img, int fd, int spool, int list, uint64_t max,
			  struct err *e);
void image_done(struct image *img);

/* The content of one regular file, in order; size as announced. Holes are written as zeros. */
MUST_CHECK int image_begin(struct image *img, struct inode *in, uint64_t size, struct err *e);
MUST_CHECK int image_data(struct image *img, const void *data, size_t len, struct err *e);
MUST_CHECK int image_zeros(struct image *img, uint64_t len, struct err *e);
MUST_CHECK int image_end(struct image *img, struct err *e);

/*
 * Write all the rest. before (0: none): what was made at that time or later has the time of the
 * newest before it instead, so that when a tree was made does not show. The list gets a line per
 * member, in the order of a walk with sorted names:
 *   TYPE MODE UID GID SIZE HASH BLOCK TAIL PATH
 * TYPE is f, d, l or p. HASH is the SHA-256 of a file's content or a link's target, BLOCK the
 * first of its whole blocks in the image, TAIL the offset of the rest; "-" where there is none.
 */
MUST_CHECK int image_finish(struct image *img, struct tree *t, int64_t before, struct err *e);
