/* SPDX-License-Identifier: GPL-2.0-or-later */
/* User and group ids of a VE: 65536 from a base on the host (user_namespaces(7)). */
#pragma once

#include <sys/types.h>

#include "util/err.h"

#define IDMAP_SIZE 65536

/* Map 0..65535 of the user namespace of pid to base.. on the host, for users and groups. */
MUST_CHECK int idmap_write(pid_t pid, uid_t base, struct err *e);
