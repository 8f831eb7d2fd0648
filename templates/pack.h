/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a source to a version in the store: unpack, look what it is, add. */
#pragma once

#include "templates/store.h"
#include "templates/unpack.h"
#include "util/err.h"

/* Names of what is made in the scratch directory and moved into the store. */
#define PACK_IMAGE "image.erofs"
#define PACK_DISK "image.disk"
#define PACK_FILES "files"
#define PACK_PACKAGES "packages"
#define PACK_SIGNATURE "minisig"        /* of the image itself */

/*
 * Run u in its scratch directory (image and list are ours to open) and find out what the root
 * holds. Fields of t that are set already stay.
 */
MUST_CHECK int pack_image(struct unpack *u, struct template *t, struct unpack_report *ret,
			  struct err *e);

/* The same with an image that is one already: copied. Its origin is vouched for. */
MUST_CHECK int pack_copy(int from, int scratch, struct template *t, struct err *e);

/*
 * The directory path as a mount of its own, read-only, without what is mounted below it: a
 * source for berth-unpack.
 */
MUST_CHECK int pack_open_dir(int at, const char *path, int *ret, struct err *e);
