/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tap devices (Documentation/networking/tuntap.rst): links whose other end is a descriptor. */
#pragma once

#include "util/err.h"

#include <stdint.h>
#include <sys/types.h>

/*
 * Make one, down, in the caller's network namespace; it lives as long as *ret is open somewhere.
 * One of this name that nobody holds is no more; one that is held is -EBUSY.
 */
MUST_CHECK int tap_open(const char *name, const uint8_t mac[6], int *ret, struct err *e);

/*
 * A copy of the descriptor by which the process has the tap of this name; pidfd is its, too.
 * -ENOENT when it has none.
 */
MUST_CHECK int tap_of(pid_t pid, int pidfd, const char *name, int *ret);
