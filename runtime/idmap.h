/* SPDX-License-Identifier: GPL-2.0-or-later */
/* User and group ids of a VE: 65536 from a base on the host (user_namespaces(7)). */
#pragma once

#include <sys/types.h>

#include "util/err.h"

#define IDMAP_SIZE 65536

/* Map 0..65535 of the user namespace of pid to base.. on the host, for users and groups. */
MUST_CHECK int idmap_write(pid_t pid, uid_t base, struct err *e);

/*
 * A user namespace with the same map, in which the host's root has a number too: the first behind
 * those of the VE. For layers of a root that the host writes to; no process lives in it.
 */
MUST_CHECK int idmap_open_shared(uid_t base, int *ret, struct err *e);
