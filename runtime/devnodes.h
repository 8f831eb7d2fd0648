/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VE's /dev holds. The nodes are made by host root on a tmpfs of ours, because a user
 * namespace may not mknod(2) devices, and because nodes of a template or of the tenant's disk
 * are never trusted: that disk is mounted nodev. What may be opened is decided a second time
 * by the device filter of the VE's cgroup.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "util/err.h"

/*
 * Fill the fresh tmpfs dev: the standard nodes and links, the directories pts, shm and mqueue
 * to mount on, and an empty file `console` to bind a terminal over. All belong to uid:gid.
 */
MUST_CHECK int devnodes_fill(int dev, uid_t uid, gid_t gid, struct err *e);

/* Make a null device `name` in dir, open to everybody, and prove that it is one. */
MUST_CHECK int devnodes_null(int dir, const char *name, struct err *e);

/* Whether fd is the character device major:minor, whatever path it was opened by. */
bool devnodes_is(int fd, unsigned major, unsigned minor);

/* Whether fd lies on a devpts; -Exxx of fstatfs(2) counts as no. */
bool devnodes_on_devpts(int fd);
