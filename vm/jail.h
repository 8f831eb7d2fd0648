/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Running QEMU where a guest that has taken it over finds nothing: an own uid and gid, no
 * capabilities and no way to any, its own mount, pid, ipc, uts, cgroup and network namespace (empty: the
 * link came as a descriptor), a root of a few read-only files, and QEMU's own system
 * call filter on top. In the VE's control groups, so that the VE's limits are its own.
 */
#pragma once

#include <sys/types.h>

#include "cgroups/cgroup.h"
#include "util/err.h"
#include "vm/qemu.h"

struct jail_spec {
	int payload;                    /* cgroup2 directory */
	struct cg_tasks tasks;          /* v1 groups */
	uid_t id;                       /* uid and gid of this VM alone */
	const char *stage;              /* an empty directory of the host, to build the root over */
	int kernel, initramfs;          /* -1: it boots its disk */
	int fds[VM_FD_END];             /* by enum vm_fd; -1: none */
	int log;                        /* becomes stdout and stderr */
	bool kvm;
	const struct vm_args *args;
};

/* The process that becomes QEMU, a child of the caller. Returns when exec has succeeded. */
MUST_CHECK int jail_start(const struct jail_spec *s, pid_t *ret_pid, int *ret_pidfd,
			  struct err *e);

/*
 * Take from a QEMU that is up the files it was started from: whatever happens from now on, it
 * has no name to open.
 */
MUST_CHECK int jail_seal(int pidfd, struct err *e);
