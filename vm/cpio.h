/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing a cpio archive for the kernel (Documentation/driver-api/early-userspace/buffer-format.rst). */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "util/err.h"

struct cpio {
	int fd;
	unsigned ino;
	size_t pos;
};

/* mode has the type bits: S_IFDIR, S_IFREG. data may be NULL with len 0. */
MUST_CHECK int cpio_add(struct cpio *c, const char *name, mode_t mode, const void *data,
			size_t len, struct err *e);
MUST_CHECK int cpio_add_device(struct cpio *c, const char *name, mode_t mode, unsigned major,
			       unsigned minor, struct err *e);
/* The trailer. */
MUST_CHECK int cpio_end(struct cpio *c, struct err *e);
