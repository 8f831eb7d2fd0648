/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Directories of an erofs image: blocks of entries, sorted by name as bytes. */
#pragma once

#include <stdint.h>

#include "templates/tree.h"
#include "util/err.h"

/* Sort the children; bytes that the directory takes, and its links. */
MUST_CHECK int image_dir_size(struct node *dir, uint64_t *ret_size, uint32_t *ret_nlink,
			      struct err *e);

/* Its content, size bytes, once every inode has its nid; the caller frees it. */
MUST_CHECK int image_dir_make(const struct node *dir, uint64_t size, uint8_t **ret, struct err *e);
