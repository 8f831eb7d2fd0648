/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looking into a snapshot: its disk over the template version it was made on, read-only, at a
 * directory of the host. run/snap-UUID says where, for umount, and keeps the snapshot from being
 * deleted meanwhile, as does the image's lock where the loop device has the image itself.
 */
#include "ve/snapshot.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "storage/overlay.h"
#include "templates/store.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/plan.h"
#include "ve/snap-store.h"

static void record_path(const char *uuid, char dst[64])
{
	(void)str_fmt(dst, 64, "snap-%s", uuid);
}

bool snap_is_mounted(const struct ve *ve, const char *uuid)
{
	struct err ignored = ERR_INIT;
	_free_ char *target = NULL;
	_fd_ int at = -1;
	struct statx stx;
	struct statfs fs;
	char record[64];

	record_path(uuid, record);
	if (fs_read_at(ve->in->run, record, PATH_MAX, &target, NULL, &ignored) < 0)
		return false;
	at = open(target, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return at >= 0 && statx(at, "", AT_EMPTY_PATH, 0, &stx) == 0 && fstatfs(at, &fs) == 0 &&
	       (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT) && fs.f_type == OVERLAYFS_SUPER_MAGIC;
}

/* Both layers, detached. The stage is for kernels that need paths (storage/overlay.h). */
static int mount_layers(struct ve *ve, int dir, const struct snapshot *s, int stage, int *ret,
			struct err *e)
{
	struct overlay_spec o = { .lower = -1, .upper = -1, .userns = -1, .read_only = true,
				  .stage = stage };
	struct store st = STORE_INIT;
	struct disk disk = DISK_INIT;
	_fd_ int one = -1, lower = -1;
	struct plan plan;
	int r = fs_open_dir(dir, s->uuid, &one, e);

	plan_for_undo(ve, &plan);
	if (!r)
		r = store_open(ve->in->lib, ve->in->run, &st, e);
	if (!r && !plan.whole)
		r = store_mount(&st, s->template, false, &lower, e);
	store_close(&st);
	if (!r)
		r = plan.backend->mount_ro(one, &disk, e);
	o.lower = lower;
	o.upper = disk.mnt;
	if (!r)
		r = overlay_mount(&o, ret, e);
	disk_done(&disk);
	return r;
}

static int attach(int mnt, int target, const char *path, struct err *e)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC |
			    MOUNT_ATTR_RDONLY,
	};

	if (mount_setattr(mnt, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ||
	    move_mount(mnt, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(e, "mount at %s", path);
	return 0;
}

static int with_stage(struct ve *ve, int dir, const struct snapshot *s, int *ret, struct err *e)
{
	_fd_ int stage = -1;
	char path[64];
	int r;

	(void)str_fmt(path, sizeof(path), "root/%s", s->uuid);
	if (mkdirat(ve->in->lib, path, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "make %s", path);
	r = fs_open_dir(ve->in->lib, path, &stage, e);
	if (!r)
		r = mount_layers(ve, dir, s, stage, ret, e);
	cleanup_fd(&stage);
	(void)unlinkat(ve->in->lib, path, AT_REMOVEDIR);
	return r;
}

static int do_mount(struct ve *ve, int dir, const char *which, const char *target, struct err *e)
{
	char real[PATH_MAX], record[64];
	_fd_ int at = -1, mnt = -1;
	struct snapshot s;
	int r = snap_find(dir, which, &s, e);

	if (r < 0)
		return r;
	if (snap_is_mounted(ve, s.uuid))
		return err_set(e, EBUSY, VZ_MOUNTED, "snapshot %s is mounted already", s.uuid);
	at = open(target, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0 || !realpath(target, real))
		return err_sys(e, "open --target %s", target);
	record_path(s.uuid, record);
	r = with_stage(ve, dir, &s, &mnt, e);
	if (!r)         /* before it is so: umount of what is not mounted is no harm */
		r = fs_save_at(ve->in->run, record, real, 0600, e);
	if (!r)
		r = attach(mnt, at, target, e);
	if (r < 0)
		fs_unlink_saved(ve->in->run, record);
	return r;
}

int ve_snapshot_mount(struct inst *in, uint32_t id, const char *which, const char *target,
		      struct err *e)
{
	_fd_ int dir = -1;
	struct ve ve;
	int r = ve_open(&ve, in, id, "snapshot-mount", e);

	if (r < 0)
		return r;
	r = snap_open(&ve, true, &dir, e);
	if (!r)
		r = do_mount(&ve, dir, which, target, e);
	ve_close(&ve);
	return r < 0 ? err_exit(e, VZ_SNAP_MOUNT) : 0;
}

static int do_umount(struct ve *ve, int dir, const char *which, struct err *e)
{
	_free_ char *target = NULL;
	struct snapshot s;
	char record[64];
	int r = snap_find(dir, which, &s, e);

	if (r < 0)
		return r;
	record_path(s.uuid, record);
	r = fs_read_at(ve->in->run, record, PATH_MAX, &target, NULL, e);
	if (r == -ENOENT)
		return err_set(e, EINVAL, VZ_SNAP_UMOUNT, "snapshot %s is not mounted", s.uuid);
	if (r < 0)
		return r;
	if (umount2(target, UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
		return err_sys(e, "unmount %s", target);
	fs_unlink_saved(ve->in->run, record);
	return 0;
}

int ve_snapshot_umount(struct inst *in, uint32_t id, const char *which, struct err *e)
{
	_fd_ int dir = -1;
	struct ve ve;
	int r = ve_open(&ve, in, id, "snapshot-umount", e);

	if (r < 0)
		return r;
	r = snap_open(&ve, true, &dir, e);
	if (!r)
		r = do_umount(&ve, dir, which, e);
	ve_close(&ve);
	return r < 0 ? err_exit(e, VZ_SNAP_UMOUNT) : 0;
}
