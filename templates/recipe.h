/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside of build*.c: a recipe fills a directory, build.c does the rest for all of them. */
#pragma once

#include <sys/types.h>

#include "templates/build.h"
#include "util/err.h"

struct recipe {
	const char *name;               /* what the user types, and the distribution's name */
	const char *init;
	const char *family, *suite;     /* "debian" and "bookworm"; NULL for mini */
	/* Fill the empty directory `root` below scratch (which is its parent). */
	int (*fill)(const struct build *b, const struct recipe *r, int scratch, struct err *e);
};

/* What a recipe of the administrator (templates/recipe-file.c) adds to one of ours. */
struct recipe_extra {
	char base[64];
	char packages[4096];            /* names with commas between */
	char mirror[256];
	char hook[1024];                /* program of the host, told the root directory */
};

MUST_CHECK int recipe_load(int dir, const char *name, struct recipe_extra *ret, struct err *e);
MUST_CHECK int recipe_check_hook(const char *path, struct err *e);

struct recipe_file {
	const char *path;
	mode_t mode;
	const char *text;
};

struct recipe_link {
	const char *path, *target;
};

int build_mini(const struct build *b, const struct recipe *r, int scratch, struct err *e);
int build_debian(const struct build *b, const struct recipe *r, int scratch, struct err *e);

/* One progress line. */
void build_say(const struct build *b, const char *fmt, ...) PRINTF(2, 3);

/* Write files and links below root, replacing what is there; parents are made. */
MUST_CHECK int build_files(int root, const struct recipe_file *f, size_t n, struct err *e);
MUST_CHECK int build_links(int root, const struct recipe_link *l, size_t n, struct err *e);
/* Remove a file or directory below root; links in its parents stay inside the root. */
MUST_CHECK int build_drop(int root, const char *path, struct err *e);
