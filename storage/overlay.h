/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The root of a VE: overlayfs over the template (lower) and the VE's disk (upper), both
 * id-mapped, so files lie on disk unshifted and nothing is ever chowned.
 *
 * Two facts of the kernel shape this (overlayfs.rst, mount_setattr(2)):
 *  - an overlay of id-mapped layers has to be created with fsuid/fsgid that the map contains,
 *    else its work directory cannot be made and it silently comes up read-only;
 *  - it touches the upper layer with the credentials of whoever mounted it, so it is mounted
 *    without CAP_SYS_RESOURCE, or reserved blocks and quotas would be void.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "util/err.h"

struct overlay_spec {
	int lower;              /* detached mount of the template; -1: `upper` is the whole root */
	int upper;              /* detached mount of the disk; holds upper/ and work/ */
	int userns;             /* namespace whose map the layers get; -1: ids as they lie on disk */
	uid_t root_uid;         /* host id of the VE's root in that map */
	gid_t root_gid;
	bool read_only;         /* both are lower layers, nothing is ever written */
	int stage;              /* directory (in the caller's private mount namespace) to attach layers at on kernels that need paths; */
};

/*
 * Build the overlay, or without a lower layer map the ids of the disk's `upper`, and return its detached mount. The calling process must be in a mount
 * namespace of its own; it comes out with the credentials it went in with.
 */
MUST_CHECK int overlay_mount(const struct overlay_spec *s, int *ret_mnt, struct err *e);
