/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside of berth-unpack: what fills a tree and the contents of its image. */
#pragma once

#include <stdbool.h>

#include "templates/image.h"
#include "templates/tree.h"
#include "templates/unpack.h"
#include "util/err.h"

struct source {
	struct tree tree;
	struct image image;
	struct unpack_report rep;
	const char *prefix;             /* of a tar: the directory in it that is the root; NULL: all of it */
	const char *drop;               /* what of the root is left out; NULL: nothing */
	bool layers;
};

/* Calls fn for every member of a tar archive, until one fails. */
struct archive;
struct archive_entry;
typedef int source_fn(void *arg, struct archive *a, struct archive_entry *ent, struct err *e);
MUST_CHECK int source_each(int fd, source_fn *fn, void *arg, struct err *e);

/* The members of a tar archive; layers: the names .wh.* delete (OCI image specification). */
MUST_CHECK int source_tar(struct source *s, int fd, bool layers, struct err *e);

/*
 * What the archive of a VE of another tool holds besides its root: the members that
 * templates/look.h knows go to the file out, as look_archive reads them.
 */
MUST_CHECK int source_look(int fd, int out, struct err *e);

/* All below the directory. */
MUST_CHECK int source_dir(struct source *s, int fd, struct err *e);
