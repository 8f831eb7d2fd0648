/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk that the host has not mounted is made to fit its plan: before a start, and under a VM,
 * whose filesystem is what its guest says it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/ext4.h"
#include "storage/image-impl.h"
#include "storage/loop.h"
#include "util/cleanup.h"
#include "util/exits.h"

uint64_t image_plan_blocks(const struct disk_spec *spec)
{
	return spec->size / EXT4_BLOCK;
}

uint64_t image_payload(const struct disk_spec *spec)
{
	uint64_t data = spec->size / EXT4_BLOCK + spec->headroom / EXT4_BLOCK;

	return data + (data / 50 < 4096 ? data / 50 : 4096);
}

int image_too_small(uint64_t data, uint64_t used, struct err *e)
{
	return err_set(e, EBUSY, VZ_IMAGE_RESIZE,
		       "resize disk to %llu MiB: %llu MiB are in use",
		       (unsigned long long)(data / MIB_BLOCKS),
		       (unsigned long long)((used + MIB_BLOCKS - 1) / MIB_BLOCKS));
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
	uint64_t want = image_payload(spec), have = ext4_payload(g);

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
	return image_payload(spec) + 8 * EXT4_BLOCK;
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

int image_prepare(int dir, const struct disk_spec *spec, struct err *e)
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
	if (ext4_payload(&g) < image_plan_blocks(spec))
		return grow_offline(dir, fd, &g, image_payload(spec), e);
	r = drop_tail(fd, &g, spec, e);
	if (r < 0)
		return r;
	return worth_shrinking(&g, spec) ? shrink_offline(dir, fd, &g, image_payload(spec), e) : 0;
}

/* ---- attach ---- */

/* Of the filesystem, by the guest's word, and of the file. */
static int read_sizes(int file, struct ext4_geo *g, uint64_t *blocks, struct err *e)
{
	int r = ext4_read_geo(file, g, e);

	return r < 0 ? r : file_blocks(file, blocks, e);
}

int image_attach(int dir, const struct disk_spec *spec, struct disk *ret, struct err *e)
{
	struct disk d = DISK_INIT;
	struct ext4_geo g;
	uint64_t have = 0;
	_fd_ int fd = -1;
	int r = image_lock(dir, &fd, e);

	if (!r)
		r = read_sizes(fd, &g, &have, e);
	if (r < 0)
		return r;
	if (ext4_payload(&g) > tolerated(spec) || too_long(have, spec))
		return err_set(e, EFBIG, VZ_IMAGE_MOUNT,
			       "attach disk: it was made for %llu MiB and cannot be made as small as "
			       "its plan of %llu MiB now; free some of it, or raise --diskspace",
			       (unsigned long long)((too_long(have, spec) ? have : ext4_payload(&g)) / MIB_BLOCKS),
			       (unsigned long long)(image_plan_blocks(spec) / MIB_BLOCKS));
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
 * The geometry is what the guest says in its superblock; it can only make the device larger or
 * smaller than needed within bounds of the plan, which are ours.
 */
int image_grow_attached(int dir, int loop_num, const struct disk_spec *spec, uint64_t *ret_bytes,
			struct err *e)
{
	uint64_t want = ext4_blocks_most(image_payload(spec)), have = 0;
	struct ext4_geo g;
	_fd_ int file = -1;
	int r = image_open(dir, &file, e);

	if (!r)
		r = read_sizes(file, &g, &have, e);
	if (r < 0)
		return r;
	if (image_plan_blocks(spec) + 8 * EXT4_BLOCK < ext4_payload(&g))
		return err_set(e, EOPNOTSUPP, VZ_IMAGE_RESIZE,
			       "the disk of a VM becomes smaller only while it is stopped");
	if (ext4_blocks_for(&g, image_payload(spec)) < want)
		want = ext4_blocks_for(&g, image_payload(spec));
	*ret_bytes = 0;
	if (want <= have && image_plan_blocks(spec) <= ext4_payload(&g))
		return 0;
	if (want < have)                /* QEMU is to be told of all that the device has */
		want = have;
	r = image_grow_device(file, loop_num, want * EXT4_BLOCK, e);
	if (!r)
		*ret_bytes = want * EXT4_BLOCK;
	return r;
}

int image_resize_offline(int dir, const struct disk_spec *spec, struct err *e)
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
	return used > image_plan_blocks(spec) ? image_too_small(image_plan_blocks(spec), used, e) : 0;
}
