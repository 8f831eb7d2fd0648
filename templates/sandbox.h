/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Confinement of berth-unpack, entered before it looks at its input. It starts in namespaces of
 * its own (templates/unpack.c), as root; afterwards:
 *   - its root directory is an empty, read-only tmpfs; nothing of the host has a name
 *   - it is nobody, has no capability (of a directory source: CAP_DAC_READ_SEARCH, and the
 *     directory is a read-only mount that has no ".."), cannot get one, cannot be traced
 *   - memory, processor time, size of a file and of the process table are limited
 *   - calls outside a short list end it
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

/* Parts of it, for a helper that needs another root. threads: it may have some. */
MUST_CHECK int sandbox_limit(uint64_t max_file, bool threads, struct err *e);
MUST_CHECK int sandbox_drop_rights(bool read_all, struct err *e);

MUST_CHECK int sandbox_enter(bool directory, uint64_t max_file, struct err *e);
