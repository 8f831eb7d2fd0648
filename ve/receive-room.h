/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A stream must not fill the host's disk: the neighbours live on it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"

struct room {
	size_t since;           /* bytes since the last look */
	bool looked;
};

/* Before len bytes more of `what` go to file: now and then, whether there is room left. */
MUST_CHECK int receive_room(struct room *r, int file, size_t len, const char *what, struct err *e);
