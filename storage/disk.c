/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk that a VM boots from and on which everything is its tenant's: partitions, boot loader,
 * filesystems. The host copies, grows and attaches it; it never looks into it, and so mounts nothing
 * of it. The file's size is the plan, and it only grows: what is at its end nobody here knows.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/image-impl.h"
#include "util/cleanup.h"
#include "util/exits.h"

#define BLOCK 4096u             /* of the loop device; a disk is whole ones */
#define MIB (UINT64_C(1) << 20)

static uint64_t wanted(const struct disk_spec *spec)
{
	return (spec->size + BLOCK - 1) / BLOCK * BLOCK;
}

static int size_of(int fd, uint64_t *ret, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat " IMAGE);
	*ret = (uint64_t)st.st_size;
	return 0;
}

static int too_small(uint64_t have, const struct disk_spec *spec, struct err *e)
{
	return err_set(e, EOPNOTSUPP, VZ_IMAGE_RESIZE,
		       "resize disk to %llu MiB: it has %llu MiB, and one with a system of its own "
		       "only grows",
		       (unsigned long long)(wanted(spec) / MIB), (unsigned long long)(have / MIB));
}

static int resize_new(int dir, const struct disk_spec *spec, struct err *e)
{
	_fd_ int fd = openat(dir, IMAGE_NEW, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	uint64_t have = 0;
	int r = fd < 0 ? err_sys(e, "make " IMAGE) : size_of(fd, &have, e);

	if (r < 0)
		return r;
	if (have > wanted(spec))
		return too_small(have, spec, e);
	if (ftruncate(fd, (off_t)wanted(spec)) < 0 || fsync(fd) < 0)
		return err_sys(e, "make " IMAGE);
	return 0;
}

static int disk_create(int dir, const struct disk_spec *spec, struct err *e)
{
	int r = image_copy_new(dir, spec->content, false, e);

	if (!r)
		r = resize_new(dir, spec, e);
	if (!r)
		r = image_place_new(dir, RENAME_NOREPLACE, e);
	if (!r)
		return 0;
	(void)unlinkat(dir, IMAGE_NEW, 0);
	return r == -EEXIST ? err_exit(e, VZ_PRIVATE_EXISTS) : image_no_space(e);
}

static int disk_prepare(int dir, const struct disk_spec *spec, struct err *e)
{
	_fd_ int fd = -1;
	uint64_t have = 0;
	int r = image_lock(dir, &fd, e);

	if (!r)
		r = size_of(fd, &have, e);
	if (r < 0)
		return r;
	(void)unlinkat(dir, IMAGE_NEW, 0);      /* of a killed create */
	if (have >= wanted(spec))
		return 0;
	if (ftruncate(fd, (off_t)wanted(spec)) < 0) {
		(void)err_sys(e, "grow " IMAGE " to %llu MiB", (unsigned long long)(wanted(spec) / MIB));
		return image_no_space(e);
	}
	return 0;
}

static int disk_attach(int dir, const struct disk_spec *spec, struct disk *ret, struct err *e)
{
	struct disk d = DISK_INIT;
	uint64_t have = 0;
	_fd_ int fd = -1;
	int r = image_lock(dir, &fd, e);

	if (!r)
		r = size_of(fd, &have, e);
	if (!r && have > wanted(spec))
		r = too_small(have, spec, e);
	if (!r)
		r = loop_attach(fd, false, &d.loop, e);
	if (r < 0)
		return err_exit(e, VZ_IMAGE_MOUNT);
	*ret = d;
	return 0;
}

static int disk_grow_attached(int dir, int loop_num, const struct disk_spec *spec,
			      uint64_t *ret_bytes, struct err *e)
{
	uint64_t have = 0;
	_fd_ int file = -1;
	int r = image_open(dir, &file, e);

	if (!r)
		r = size_of(file, &have, e);
	if (!r && have > wanted(spec))
		r = too_small(have, spec, e);
	/* Also when it is that large: only QEMU knows whether it has been told. */
	if (!r)
		r = image_grow_device(file, loop_num, wanted(spec), e);
	if (!r)
		*ret_bytes = wanted(spec);
	return r;
}

static int disk_resize_offline(int dir, const struct disk_spec *spec, struct err *e)
{
	uint64_t have = 0;
	_fd_ int fd = -1;
	int r = image_lock(dir, &fd, e);

	if (!r)
		r = size_of(fd, &have, e);
	return !r && have > wanted(spec) ? too_small(have, spec, e) : r;
}

/* A name inside it would be the tenant's to give: the copy is the same to the last byte. */
static int disk_copy(const struct disk_copy *c, struct err *e)
{
	struct disk_copy same = *c;

	same.renew = false;
	return image_copy(&same, e);
}

/* Whatever is on it, it is a disk. */
static int disk_fill_end(int dir, int file, struct err *e)
{
	int r = fsync(file) < 0 ? err_sys(e, "take " IMAGE ": sync") : image_place_new(dir, RENAME_NOREPLACE, e);

	if (r < 0)
		(void)unlinkat(dir, IMAGE_NEW, 0);
	return r < 0 ? err_exit(e, VZ_IMAGE_CREATE) : 0;
}

/* ---- what the host does with a filesystem ---- */

static int refuse(struct err *e)
{
	return err_set(e, EOPNOTSUPP, VZ_MOUNT,
		       "mount disk: it has an operating system of its own, which the host does not look into");
}

static int disk_mount(int dir, const struct disk_spec *spec, struct disk *ret, struct err *e)
{
	(void)dir;
	(void)spec;
	(void)ret;
	return refuse(e);
}

static int disk_resize(int dir, int mnt, int loop_num, const struct disk_spec *spec, struct err *e)
{
	(void)dir;
	(void)mnt;
	(void)loop_num;
	(void)spec;
	return refuse(e);
}

static int disk_usage(int dir, int mnt, int loop_num, struct disk_usage *ret, struct err *e)
{
	(void)dir;
	(void)mnt;
	(void)loop_num;
	(void)ret;
	return refuse(e);
}

static int disk_reach(int dir, int loop_num, int *ret, struct err *e)
{
	(void)dir;
	(void)loop_num;
	(void)ret;
	return refuse(e);
}

static int disk_mount_ro(int dir, struct disk *ret, struct err *e)
{
	(void)dir;
	(void)ret;
	return refuse(e);
}

const struct storage_backend storage_disk = {
	.name = "disk",
	.file = IMAGE,
	.create = disk_create,
	.prepare = disk_prepare,
	.mount = disk_mount,
	.attach = disk_attach,
	.grow_attached = disk_grow_attached,
	.resize = disk_resize,
	.resize_offline = disk_resize_offline,
	.usage = disk_usage,
	.copy = disk_copy,
	.reach = disk_reach,
	.mount_ro = disk_mount_ro,
	.in_use = image_in_use,
	.allocated = image_allocated,
	.open_file = image_lock,
	.fill_begin = image_fill_begin,
	.fill_end = disk_fill_end,
};
