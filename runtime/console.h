/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pseudo terminals that belong to the VE (devpts of its own), and relaying a caller's tty. */
#pragma once

#include <stdbool.h>

#include "util/err.h"

/* New pty of the devpts whose mount or directory fd is pts, after a check that it is one. Both
 * ends CLOEXEC, NOCTTY; the slave goes to the owner of pts/ptmx, in a VE its root. */
MUST_CHECK int pty_open(int pts, int *ret_master, int *ret_slave, struct err *e);

/* Bind a slave of `pts` over the plain file name in target_dir (/dev/console of the VE), in the
 * mount namespace where it was opened. */
MUST_CHECK int pty_bind(int pts, int slave, int target_dir, const char *name, struct err *e);

enum pty_flags {
	PTY_DETACH = 1 << 0,
	PTY_LINES = 1 << 1,     /* not raw: the caller's terminal edits and echoes the lines */
};

/*
 * Copy bytes between the caller's terminal (raw mode, restored on return) and master, pass on
 * window size, until master closes, `pidfd` (or -1) ends and what it wrote is drained (though others
 * write on), or the detach sequence "ESC ." is typed with PTY_DETACH. Returns 0, 1 when detached, or -Exxx. A signal
 * that ends the caller (HUP INT QUIT TERM) is raised again after the terminal is restored. Hold
 * a slave open until its program runs: without any, the terminal counts as closed.
 */
int pty_relay(int in, int out, int master, int pidfd, unsigned flags);
