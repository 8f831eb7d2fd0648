/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Versions from elsewhere: an archive, an OCI image layout, a directory, a VE, a disk. */
#pragma once

#include "templates/sign.h"
#include "templates/store.h"
#include "templates/unpack.h"
#include "util/err.h"

/* The root of another tool's VE: no template for others, so nobody vouches for it. */
struct import_root {
	int fd;                         /* archive, or detached mount of a directory */
	enum unpack_kind kind;
	uint32_t shift;                 /* see struct unpack */
	const char *prefix, *drop;
	const char *origin;             /* as in struct template */
};

struct import {
	const char *path;               /* file or directory; NULL: dir is the source */
	int dir;                        /* detached mount of a VE's root, or -1 */
	const struct import_root *root; /* the source, before the two above; NULL: one of them */
	const char *name;               /* channel */
	const char *ref;                /* which image of an OCI layout; NULL: the only one */
	const char *format;             /* it is a disk of this format (templates/disk.h); NULL: files */
	const char *unpack, *convert;   /* absolute paths of berth-unpack and berth-convert */
	const struct sign_policy *sign;
	bool trusted;                   /* an image needs no signature, unless all do */
	bool leave_channel;             /* where there is a channel of that name, it stays what it is */
	uint64_t max_size, max_files;   /* 0: UNPACK_MAX_*, DISK_MAX_SIZE */
	int tmp;                        /* directory fd for scratch, on the store's filesystem */
	/* Told what happens, a line at a time; may be NULL. */
	void (*progress)(void *arg, const char *line);
	void *arg;
};

MUST_CHECK int import_template(const struct store *s, const struct import *im,
			       struct template *ret, struct err *e);
