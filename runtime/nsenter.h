/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stepping into namespaces and back, for a single-threaded process of the host. */
#pragma once

#include <sys/types.h>

#include "util/err.h"

/* The caller's own namespaces, to return to; -1 where it did not leave. */
struct ns_home {
	int mnt;
};
#define NS_HOME_INIT { -1 }

/* Take a private copy of the mount namespace; nothing propagates in or out. */
MUST_CHECK int ns_unshare_mounts(struct ns_home *home, struct err *e);
/* Return to the mount namespace of before; a no-op when home->mnt is -1. */
void ns_return_mounts(struct ns_home *home);
/* Go home for a moment, to what the host sees; *ret_back leads back to the private copy, and
 * stays -1 for who has not left. */
MUST_CHECK int ns_visit_home(const struct ns_home *home, int *ret_back, struct err *e);
MUST_CHECK int ns_visit_end(int back, struct err *e);

/*
 * Join pid (for children), net, ipc and cgroup namespaces of the process behind pidfd, keeping
 * user and mount namespace and so all privileges: what is mounted now is owned by the host and
 * shows the VE. ns_leave comes back.
 */
struct ns_visit { int pid, net, ipc, cgroup; };
MUST_CHECK int ns_enter(int pidfd, struct ns_visit *home, struct err *e);
MUST_CHECK int ns_leave(struct ns_visit *home, struct err *e);

/* Open /proc/PID/ns/NAME. The caller holds a pidfd, so that PID is who it was. */
MUST_CHECK int ns_open(pid_t pid, const char *name, int *ret, struct err *e);
