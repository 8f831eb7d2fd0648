/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copies of sparse files: by reference where the filesystem shares blocks (FICLONE), else of
 * the data extents alone (SEEK_DATA). A copy of a file that is written to meanwhile is made in
 * two passes, the second of which only looks for what has changed.
 */
#pragma once

#include <stdint.h>

#include "util/err.h"

/* Told now and then how many bytes of how many are done. NULL where nobody listens. */
struct copy_watch {
	void (*tell)(void *arg, uint64_t done, uint64_t all);
	void *arg;
};

/* Let `to`, an empty file, share the blocks of `from`. 0, or -Exxx where that is not possible. */
int copy_reflink(int from, int to);

/* Make `to`, an empty file, like `from`: by reference, else extent by extent. */
MUST_CHECK int copy_sparse(int from, int to, const struct copy_watch *w, struct err *e);

/* Make `to`, an earlier copy, like `from` again: compare, and write where they differ. */
MUST_CHECK int copy_changes(int from, int to, struct err *e);
