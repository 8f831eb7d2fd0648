/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The disk of a VE as a directory `disk` of the host's own filesystem, which has a project of its
 * own (storage/project.h). The project's limits are the plan: exact in both directions, live, and
 * what statfs(2) inside shows, since the kernel answers for a directory that hands its project on
 * with the project's numbers. They bind the VE's root because overlayfs writes with the
 * credentials of who mounted it, which lack CAP_SYS_RESOURCE (storage/overlay.h).
 *
 * Each copy has a project of its own, too, so what it takes is known without reading it. A
 * snapshot's has no limit.
 *
 * The filesystem is everybody's: it is never frozen, trimmed or checked for one VE. What a copy of
 * a running VE needs is that its processes stand still.
 *
 * Crash safety. create and copy work in `.disk.new` and rename it. The directory above is for root
 * only, so nobody on the host reaches the tenant's set-user-id files.
 */
#include "storage/quota.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "storage/project.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-blk.h"
#include "util/sys-copy.h"
#include "util/sys-fs.h"
#include "util/sys-tree.h"

#define DISK "disk"
#define DISK_NEW ".disk.new"
#define LINKS ".links"          /* in DISK_NEW, while it is being made */
#define MIB (1024 * 1024)
#define CLONE_FLAGS (AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)

static int open_disk(int dir, int *ret, struct err *e)
{
	int r = fs_open_dir(dir, DISK, ret, e);

	return r == -ENOENT ? err_exit(e, VZ_IMAGE_NOT_FOUND) : r;
}

static int no_space(struct err *e)
{
	if (e->eno == ENOSPC || e->eno == EDQUOT)
		(void)err_exit(e, VZ_NO_DISK_SPACE);
	return -e->eno;
}

/* ---- create ---- */

/* A new directory with its project and the two that an overlay needs. */
static int make_new(int dir, int *ret, struct err *e)
{
	_fd_ int new = -1;
	int r = project_usable(dir, e);

	if (!r)
		r = fs_remove_tree(dir, DISK_NEW, e);
	if (!r && mkdirat(dir, DISK_NEW, 0700) < 0)
		r = err_sys(e, "make the directory of a disk");
	if (!r)
		r = fs_open_dir(dir, DISK_NEW, &new, e);
	if (!r)
		r = project_begin(new, e);
	if (!r && (mkdirat(new, "upper", 0755) < 0 || mkdirat(new, "work", 0755) < 0))
		r = err_sys(e, "make the directory of a disk");
	if (!r)
		*ret = TAKE_FD(new);
	return r;
}

static int place_new(int dir, struct err *e)
{
	if (renameat2(dir, DISK_NEW, dir, DISK, RENAME_NOREPLACE) < 0)
		return err_sys(e, "name the directory of a disk");
	return fsync(dir) < 0 ? err_sys(e, "sync the directory of a disk") : 0;
}

static void drop_new(int dir)
{
	struct err ignored = ERR_INIT;

	if (fs_remove_tree(dir, DISK_NEW, &ignored) < 0)
		err_clear(&ignored);            /* the next one does it */
}

static int quota_create(int dir, const struct disk_spec *spec, struct err *e)
{
	_fd_ int new = -1;
	int r = make_new(dir, &new, e);

	if (!r)
		r = project_limit(new, spec->size, spec->inodes, e);
	if (!r)
		r = place_new(dir, e);
	if (!r)
		return 0;
	drop_new(dir);
	(void)no_space(e);
	return err_exit(e, r == -EEXIST ? VZ_PRIVATE_EXISTS : VZ_IMAGE_CREATE);
}

/* ---- mount ---- */

/* A filesystem that lost its mount option would leave the VE without a limit. */
static int quota_prepare(int dir, const struct disk_spec *spec, struct err *e)
{
	(void)spec;
	drop_new(dir);
	return project_usable(dir, e);
}

/*
 * The same directory as the caller's mount namespace has it: only a mount of that can be copied, and
 * ours is of the one in which the instance was opened.
 */
static int open_here(int disk, int *ret)
{
	char link[64], path[PATH_MAX];
	_fd_ int fd = -1;
	struct stat want, is;
	ssize_t n;

	(void)str_fmt(link, sizeof(link), "/proc/self/fd/%d", disk);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return -errno;
	path[n] = '\0';
	fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(disk, &want) < 0 || fstat(fd, &is) < 0)
		return -errno;
	if (want.st_dev != is.st_dev || want.st_ino != is.st_ino)
		return -ESTALE;
	*ret = TAKE_FD(fd);
	return 0;
}

static int clone_mount(int disk)
{
	_fd_ int here = -1;
	int mnt = open_tree(disk, "", CLONE_FLAGS);

	if (mnt >= 0 || errno != EINVAL || open_here(disk, &here) < 0)
		return mnt;
	return open_tree(here, "", CLONE_FLAGS);
}

static int mount_disk(int disk, bool read_only, int *ret_mnt, struct err *e)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NODEV | (read_only ? MOUNT_ATTR_RDONLY : 0),
		.propagation = MS_PRIVATE,
	};
	_fd_ int mnt = clone_mount(disk);

	if (mnt < 0 || mount_setattr(mnt, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0) {
		(void)err_sys(e, "mount the directory of a disk");
		return err_exit(e, VZ_IMAGE_MOUNT);
	}
	*ret_mnt = TAKE_FD(mnt);
	return 0;
}

static int quota_mount(int dir, const struct disk_spec *spec, struct disk *ret, struct err *e)
{
	struct disk d = DISK_INIT;
	_fd_ int disk = -1;
	int r = open_disk(dir, &disk, e);

	if (!r)
		r = disk_end_reinstall(disk, spec->whole, e);
	if (!r)
		r = project_limit(disk, spec->size, spec->inodes, e);
	if (!r)
		r = mount_disk(disk, false, &d.mnt, e);
	if (r < 0)
		return err_exit(e, VZ_IMAGE_MOUNT);
	d.loop.dev = blk_disk_of(disk);
	*ret = d;
	return 0;
}

static int quota_mount_ro(int dir, struct disk *ret, struct err *e)
{
	struct disk d = DISK_INIT;
	_fd_ int disk = -1;
	int r = open_disk(dir, &disk, e);

	if (!r)
		r = mount_disk(disk, true, &d.mnt, e);
	if (!r)
		*ret = d;
	return r;
}

static int quota_reach(int dir, int loop_num, int *ret_mnt, struct err *e)
{
	_fd_ int disk = -1;
	int r = open_disk(dir, &disk, e);

	(void)loop_num;
	return r < 0 ? r : mount_disk(disk, false, ret_mnt, e);
}

/* ---- resize ---- */

static int check_room(const struct disk_spec *spec, const struct project_use *use, struct err *e)
{
	if (use->bytes > spec->size)
		return err_set(e, EBUSY, VZ_IMAGE_RESIZE,
			       "resize disk to %llu MiB: %llu MiB are in use",
			       (unsigned long long)(spec->size / MIB),
			       (unsigned long long)((use->bytes + MIB - 1) / MIB));
	if (spec->inodes && use->inodes > spec->inodes)
		return err_set(e, EBUSY, VZ_IMAGE_RESIZE,
			       "resize disk to %llu inodes: %llu are in use",
			       (unsigned long long)spec->inodes, (unsigned long long)use->inodes);
	return 0;
}

static int quota_resize_offline(int dir, const struct disk_spec *spec, struct err *e)
{
	struct project_use use = { 0 };
	_fd_ int disk = -1;
	int r = open_disk(dir, &disk, e);

	if (!r)
		r = project_read(disk, &use, e);
	return r < 0 ? r : check_room(spec, &use, e);
}

/* Use is looked at again under the new limit: from then on it cannot grow past it. */
static int quota_resize(int dir, int mnt_dir, int loop_num, const struct disk_spec *spec,
			struct err *e)
{
	struct project_use old = { 0 }, now = { 0 };
	struct err late = ERR_INIT;
	_fd_ int disk = -1;
	int r = open_disk(dir, &disk, e);

	(void)mnt_dir;
	(void)loop_num;
	if (!r)
		r = project_read(disk, &old, e);
	if (!r)
		r = check_room(spec, &old, e);
	if (!r)
		r = project_limit(disk, spec->size, spec->inodes, e);
	if (r < 0)
		return err_exit(e, VZ_IMAGE_RESIZE);
	r = project_read(disk, &now, e);
	if (!r)
		r = check_room(spec, &now, e);
	if (r < 0 && project_limit(disk, old.max_bytes, old.max_inodes, &late) < 0)
		*e = late;
	return r;
}

/* ---- what it has ---- */

static int quota_usage(int dir, int mnt_dir, int loop_num, struct disk_usage *ret, struct err *e)
{
	struct project_use use = { 0 };
	struct statvfs host;
	_fd_ int disk = -1;
	uint64_t left;
	int r = open_disk(dir, &disk, e);

	(void)mnt_dir;
	(void)loop_num;
	if (!r)
		r = project_read(disk, &use, e);
	if (!r && fstatvfs(disk, &host) < 0)
		r = err_sys(e, "read the use of a disk");
	if (r < 0)
		return r;
	left = use.max_bytes > use.bytes ? use.max_bytes - use.bytes : 0;
	*ret = (struct disk_usage){
		.size = use.max_bytes,
		.used = use.bytes,
		.avail = left,
		.inodes = use.max_inodes ? use.max_inodes : host.f_files,
		.inodes_used = use.inodes,
	};
	return 0;
}

static int quota_allocated(int dir, uint64_t *ret, struct err *e)
{
	struct project_use use = { 0 };
	_fd_ int disk = -1;
	int r = open_disk(dir, &disk, e);

	if (!r)
		r = project_read(disk, &use, e);
	if (!r)
		*ret = use.bytes;
	return r;
}

/* Tolerant: what is not lifted is the limit of a project that nothing is in. */
static void quota_retire(int dir)
{
	struct err ignored = ERR_INIT;
	_fd_ int disk = -1;

	if (open_disk(dir, &disk, &ignored) < 0 || project_limit(disk, 0, 0, &ignored) < 0)
		err_clear(&ignored);
}

/* ---- copy ---- */

/* Whether files here can share blocks. */
static bool shares_blocks(int dir)
{
	_fd_ int a = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	_fd_ int b = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return a >= 0 && b >= 0 && fs_write_all(a, DISK, sizeof(DISK)) == 0 &&
	       copy_reflink(a, b) == 0;
}

/* A copy beside the original must not fill the host's disk: neighbours live on it. */
static int room_for_copy(int dir, uint64_t bytes, struct err *e)
{
	struct statvfs vfs;

	if (fstatvfs(dir, &vfs) < 0)
		return err_sys(e, "look for room for a copy");
	if ((uint64_t)vfs.f_bavail * vfs.f_frsize / 2 > bytes || shares_blocks(dir))
		return 0;
	return err_set(e, ENOSPC, VZ_NO_DISK_SPACE,
		       "copy disk: its %llu MiB would take more than half of what the host has left",
		       (unsigned long long)(bytes / MIB));
}

static int copy_upper(const struct disk_copy *c, int from, int new, uint64_t bytes, struct err *e)
{
	const struct copy_watch w = { c->progress, c->arg };
	struct tree_copy t = { .from = -1, .to = -1, .files = -1, .w = &w, .bytes = bytes };
	_fd_ int old_upper = -1, new_upper = -1, links = -1;
	int r = fs_open_dir(from, "upper", &old_upper, e);

	if (!r)
		r = fs_open_dir(new, "upper", &new_upper, e);
	if (!r && mkdirat(new, LINKS, 0700) < 0)
		r = err_sys(e, "copy disk");
	if (!r)
		r = fs_open_dir(new, LINKS, &links, e);
	t.from = old_upper;
	t.to = new_upper;
	t.files = links;
	if (!r)
		r = tree_copy(&t, e);
	return r < 0 ? r : fs_remove_tree(new, LINKS, e);
}

/* While a VE runs, all of the copy falls into the moment in which it stands still. */
static int copy_held(const struct disk_copy *c, int from, int new, uint64_t bytes, struct err *e)
{
	struct err late = ERR_INIT;
	int r;

	if (!c->mounted)
		return copy_upper(c, from, new, bytes, e);
	r = c->hold(c->arg, -1, e);
	if (r < 0)
		return r;
	r = copy_upper(c, from, new, bytes, e);
	if (c->release(c->arg, &late) < 0 && !r) {
		*e = late;
		r = -e->eno;
	}
	return r;
}

static int quota_copy(const struct disk_copy *c, struct err *e)
{
	struct project_use use = { 0 };
	_fd_ int from = -1, new = -1;
	int r = open_disk(c->from, &from, e);

	if (!r && !c->mounted)
		r = disk_end_reinstall(from, false, e);
	if (!r)
		r = project_read(from, &use, e);
	if (!r)
		r = room_for_copy(c->to, use.bytes, e);
	if (!r)
		r = make_new(c->to, &new, e);
	if (!r)
		r = copy_held(c, from, new, use.bytes, e);
	if (!r && syncfs(new) < 0)
		r = err_sys(e, "copy disk: sync");
	if (!r)
		r = place_new(c->to, e);
	if (r < 0)
		drop_new(c->to);
	return r < 0 ? no_space(e) : 0;
}

const struct storage_backend storage_quota = {
	.name = "quota",
	.file = DISK,
	.on_host = true,
	.usable = project_usable,
	.create = quota_create,
	.prepare = quota_prepare,
	.mount = quota_mount,
	.resize = quota_resize,
	.resize_offline = quota_resize_offline,
	.usage = quota_usage,
	.copy = quota_copy,
	.reach = quota_reach,
	.mount_ro = quota_mount_ro,
	.allocated = quota_allocated,
	.retire = quota_retire,
};
