/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two mounts of a VE that carry a limit, changed while it runs: the size of /dev/shm and the
 * number of terminals in /dev/pts. Their superblocks belong to the host's user namespace, so
 * nobody inside can reconfigure them.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "util/err.h"

/*
 * O_PATH fd of what is mounted at rel below the root of a VE; -EXDEV when that is not the
 * superblock `dev`: the tenant can mount over anything.
 */
MUST_CHECK int mounts_limited(int root, const char *rel, uint64_t dev, int *ret, struct err *e);

/* Bytes; "" for half of the host's memory, as without a limit. -EINVAL: less than is in use. */
int mounts_resize_shm(int shm, const char *size);
/* Terminals at the same time, that of the console included; gid of the VE's root. */
int mounts_limit_ptys(int pts, gid_t gid, unsigned max);
