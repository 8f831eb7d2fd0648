/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Project quotas of ext4 and xfs: a number on a directory that everything made below it gets, and
 * limits on what has that number. quotactl_fd(2), since 5.14.
 */
#pragma once

#include <stdint.h>

#include "util/err.h"

struct project_use {
	uint64_t bytes, inodes;
	uint64_t max_bytes, max_inodes;         /* 0: none */
};

/* Refuses with the reason where the filesystem of dir does not enforce them. */
MUST_CHECK int project_usable(int dir, struct err *e);

/*
 * Give an empty directory, open for reading, a project that nothing else is in. The number is
 * drawn; that the directory is alone in it is seen from the kernel's own count.
 */
MUST_CHECK int project_begin(int dir, struct err *e);

/* Of the project that dir has, which must not be 0. */
MUST_CHECK int project_read(int dir, struct project_use *ret, struct err *e);
MUST_CHECK int project_limit(int dir, uint64_t max_bytes, uint64_t max_inodes, struct err *e);
