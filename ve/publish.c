/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A template from a stopped VE. Its layers are put together as for `mount`, but where nobody sees
 * them, and read-only; the lock is held until the version is in the store.
 */
#include <fcntl.h>
#include <sys/mount.h>

#include "runtime/nsenter.h"
#include "templates/import.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "ve/mount.h"

static int freeze_tree(int mnt, struct err *e)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
					       MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC };

	if (mount_setattr(mnt, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return err_sys(e, "make the root read-only");
	return 0;
}

static int publish(struct ve *ve, const struct store *s, struct import *im, struct template *ret,
		   struct err *e)
{
	struct disk disk = DISK_INIT;
	_fd_ int mnt = -1;
	int r = mount_tree(ve, &disk, &mnt, e);

	if (!r)
		r = freeze_tree(mnt, e);
	im->dir = mnt;
	im->path = NULL;
	if (!r)
		r = import_template(s, im, ret, e);
	cleanup_fd(&mnt);
	disk_done(&disk);
	return r;
}

int ve_publish(struct inst *in, uint32_t id, const struct store *s, struct import *im,
	       struct template *ret, struct err *e)
{
	struct ns_home home = NS_HOME_INIT;
	struct ve ve;
	int r = ve_open(&ve, in, id, "publish", e);

	if (r < 0)
		return r;
	if (ve.state.phase == PH_RUNNING)
		r = err_set(e, EBUSY, VZ_RUNNING, "publish VE %u: it is running; stop it first", id);
	else if (ve.state.phase == PH_MOUNTED)
		r = err_set(e, EBUSY, VZ_MOUNTED, "publish VE %u: it is mounted; unmount it first", id);
	else
		r = ns_unshare_mounts(&home, e);
	if (!r)
		r = publish(&ve, s, im, ret, e);
	ns_return_mounts(&home);
	ve_close(&ve);
	return r;
}
