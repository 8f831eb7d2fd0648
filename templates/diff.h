/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What differs between two roots, given as directory descriptors: packages by their databases,
 * files by type, mode, owner and content. Nothing is followed and nothing is executed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"

struct pkg_change {
	char name[96];
	char from[96], to[96];          /* version; "" where it is not installed */
};

/* By name; *ret is the caller's to free. Roots without a known database have no packages. */
MUST_CHECK int diff_packages(int old, int new, struct pkg_change **ret, size_t *ret_n,
			     struct err *e);

/* Called for every path that is not the same in both. A false return ends the walk. */
typedef bool diff_fn(void *arg, const char *path);
MUST_CHECK int diff_files(int old, int new, diff_fn *fn, void *arg, struct err *e);

/* The same entry (or none) in both directories; either may be -1. Directories by type alone. */
bool diff_same(int a, int b, const char *name);

/* A subdirectory to walk into, never through a link; -1 when there is none. */
int diff_enter(int dir, const char *name);
