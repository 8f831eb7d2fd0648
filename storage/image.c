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
#include "util/sys-proc.h"

#define LOCK_TRIES 250          /* of 20 ms: the last umount of a VE that just died */
#define MIB_BLOCKS (1024 * 1024 / EXT4_BLOCK)
#ifndef EXT4_IOC_RESIZE_FS
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)
#endif

static uint64_t plan_blocks(const struct disk_spec *spec)
{
	return spec->size / EXT4_BLOCK;
}

/* Room for data that the filesystem should have; see "Size" above. */
static uint64_t wanted_payload(const struct disk_spec *spec)
{
	uint64_t data = spec->size / EXT4_BLOCK + spec->headroom / EXT4_BLOCK;

	return data + (data / 50 < 4096 ? data / 50 : 4096);
}

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
	for (int try = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; try++) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(e, "lock " IMAGE);
		if (try == LOCK_TRIES)
			return err_set(e, EBUSY, VZ_MOUNTED, "lock " IMAGE ": still in use");
		(void)usleep(20000);
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
	int r = ext4_seed(spec->seeds, wanted_payload(spec), spec->inodes, &seed, e);

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

/* ---- prepare ---- */

static int grow_offline(int dir, int fd, const struct ext4_geo *g, uint64_t payload,
			struct err *e)
{
	uint64_t blocks = ext4_blocks_for(g, payload);
	int r = ext4_check(dir, IMAGE, fd, true, e);

	if (r < 0)
		return r;
	if (ftruncate(fd, (off_t)(blocks * EXT4_BLOCK)) < 0) {
		(void)err_sys(e, "grow " IMAGE " to %llu MiB",
			      (unsigned long long)(blocks / MIB_BLOCKS));
		return image_no_space(e);
	}
	return ext4_resize(dir, IMAGE, fd, blocks, e);
}

static int shrink_new(int dir, uint64_t blocks, struct err *e)
{
	_fd_ int fd = openat(dir, IMAGE_NEW, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (fd < 0)
		return err_sys(e, "open " IMAGE_NEW);
	r = ext4_resize(dir, IMAGE_NEW, fd, blocks, e);
	if (!r && (ftruncate(fd, (off_t)(blocks * EXT4_BLOCK)) < 0 || fsync(fd) < 0))
		r = err_sys(e, "shrink " IMAGE);
	return r;
}

/*
 * Make the filesystem smaller, for df's sake only: the cap binds without it. Therefore a disk
 * that cannot be shrunk (no room for a copy on the host) is no failure. The full check gives
 * free blocks back, so that only data are copied; the copy needs no second one.
 */
static int shrink_offline(int dir, int fd, const struct ext4_geo *g, uint64_t payload,
			  struct err *e)
{
	struct err ignored = ERR_INIT;
	int r = ext4_check(dir, IMAGE, fd, true, e);

	if (r < 0)
		return r;               /* a damaged disk is one */
	r = image_room_for_copy(fd, dir) ? image_copy_new(dir, fd, false, &ignored) : -ENOSPC;
	if (!r)
		r = shrink_new(dir, ext4_blocks_for(g, payload), &ignored);
	if (!r)
		r = image_place_new(dir, 0, &ignored);
	if (r < 0)
		(void)unlinkat(dir, IMAGE_NEW, 0);
	return 0;
}

/*
 * Less than a group (128 MiB) too large is not worth copying the disk for. resize2fs wants
 * room to move in: with more than 7/8 in use it is not tried, or each start would try again.
 */
static bool worth_shrinking(const struct ext4_geo *g, const struct disk_spec *spec)
{
	uint64_t want = wanted_payload(spec), have = ext4_payload(g);

	return !spec->headroom && have > want + 8 * EXT4_BLOCK &&
	       have - (g->free < have ? g->free : have) < want / 8 * 7;
}

static int file_blocks(int file, uint64_t *ret, struct err *e)
{
	struct stat st;

	if (fstat(file, &st) < 0)
		return err_sys(e, "stat " IMAGE);
	*ret = (uint64_t)st.st_size / EXT4_BLOCK;
	return 0;
}

/* A plan, its reserve, and less than the one group that is not worth shrinking for. */
static uint64_t tolerated(const struct disk_spec *spec)
{
	return wanted_payload(spec) + 8 * EXT4_BLOCK;
}

/*
 * The file is a VM's device, and its end the only cap there is. How large the filesystem is said to be
 * is the guest's word. To begin one more group takes less than what is added.
 */
static bool too_long(uint64_t blocks, const struct disk_spec *spec)
{
	return blocks > ext4_blocks_most(tolerated(spec) + 2 * EXT4_BLOCK);
}

/* Of a disk that a running VM was to have and its guest did not take before the plan was lowered. */
static int drop_tail(int fd, const struct ext4_geo *g, const struct disk_spec *spec, struct err *e)
{
	uint64_t have = 0;
	int r = file_blocks(fd, &have, e);

	if (!r && too_long(have, spec) && have > g->blocks &&
	    ftruncate(fd, (off_t)(g->blocks * EXT4_BLOCK)) < 0)
		r = err_sys(e, "shorten " IMAGE);
	return r;
}

static int image_prepare(int dir, const struct disk_spec *spec, struct err *e)
{
	_fd_ int fd = -1;
	struct ext4_geo g;
	int r = image_lock(dir, &fd, e);

	if (!r)
		r = ext4_read_geo(fd, &g, e);
	if (r < 0)
		return r;
	(void)unlinkat(dir, IMAGE_NEW, 0);      /* of a killed create or shrink */
	if (!g.clean) {
		r = ext4_check(dir, IMAGE, fd, false, e);
		if (!r)
			r = ext4_read_geo(fd, &g, e);   /* its free count is true only now */
		if (r < 0)
			return r;
	}
	if (ext4_payload(&g) < plan_blocks(spec))
		return grow_offline(dir, fd, &g, wanted_payload(spec), e);
	r = drop_tail(fd, &g, spec, e);
	if (r < 0)
		return r;
	return worth_shrinking(&g, spec) ? shrink_offline(dir, fd, &g, wanted_payload(spec), e) : 0;
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
		r = apply_cap(d.mnt, d.loop.num, plan_blocks(spec), e);
	if (r < 0) {
		disk_done(&d);
		return err_exit(e, VZ_IMAGE_MOUNT);
	}
	*ret = d;
	return 0;
}

/* ---- attach ---- */

static int image_attach(int dir, const struct disk_spec *spec, struct disk *ret, struct err *e)
{
	struct disk d = DISK_INIT;
	struct ext4_geo g;
	uint64_t have = 0;
	_fd_ int fd = -1;
	int r = image_lock(dir, &fd, e);

	if (!r)
		r = ext4_read_geo(fd, &g, e);
	if (!r)
		r = file_blocks(fd, &have, e);
	if (r < 0)
		return r;
	if (ext4_payload(&g) > tolerated(spec) || too_long(have, spec))
		return err_set(e, EFBIG, VZ_IMAGE_MOUNT,
			       "attach disk: it was made for %llu MiB and cannot be made as small as "
			       "its plan of %llu MiB now; free some of it, or raise --diskspace",
			       (unsigned long long)((too_long(have, spec) ? have : ext4_payload(&g)) / MIB_BLOCKS),
			       (unsigned long long)(plan_blocks(spec) / MIB_BLOCKS));
	r = loop_attach(fd, false, &d.loop, e);
	if (r < 0)
		return err_exit(e, VZ_IMAGE_MOUNT);
	*ret = d;
	return 0;
}

/* All of it again where it was done before: whoever did that may not have come to the end. */
int image_grow_device(int file, int loop_num, uint64_t bytes, struct err *e)
{
	struct loop l = LOOP_INIT;
	uint64_t have = 0;
	int r = file_blocks(file, &have, e);

	if (r < 0)
		return r;
	if (loop_reopen(loop_num, file, &l) < 0)
		return err_set(e, ENODEV, VZ_NOT_MOUNTED, "grow disk: /dev/loop%d is not its device",
			       loop_num);
	if (have * EXT4_BLOCK < bytes && ftruncate(file, (off_t)bytes) < 0) {
		(void)err_sys(e, "grow " IMAGE);
		r = image_no_space(e);
	} else if (ioctl(l.fd, LOOP_SET_CAPACITY, 0) < 0) {
		r = err_sys(e, "grow /dev/loop%d", loop_num);
	}
	loop_close(&l);
	return r < 0 ? err_exit(e, VZ_IMAGE_RESIZE) : 0;
}

/*
 * The geometry is what the guest says in its superblock; it can only make the device larger or smaller than
 * needed within bounds of the plan, which are ours.
 */
static int image_grow_attached(int dir, int loop_num, const struct disk_spec *spec,
			       uint64_t *ret_bytes, struct err *e)
{
	uint64_t want = ext4_blocks_most(wanted_payload(spec)), have = 0;
	struct ext4_geo g;
	_fd_ int file = -1;
	int r = image_open(dir, &file, e);

	if (!r)
		r = ext4_read_geo(file, &g, e);
	if (!r)
		r = file_blocks(file, &have, e);
	if (r < 0)
		return r;
	if (plan_blocks(spec) + 8 * EXT4_BLOCK < ext4_payload(&g))
		return err_set(e, EOPNOTSUPP, VZ_IMAGE_RESIZE,
			       "the disk of a VM becomes smaller only while it is stopped");
	if (ext4_blocks_for(&g, wanted_payload(spec)) < want)
		want = ext4_blocks_for(&g, wanted_payload(spec));
	*ret_bytes = 0;
	if (want <= have && plan_blocks(spec) <= ext4_payload(&g))
		return 0;
	if (want < have)                /* QEMU is to be told of all that the device has */
		want = have;
	r = image_grow_device(file, loop_num, want * EXT4_BLOCK, e);
	if (!r)
		*ret_bytes = want * EXT4_BLOCK;
	return r;
}

/* ---- resize ---- */

static int too_small(uint64_t data, uint64_t used, struct err *e)
{
	return err_set(e, EBUSY, VZ_IMAGE_RESIZE,
		       "resize disk to %llu MiB: %llu MiB are in use",
		       (unsigned long long)(data / MIB_BLOCKS),
		       (unsigned long long)((used + MIB_BLOCKS - 1) / MIB_BLOCKS));
}

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
	if (plan_blocks(spec) <= vfs.f_blocks)
		return 0;
	/* ext4_resize_begin() asks for this one capability, in the first user namespace. */
	if (!proc_has_cap(CAP_SYS_RESOURCE))
		return err_set(e, EPERM, VZ_IMAGE_RESIZE,
			       "resize disk to %llu MiB: this host (without CAP_SYS_RESOURCE) can "
			       "grow it to %llu MiB while it runs; stop the VE first",
			       (unsigned long long)(plan_blocks(spec) / MIB_BLOCKS),
			       (unsigned long long)(vfs.f_blocks / MIB_BLOCKS));
	r = grow_online(file, l, mnt, wanted_payload(spec), e);
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
		return too_small(data, used_blocks(&vfs), e);
	r = cap_write(loop_num, reserve_for(&vfs, data), e);
	if (r < 0)
		return r;
	if (fstatvfs(mnt, &vfs) == 0 && used_blocks(&vfs) <= data)
		return 0;
	r = cap_write(loop_num, old, e);
	return r < 0 ? r : too_small(data, used_blocks(&vfs), e);
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
		r = change_cap(mnt, loop_num, plan_blocks(spec), e);
	loop_close(&l);
	return r < 0 ? err_exit(e, VZ_IMAGE_RESIZE) : 0;
}

static int image_resize_offline(int dir, const struct disk_spec *spec, struct err *e)
{
	_fd_ int fd = -1;
	struct ext4_geo g;
	uint64_t used;
	int r = image_lock(dir, &fd, e);

	if (!r)
		r = ext4_read_geo(fd, &g, e);
	if (r < 0)
		return r;
	used = ext4_payload(&g) > g.free ? ext4_payload(&g) - g.free : 0;
	return used > plan_blocks(spec) ? too_small(plan_blocks(spec), used, e) : 0;
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
