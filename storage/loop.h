/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loop devices (loop(4)). Every device is set to autoclear: it goes away with its last user,
 * a mount or an open fd, so that nothing has to remember to detach it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/err.h"

struct loop {
	int fd;                 /* the open device; keeps it attached until a mount does */
	int num;                /* N of /dev/loopN */
	dev_t dev;              /* its device number, for io throttles */
};
#define LOOP_INIT { -1, -1, 0 }

/* Attach the open file; direct I/O where the host allows it (no double cache). */
MUST_CHECK int loop_attach(int file, bool read_only, struct loop *ret, struct err *e);

/*
 * Open /dev/loopNUM if it still carries this very file. Returns 0, or -ENODEV when it
 * does not (any more). The device cannot vanish while ret->fd is open.
 */
int loop_reopen(int num, int file, struct loop *ret);

void loop_close(struct loop *l);
