/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VE's root where the host can see it: lib/root/ID, by way of the compat links /vz/root/ID.
 * A stopped VE is there while it is mounted (ve/mount.h), a running one if HOST_ROOT_MOUNTS="yes".
 */
#pragma once

#include "runtime/nsenter.h"
#include "ve/ve.h"

void host_root_path(const struct ve *ve, char dst[PATH_MAX]);

/*
 * Attach a detached mount there, its files not devices, set-user-id or runnable. The caller is
 * in the host's mount namespace.
 */
MUST_CHECK int host_root_attach(const struct ve *ve, int mnt, struct err *e);

/*
 * Show the root that is put together in the worker's private namespace on the host: what the
 * host mounts below it from now on appears in the VE too, and nothing of the VE on the host.
 */
MUST_CHECK int host_root_show(const struct ve *ve, int root, const struct ns_home *home,
			      struct err *e);

/* Take it away with all that is mounted on it; no error if it is not there. */
void host_root_hide(const struct ve *ve);
