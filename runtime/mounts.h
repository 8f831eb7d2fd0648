/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mounts on top of a VE's root: /proc, /sys, /dev with its nodes, pts, shm and mqueue,
 * /run, the cgroup2 tree, and the masks. They are made by host root while it is inside the
 * VE's pid, net, ipc and cgroup namespaces but in a mount namespace owned by the host; when
 * the VE's init then unshares its own mount namespace the kernel locks all of them together
 * (MNT_LOCKED, mount_namespaces(7)), so that nothing masked can be uncovered inside.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/err.h"

struct mounts_spec {
	int root;               /* fd of the attached root of the VE */
	uid_t uid;              /* host ids of the VE's root */
	gid_t gid;
	unsigned ptys;          /* limit of this VE's devpts; 0: the kernel's */
	uint64_t shm;           /* bytes of /dev/shm; 0: the kernel's, half of the memory */
	bool lxcfs;             /* put lxcfs' files over /proc where the host runs it */
};

struct mounts_made {
	int pts;                /* mount of the VE's own devpts, for its console */
	int sys;                /* /proc/sys of the VE below what makes it read-only */
};
#define MOUNTS_MADE_INIT { .pts = -1, .sys = -1 }

/* Build all. A missing /dev, /proc, /sys or /run is made; one that is not a directory is
 * VZ_BAD_TEMPLATE. */
MUST_CHECK int mounts_build(const struct mounts_spec *s, struct mounts_made *ret, struct err *e);
void mounts_made_close(struct mounts_made *m);

/* Whether the path statfs()es as a running lxcfs. */
bool mounts_lxcfs_present(void);
