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
};

/* The members of a tar archive; layer: the names .wh.* delete (OCI image specification). */
MUST_CHECK int source_tar(struct source *s, int fd, bool layer, struct err *e);

/* All below the directory. */
MUST_CHECK int source_dir(struct source *s, int fd, struct err *e);
