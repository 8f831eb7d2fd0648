/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making a template: `mini` from the host's static busybox, or a distribution by mmdebstrap. */
#pragma once

#include "templates/store.h"
#include "util/err.h"

struct recipe_extra;

struct build {
	const char *recipe;             /* "mini", "debian-12", ... */
	const char *name;               /* channel; NULL: the recipe's name */
	const char *mirror;             /* NULL: the first that the host's apt uses */
	int recipes;                    /* directory of NAME.recipe, or -1 */
	const struct recipe_extra *extra;       /* build.c's own */
	const char *unpack;             /* absolute path of berth-unpack */
	int tmp;                        /* directory fd for scratch, on the store's filesystem */
	/* Told what happens, a line at a time, for a progress display; may be NULL. */
	void (*progress)(void *arg, const char *line);
	void *arg;
};

MUST_CHECK int build_template(const struct store *s, const struct build *b, struct template *ret,
			      struct err *e);
