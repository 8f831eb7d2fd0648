/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime/rootfs.h"

#include <fcntl.h>
#include <sys/mount.h>

#include "util/cleanup.h"
#include "util/exits.h"

int rootfs_attach(const struct overlay_spec *o, const char *stage, int *ret, struct err *e)
{
	struct overlay_spec spec = *o;
	_fd_ int dir = -1, mnt = -1;
	int r;

	dir = open(stage, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, "open %s", stage);
	spec.stage = dir;
	r = overlay_mount(&spec, &mnt, e);
	if (r < 0)
		return err_exit(e, VZ_MOUNT);
	if (move_mount(mnt, "", dir, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0) {
		(void)err_sys(e, "attach the root of the VE");
		return err_exit(e, VZ_MOUNT);
	}
	/* mnt names the very mount that was moved: no second lookup of the path. */
	*ret = TAKE_FD(mnt);
	return 0;
}
