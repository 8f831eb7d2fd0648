/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tap devices (Documentation/networking/tuntap.rst): links whose other end is a descriptor. */
#pragma once

#include "util/err.h"

#include <stdint.h>

/*
 * Make one, down, in the caller's network namespace; it lives as long as *ret is open somewhere.
 * One of this name that nobody holds is no more; one that is held is -EBUSY.
 */
MUST_CHECK int tap_open(const char *name, const uint8_t mac[6], int *ret, struct err *e);
