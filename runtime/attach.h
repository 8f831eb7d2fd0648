/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Running a command in a VE that is up: exec, enter, runscript, hooks inside. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "cgroups/cgroup.h"
#include "util/err.h"

struct attach_spec {
	int pidfd;                      /* of the VE's init */
	int payload;                    /* cgroup2 directory for the command */
	struct cg_tasks tasks;
	const char *const *argv;
	const char *const *env;
	int (*work)(const void *arg);   /* runs instead of argv and returns the exit code; NULL: argv */
	const void *arg;
	int in, out, err;               /* become 0, 1, 2; never chowned */
	bool tty;                       /* they are a terminal of the VE: make it the controlling one */
	bool no_core;
	unsigned limited;               /* bit per RLIMIT_*: the soft limit is the hard one, as for init */
	int timeout_ms;                 /* for the way to exec, where the tenant can stop it; 0: none */
};

/*
 * Start it; one fork. The command is born in the VE's pid namespace and control groups, joins
 * the rest, and gets the same capabilities and filter as init. The caller waits for *ret_pid,
 * whose parent it is. Fails when the command cannot be executed (exit 127 would hide it).
 * The calling process must be sealed (runtime/seal.h) and is undumpable afterwards.
 */
MUST_CHECK int attach_start(const struct attach_spec *s, pid_t *ret_pid, struct err *e);

/* Wait for it; its exit code, or 128 + signal. */
int attach_wait(pid_t pid);
