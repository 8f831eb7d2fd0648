/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VE's root directory, put together in the worker's private mount namespace. */
#pragma once

#include "storage/overlay.h"
#include "util/err.h"

/*
 * Mount the overlay of `o` and attach it at the host directory `stage` (an absolute path, so
 * that it is looked up in the mount namespace of now). *ret is a descriptor of the VE's root.
 */
MUST_CHECK int rootfs_attach(const struct overlay_spec *o, const char *stage, int *ret,
			     struct err *e);
