/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory and devices of a machine that stands still, out of one QEMU and into another, by its
 * migration stream (docs/devel/migration.rst of QEMU). It comes over a socket and not into a
 * file: QEMU may write none, and nothing that it has said is on disk before it was counted.
 */
#pragma once

#include <stdint.h>

#include "util/err.h"

/* Of the stream that was written. */
struct migrate_sum {
	uint64_t bytes;
	char sha256[65];
};

/* Append all of it to `to`; more than `most` bytes are refused: the process may be the guest's. */
MUST_CHECK int migrate_out(int dir, int to, uint64_t most, struct migrate_sum *ret, struct err *e);
/* Give a QEMU that was started to be given it so many bytes from `from`, and wait till it has them. */
MUST_CHECK int migrate_in(int dir, int from, uint64_t bytes, struct err *e);
/* "7.2": what QEMU calls itself. */
MUST_CHECK int migrate_version(int dir, char ret[16], struct err *e);
