/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes: identity that survives pid reuse, running helpers by argument vector. */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/err.h"

/* Start time of pid in clock ticks since boot (proc(5) stat field 22). 0 or -Exxx. */
int proc_starttime(pid_t pid, uint64_t *ret);

/* Real parent, from the same file. 0 or -Exxx. */
int proc_parent(pid_t pid, pid_t *ret);

/*
 * pidfd of the process that had this pid at this start time. Returns 0 with the fd, or
 * -ESRCH when that process is gone, even if the pid lives on as another; any other error says
 * nothing about it.
 */
int proc_open(pid_t pid, uint64_t starttime, int *ret_pidfd);

/* Wait until the process behind pidfd has ended; timeout_ms -1 waits for ever. -ETIMEDOUT. */
int proc_wait_gone(int pidfd, int timeout_ms);

/* The kernel's boot id (random(4)), 36 characters and NUL. */
int proc_boot_id(char ret[37]);

/* Monotonic clock in microseconds. */
uint64_t proc_now_us(void);
/* Wall clock: microseconds since 1970. */
uint64_t proc_real_us(void);

/*
 * The signals that end a command (SIGINT, SIGTERM, SIGHUP, SIGQUIT) come as data from now on: a
 * signalfd(2), not blocking. *ret_old is the mask to go back to. -Exxx: nothing has changed, and they
 * end it as ever. window: SIGWINCH too. What the caller has had ignored (nohup(1), & in a script)
 * stays so: blocked, it would come all the same (signal(7)).
 */
int proc_catch_signals(bool window, sigset_t *ret_old);

struct run {
	const char *const *argv;        /* argv[0] is an absolute path */
	const char *const *env;         /* NULL: only PATH and LC_ALL=C */
	int in, out;                    /* -1: /dev/null; descriptors stay the caller's */
	int cwd;                        /* directory fd or -1 */
	int timeout_ms;                 /* 0: none */
	uint64_t namespaces;            /* CLONE_NEW* that it starts in (clone3(2)) */
	/* Run in the child just before exec; must be async-signal-safe. NULL: nothing. */
	int (*setup)(void *arg);
	void *arg;
	/* Told every line of its stderr while it runs (at most 399 bytes each). NULL: nothing. */
	void (*line)(void *arg, const char *line);
	void *line_arg;
};

/*
 * Run a helper of the host and wait. No shell; every other descriptor is closed. Returns its
 * exit code (0..255; 128+signal), or -Exxx with e filled. On a non-zero exit code e holds the
 * last line that the helper wrote to stderr.
 */
MUST_CHECK int proc_run(const struct run *run, struct err *e);

/* Capability bit (linux/capability.h) in the effective set of this process. */
bool proc_has_cap(int cap);
