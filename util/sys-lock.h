/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flock(2), which the kernel drops when the last descriptor of an open file is closed, so also when
 * its holder dies; with a limit to the waiting. Locks that have a queue are those of ve/lock.h.
 */
#pragma once

#include "util/err.h"

/* How long to wait for what is held an instant, and for what is held over work on whole files. */
#define FLOCK_BRIEF_MS 30000
#define FLOCK_WORK_MS 300000

/* op: LOCK_EX or LOCK_SH. 0, -EWOULDBLOCK when it was not to be had within wait_ms, or -errno. */
MUST_CHECK int flock_wait(int fd, int op, unsigned wait_ms);

/*
 * Lock path below dir for ourselves as long as *ret_fd lives: a file, made (0600) where it is
 * missing, or with a path that ends in "." a directory. -EBUSY (exit VZ_LOCKED): e calls the lock
 * `what` and names its holder.
 */
MUST_CHECK int flock_path(int dir, const char *path, const char *what, unsigned wait_ms, int *ret_fd,
			  struct err *e);
/* The same for an open file. */
MUST_CHECK int flock_fd(int fd, const char *what, unsigned wait_ms, struct err *e);
