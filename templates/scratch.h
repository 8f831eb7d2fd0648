/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A directory for the making of one version, on the store's filesystem. It is locked while its
 * maker lives; what a killed one left is removed when the next is made.
 */
#pragma once

#include "util/err.h"

struct scratch {
	int tmp;                /* the directory it is in, the caller's */
	int fd;
	char name[32];
};
#define SCRATCH_INIT { -1, -1, "" }

MUST_CHECK int scratch_open(int tmp, struct scratch *ret, struct err *e);
/* Remove it with all it holds. Failing at that is worth an error only after a success. */
MUST_CHECK int scratch_close(struct scratch *s, struct err *e);
/* Remove those whose makers are gone. */
void scratch_sweep(int tmp);
