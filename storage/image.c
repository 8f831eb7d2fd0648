/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The disk of a VE as a sparse ext4 file on a loop device.
 *
 * Size. The filesystem is made for plan + headroom + reserve. What the VE can use is capped by
 * /sys/fs/ext4/loopN/reserved_clusters (Documentation/ABI/testing/sysfs-fs-ext4): blocks kept
 * back from every user, root and CAP_SYS_RESOURCE included. With f_blocks of statfs(2) being
 * the room for data, reserving f_blocks - plan makes used + avail exactly the plan. It moves
 * no data, takes effect at once both ways, and is forgotten at umount. The reserve is what
 * ext4 keeps by default (2 %, at most 4096 blocks) to convert extents on a full disk; it is
 * added on top, so that the plan is not smaller for it.
 *
 * Exclusion. Whoever works on the file holds flock(2) on it. The loop device keeps the open
 * file, and so the lock, until the last mount is gone; helpers inherit it as standard input.
 * A check or resize of a disk in use is thereby impossible, also after we were killed.
 *
 * Crash safety. create and shrink work on a second file and rename it. Growing happens in
 * place: it only adds groups behind the old end, and e2fsck of the next start mends a half.
 */
#include "storage/image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "storage/ext4.h"
#include "storage/fsctx.h"
#include "storage/image-impl.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-copy.h"
#include "util/sys-fs.h"
#include "util/sys-lock.h"
#include "util/sys-proc.h"

#define LOCK_WAIT_MS 5000       /* for the last umount of a VE that just died */
#ifndef EXT4_IOC_RESIZE_FS
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)
#endif

int image_no_space(struct err *e)
{
	if (e->eno == ENOSPC || e->eno == EDQUOT || e->eno == EFBIG)
		(void)err_exit(e, VZ_NO_DISK_SPACE);
	return -e->eno;
}

int image_open(int dir, int *ret, struct err *e)
{
	_fd_ int fd = openat(dir, IMAGE, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0) {
		(void)err_sys(e, "open " IMAGE);
		return err_exit(e, VZ_IMAGE_NOT_FOUND);
	}
	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat " IMAGE);
	if (!S_ISREG(st.st_mode))
		return err_set(e, EINVAL, VZ_IMAGE_NOT_FOUND, "open " IMAGE ": not a regular file");
	*ret = TAKE_FD(fd);
	return 0;
}

/* Open the image and hold it for ourselves. */
int image_lock(int dir, int *ret, struct err *e)
{
	_fd_ int fd = -1;
	int r = image_open(dir, &fd, e);

	if (r < 0)
		return r;
	r = flock_wait(fd, LOCK_EX, LOCK_WAIT_MS);
	if (r == -EWOULDBLOCK)
		return err_set(e, EBUSY, VZ_MOUNTED, "lock " IMAGE ": still in use");
	if (r < 0) {
		errno = -r;
		return err_sys(e, "lock " IMAGE);
	}
	*ret = TAKE_FD(fd);
	return 0;
}

/* ---- create ---- */

int image_copy_new(int dir, int from, bool renew, struct err *e)
{
	_fd_ int to = -1;
	int r;

	(void)unlinkat(dir, IMAGE_NEW, 0);
	to = openat(dir, IMAGE_NEW, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return err_sys(e, "make " IMAGE);
	r = copy_sparse(from, to, NULL, e);
	if (!r && renew)
		r = ext4_renew_uuid(to, e);
	if (!r && fsync(to) < 0)
		r = err_sys(e, "make " IMAGE ": sync");
	return r;
}

int image_place_new(int dir, unsigned flags, struct err *e)
{
	if (renameat2(dir, IMAGE_NEW, dir, IMAGE, flags) < 0)
		return err_sys(e, "make " IMAGE);
	if (fsync(dir) < 0)
		return err_sys(e, "make " IMAGE ": sync its directory");
	return 0;
}

static int image_create(int dir, const struct disk_spec *spec, struct err *e)
{
	_fd_ int seed = -1;
	int r = ext4_seed(spec->seeds, image_payload(spec), spec->inodes, &seed, e);

	if (!r)
		r = image_copy_new(dir, seed, true, e);
	if (!r && renameat2(dir, IMAGE_NEW, dir, IMAGE, RENAME_NOREPLACE) < 0)
		r = err_sys(e, "make " IMAGE);
	if (!r)
		return 0;
	(void)unlinkat(dir, IMAGE_NEW, 0);
	if (r == -EEXIST)
		return err_exit(e, VZ_PRIVATE_EXISTS);
	(void)image_no_space(e);
	return err_exit(e, VZ_IMAGE_CREATE);
}

/* ---- cap ---- */

static int cap_path(int loop_num, char dst[64])
{
	return str_fmt(dst, 64, "/sys/fs/ext4/loop%d/reserved_clusters", loop_num);
}

static int cap_write(int loop_num, uint64_t reserved, struct err *e)
{
	char path[64], text[24];
	uint64_t now;
	int r;

	(void)cap_path(loop_num, path);
	(void)str_fmt(text, sizeof(text), "%llu", (unsigned long long)reserved);
	r = fs_write_at(AT_FDCWD, path, text, e);
	if (r < 0)
		return r;
	if (fs_read_u64(AT_FDCWD, path, &now) < 0 || now != reserved)
		return err_set(e, EIO, 0, "write \"%s\" to %s: it did not take", text, path);
	return 0;
}

/* The reservation that leaves `data` blocks to the VE; none when the filesystem is smaller. */
static uint64_t reserve_for(const struct statvfs *vfs, uint64_t data)
{
	return vfs->f_blocks > data ? vfs->f_blocks - data : 0;
}

static uint64_t used_blocks(const struct statvfs *vfs)
{
	return vfs->f_blocks - vfs->f_bfree;
}

/* ---- mount ---- */

/*
 * errors= is given because a VM writes its superblock itself and could ask for a panic.
 * discard hands freed blocks back to the host. nosuid would break setuid programs of the VE;
 * device nodes are dead by MOUNT_ATTR_NODEV. Since 5.8 a mount reads all bitmaps beforehand, which
 * of 20 GiB is 9 MiB of the host's cache for each VE that idles; who writes reads what he needs.
 */
int image_mount_loop(const struct loop *l, int *ret_mnt, struct err *e)
{
	char dev[32];
	const struct fs_opt opts[] = {
		{ "source", dev },
		{ "discard", NULL },
		{ "errors", "remount-ro" },
		{ "no_prefetch_block_bitmaps", NULL },
	};

	(void)str_fmt(dev, sizeof(dev), "/dev/loop%d", l->num);
	return fsctx_mount("ext4", opts, ARRAY_SIZE(opts), MOUNT_ATTR_NODEV, IMAGE, ret_mnt, e);
}

static int apply_cap(int mnt, int loop_num, uint64_t data, struct err *e)
{
	struct statvfs vfs;

	if (fstatvfs(mnt, &vfs) < 0)
		return err_sys(e, "read the use of " IMAGE);
	if (vfs.f_flag & ST_RDONLY)
		return err_set(e, EROFS, 0, "mount " IMAGE ": it came up read-only");
	return cap_write(loop_num, reserve_for(&vfs, data), e);
}

static int image_mount(int dir, const struct disk_spec *spec, struct disk *ret, struct err *e)
{
	struct disk d = DISK_INIT;
	_fd_ int fd = -1;
	int r = image_lock(dir, &fd, e);

	if (!r)
		r = loop_attach(fd, false, &d.loop, e);
	if (!r)
		r = image_mount_loop(&d.loop, &d.mnt, e);
	if (!r)
		r = disk_end_reinstall(d.mnt, spec->whole, e);
	if (!r)
		r = apply_cap(d.mnt, d.loop.num, image_plan_blocks(spec), e);
	if (r < 0) {
		disk_done(&d);
		return err_exit(e, VZ_IMAGE_MOUNT);
	}
	*ret = d;
	return 0;
}

/* ---- resize ---- */

/* Order: file, device, filesystem; each is larger than the next at every moment. */
static int grow_online(int file, const struct loop *l, int mnt, uint64_t payload, struct err *e)
{
	_fd_ int root = openat(mnt, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct ext4_geo g;
	uint64_t blocks;
	int r = ext4_read_geo(file, &g, e);

	if (r < 0)
		return r;
	blocks = ext4_blocks_for(&g, payload);
	if (root < 0)
		return err_sys(e, "open the root of " IMAGE);
	if (ftruncate(file, (off_t)(blocks * EXT4_BLOCK)) < 0) {
		(void)err_sys(e, "grow " IMAGE);
		return image_no_space(e);
	}
	if (ioctl(l->fd, LOOP_SET_CAPACITY, 0) < 0)
		return err_sys(e, "grow /dev/loop%d", l->num);
	if (ioctl(root, EXT4_IOC_RESIZE_FS, &blocks) < 0)
		return err_sys(e, "grow the filesystem to %llu MiB",
			       (unsigned long long)(blocks / MIB_BLOCKS));
	return 0;
}

static int make_room(int file, const struct loop *l, int mnt, const struct disk_spec *spec,
		     struct err *e)
{
	struct statvfs vfs;
	int r;

	if (fstatvfs(mnt, &vfs) < 0)
		return err_sys(e, "read the use of " IMAGE);
	if (image_plan_blocks(spec) <= vfs.f_blocks)
		return 0;
	/* ext4_resize_begin() asks for this one capability, in the first user namespace. */
	if (!proc_has_cap(CAP_SYS_RESOURCE))
		return err_set(e, EPERM, VZ_IMAGE_RESIZE,
			       "resize disk to %llu MiB: this host (without CAP_SYS_RESOURCE) can "
			       "grow it to %llu MiB while it runs; stop the VE first",
			       (unsigned long long)(image_plan_blocks(spec) / MIB_BLOCKS),
			       (unsigned long long)(vfs.f_blocks / MIB_BLOCKS));
	r = grow_online(file, l, mnt, image_payload(spec), e);
	return r < 0 ? err_exit(e, VZ_IMAGE_RESIZE) : 0;
}

/*
 * The cap is written before use is looked at for the last time: from then on use cannot grow
 * past it, so the answer is true and not a race with the VE's writers.
 */
static int change_cap(int mnt, int loop_num, uint64_t data, struct err *e)
{
	char path[64];
	uint64_t old;
	struct statvfs vfs;
	int r;

	(void)cap_path(loop_num, path);
	r = fs_read_u64(AT_FDCWD, path, &old);
	if (r < 0)
		return err_set(e, -r, 0, "read %s: %s", path, strerror(-r));
	if (fstatvfs(mnt, &vfs) < 0)
		return err_sys(e, "read the use of " IMAGE);
	if (used_blocks(&vfs) > data)
		return image_too_small(data, used_blocks(&vfs), e);
	r = cap_write(loop_num, reserve_for(&vfs, data), e);
	if (r < 0)
		return r;
	if (fstatvfs(mnt, &vfs) == 0 && used_blocks(&vfs) <= data)
		return 0;
	r = cap_write(loop_num, old, e);
	return r < 0 ? r : image_too_small(data, used_blocks(&vfs), e);
}

/* mnt_dir is not looked at: what a running VE shows as its root is its own to change. */
static int image_resize(int dir, int mnt_dir, int loop_num, const struct disk_spec *spec,
			struct err *e)
{
	struct loop l = LOOP_INIT;
	_fd_ int file = -1, mnt = -1;
	int r = image_reach(dir, loop_num, &file, &l, &mnt, e);

	(void)mnt_dir;
	if (!r)
		r = make_room(file, &l, mnt, spec, e);
	if (!r)
		r = change_cap(mnt, loop_num, image_plan_blocks(spec), e);
	loop_close(&l);
	return r < 0 ? err_exit(e, VZ_IMAGE_RESIZE) : 0;
}

static int image_usage(int dir, int mnt_dir, int loop_num, struct disk_usage *ret, struct err *e)
{
	struct statvfs vfs;
	uint64_t reserved;
	char path[64];
	int r;

	(void)dir;
	(void)cap_path(loop_num, path);
	r = fs_read_u64(AT_FDCWD, path, &reserved);
	if (r < 0)
		return err_set(e, -r, 0, "read %s: %s", path, strerror(-r));
	if (fstatvfs(mnt_dir, &vfs) < 0)
		return err_sys(e, "read the use of " IMAGE);
	*ret = (struct disk_usage){
		.size = (vfs.f_blocks - (reserved < vfs.f_blocks ? reserved : vfs.f_blocks)) *
			vfs.f_frsize,
		.used = used_blocks(&vfs) * vfs.f_frsize,
		.avail = (uint64_t)vfs.f_bavail * vfs.f_frsize,
		.inodes = vfs.f_files,
		.inodes_used = vfs.f_files - vfs.f_ffree,
	};
	return 0;
}

const struct storage_backend storage_image = {
	.name = "image",
	.file = IMAGE,
	.create = image_create,
	.prepare = image_prepare,
	.mount = image_mount,
	.attach = image_attach,
	.grow_attached = image_grow_attached,
	.resize = image_resize,
	.resize_offline = image_resize_offline,
	.usage = image_usage,
	.copy = image_copy,
	.reach = image_reach_mount,
	.mount_ro = image_mount_ro,
	.in_use = image_in_use,
	.allocated = image_allocated,
	.open_file = image_lock,
	.fill_begin = image_fill_begin,
	.fill_end = image_fill_end,
};
