/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copies of a disk image, for snapshots and clones.
 *
 * A disk in use is copied at a moment at which its filesystem is frozen: then everything is in
 * the file and its journal is empty. Where the host's filesystem shares blocks the moment lasts
 * as long as one ioctl. Elsewhere the bulk is copied while the VE runs, and only what has
 * changed since is looked for in the moment, which so takes one reading of the file.
 *
 * The copy is made under its name in a directory that nobody looks into until its owner renames
 * it: what a killed copy leaves is removed with that directory.
 */
#include "storage/image-impl.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "storage/ext4.h"
#include "storage/fsctx.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-copy.h"

bool image_room_for_copy(int file, int dir)
{
	struct statvfs vfs;
	struct stat st;

	if (fstat(file, &st) < 0 || fstatvfs(dir, &vfs) < 0)
		return false;
	return (uint64_t)vfs.f_bavail * vfs.f_frsize / 2 > (uint64_t)st.st_blocks * 512;
}

static bool mounted_here(int loop_num)
{
	char path[64];

	(void)str_fmt(path, sizeof(path), "/sys/fs/ext4/loop%d", loop_num);
	return access(path, F_OK) == 0;
}

int image_reach(int dir, int loop_num, int *ret_file, struct loop *ret_loop, int *ret_mnt,
		struct err *e)
{
	struct loop l = LOOP_INIT;
	_fd_ int file = -1;
	int r = image_open(dir, &file, e);

	if (r < 0)
		return r;
	if (loop_reopen(loop_num, file, &l) < 0)
		return err_set(e, ENODEV, VZ_NOT_MOUNTED, "reach disk: /dev/loop%d is not its device",
			       loop_num);
	/* A second mount of what another kernel has mounted would destroy it. */
	if (!mounted_here(loop_num))
		r = err_set(e, EBUSY, VZ_MOUNTED, "reach disk: a virtual machine has it");
	else
		r = image_mount_loop(&l, ret_mnt, e);
	if (r < 0) {
		loop_close(&l);
		return r;
	}
	*ret_file = TAKE_FD(file);
	*ret_loop = l;
	return 0;
}

int image_reach_mount(int dir, int loop_num, int *ret_mnt, struct err *e)
{
	struct loop l = LOOP_INIT;
	_fd_ int file = -1;
	int r = image_reach(dir, loop_num, &file, &l, ret_mnt, e);

	loop_close(&l);
	return r;
}

int image_in_use(int dir, struct err *e)
{
	_fd_ int fd = -1;
	int r = image_open(dir, &fd, e);

	if (r == -ENOENT) {
		err_clear(e);                   /* nothing there to be used */
		return 0;
	}
	if (r < 0)
		return r;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return errno == EWOULDBLOCK ? 1 : err_sys(e, "lock " IMAGE);
}

int image_allocated(int dir, uint64_t *ret, struct err *e)
{
	struct stat st;

	if (fstatat(dir, IMAGE, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "stat " IMAGE);
	*ret = (uint64_t)st.st_blocks * 512;
	return 0;
}

static int make_file(int dir, int *ret, struct err *e)
{
	int fd;

	(void)unlinkat(dir, IMAGE, 0);          /* of a copy that was killed */
	fd = openat(dir, IMAGE, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "make " IMAGE);
	*ret = fd;
	return 0;
}

static int check_room(int from, int dir, struct err *e)
{
	struct stat st;

	if (image_room_for_copy(from, dir))
		return 0;
	return err_set(e, ENOSPC, VZ_NO_DISK_SPACE,
		       "copy disk: its %lld MiB would take more than half of what the host has left",
		       fstat(from, &st) < 0 ? 0LL : (long long)st.st_blocks / 2048);
}

/* Not mounted: whoever wants to mount it meanwhile finds it locked. */
static int copy_idle(const struct disk_copy *c, int from, int to, struct err *e)
{
	struct copy_watch w = { c->progress, c->arg };
	int r;

	if (copy_reflink(from, to) == 0)
		return 0;
	r = check_room(from, c->to, e);
	return r < 0 ? r : copy_sparse(from, to, &w, e);
}

/*
 * What stood in the middle of its work when it was copied (a VM with its memory, a VE after a power
 * cut) has what was written last in its journal alone. That is put in its place in a copy without a
 * name, which goes with the mount: a snapshot is not written to. One that cannot be mended is shown
 * as it is.
 */
static int settled_copy(int dir, int from, int *ret, struct err *e)
{
	const struct disk_copy c = { .to = dir };
	struct err ignored = ERR_INIT;
	_fd_ int to = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	int r = to < 0 ? err_sys(e, "copy disk") : copy_idle(&c, from, to, e);

	if (r < 0)
		return r;
	if (ext4_check(dir, "/proc/self/fd/0", to, false, &ignored) < 0)
		err_clear(&ignored);            /* fd 0 of the tool is `to` */
	*ret = TAKE_FD(to);
	return 0;
}

/* noload: the journal is empty, and would be replayed by writing (ext4(5)). */
int image_mount_ro(int dir, struct disk *ret, struct err *e)
{
	char dev[32];
	const struct fs_opt opts[] = { { "source", dev }, { "ro", NULL }, { "noload", NULL } };
	struct disk d = DISK_INIT;
	_fd_ int fd = -1, copy = -1;
	struct ext4_geo g;
	int r = image_lock(dir, &fd, e);

	if (!r)
		r = ext4_read_geo(fd, &g, e);
	if (!r && g.replay)
		r = settled_copy(dir, fd, &copy, e);
	if (!r)
		r = loop_attach(copy < 0 ? fd : copy, true, &d.loop, e);
	(void)str_fmt(dev, sizeof(dev), "/dev/loop%d", d.loop.num);
	if (!r)
		r = fsctx_mount("ext4", opts, ARRAY_SIZE(opts), MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV,
				IMAGE, &d.mnt, e);
	if (r < 0) {
		disk_done(&d);
		return err_exit(e, VZ_IMAGE_MOUNT);
	}
	*ret = d;
	return 0;
}

/* Between hold and release; the first failure is the one to tell. */
static int in_the_moment(const struct disk_copy *c, int mnt, int from, int to, bool shares,
			 struct err *e)
{
	struct err late = ERR_INIT;
	int r = c->hold(c->arg, mnt, e);

	if (r < 0)
		return r;
	if (shares) {
		r = copy_reflink(from, to);
		if (r < 0) {
			errno = -r;
			r = err_sys(e, "copy disk by reference");
		}
	} else {
		r = copy_changes(from, to, e);
	}
	if (c->release(c->arg, &late) < 0 && !r) {
		*e = late;
		r = -e->eno;
	}
	return r;
}

static int copy_in_use(const struct disk_copy *c, int to, struct err *e)
{
	struct copy_watch w = { c->progress, c->arg };
	_fd_ int from = -1, mnt = -1;
	struct loop l = LOOP_INIT;
	bool shares;
	int r = c->elsewhere ? image_open(c->from, &from, e) :
			       image_reach(c->from, c->loop_num, &from, &l, &mnt, e);

	if (r < 0)
		return r;
	loop_close(&l);
	shares = copy_reflink(from, to) == 0;
	if (!shares) {
		r = check_room(from, c->to, e);
		if (!r)
			r = copy_sparse(from, to, &w, e);
	}
	return r < 0 ? r : in_the_moment(c, mnt, from, to, shares, e);
}

int image_copy(const struct disk_copy *c, struct err *e)
{
	_fd_ int from = -1, to = -1;
	int r = 0;

	if (!c->mounted)
		r = image_lock(c->from, &from, e);
	if (!r)
		r = make_file(c->to, &to, e);
	if (!r)
		r = !c->mounted ? copy_idle(c, from, to, e) : copy_in_use(c, to, e);
	if (!r && c->renew)
		r = ext4_renew_uuid(to, e);
	if (!r && fsync(to) < 0)
		r = err_sys(e, "copy disk: sync");
	if (r < 0 && to >= 0)
		(void)unlinkat(c->to, IMAGE, 0);
	return r < 0 ? image_no_space(e) : 0;
}
