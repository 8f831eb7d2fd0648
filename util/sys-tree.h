/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copies of directory trees that a tenant or a template has written: ids, modes, times, links,
 * holes, devices and all extended attributes as they are, no link followed, no other mount entered.
 */
#pragma once

#include "util/sys-copy.h"

/*
 * Copy what is below `from` into `to`, an empty directory on a filesystem that nobody else writes
 * to meanwhile, and give `to` what `from` has; both open for reading. files is another empty
 * directory there: it holds a name of each file with several until the end. Deeper than
 * TREE_DEPTH directories is refused. w is told bytes, its `all` being `bytes`.
 */
struct tree_copy {
	int from, to, files;
	const struct copy_watch *w;
	uint64_t bytes;
};
#define TREE_DEPTH 256

MUST_CHECK int tree_copy(const struct tree_copy *c, struct err *e);
