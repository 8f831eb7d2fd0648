/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Filesystem contexts (fsopen(2)): a mount that is never in anybody's mount table. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

struct fs_opt {
	const char *key, *value;        /* value NULL: a flag */
};

/*
 * Make a superblock of this type with these options and mount it detached. attrs is a set of
 * MOUNT_ATTR_*. what names the object in errors. Returns an O_PATH fd of the root.
 */
MUST_CHECK int fsctx_mount(const char *type, const struct fs_opt *opts, size_t n, uint64_t attrs,
			   const char *what, int *ret_mnt, struct err *e);

/* The steps of fsctx_mount, for callers that set options by descriptor. */
MUST_CHECK int fsctx_open(const char *type, int *ret_ctx, struct err *e);
/* 0 or -Exxx, without text: callers fall back. */
int fsctx_set(int ctx, const struct fs_opt *opts, size_t n);
/* Create the superblock and the mount; e holds the kernel's own message where it left one. */
MUST_CHECK int fsctx_create(int ctx, uint64_t attrs, const char *what, int *ret_mnt,
			    struct err *e);
/* Text for a failed set or create: the kernel's message in the context, else errno -r. */
int fsctx_err(int ctx, int r, const char *what, struct err *e);
