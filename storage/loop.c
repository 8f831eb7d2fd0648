/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loop devices by LOOP_CONFIGURE (since 5.8), one ioctl that sets file, flags and block size
 * together, so that no half-configured device can be seen or left behind.
 */
#include "storage/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "util/cleanup.h"
#include "util/str.h"

/* Between LOOP_CTL_GET_FREE and LOOP_CONFIGURE another process can take the device. */
#define ATTACH_TRIES 64

/* In order of preference: 4096 is the block size of both filesystems and what direct I/O on
 * any disk accepts; a host filesystem without direct I/O, or with other needs, gets less. */
static const struct {
	unsigned block, flags;
} ways[] = {
	{ 4096, LO_FLAGS_DIRECT_IO },
	{ 4096, 0 },
	{ 0, 0 },
};

static int open_num(int num, bool read_only)
{
	char path[32];

	(void)str_fmt(path, sizeof(path), "/dev/loop%d", num);
	return open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
}

static int configure(int dev, int file, bool read_only)
{
	int r = -EINVAL;

	for (size_t i = 0; i < ARRAY_SIZE(ways) && r == -EINVAL; i++) {
		struct loop_config c = {
			.fd = (unsigned)file,
			.block_size = ways[i].block,
			.info.lo_flags = LO_FLAGS_AUTOCLEAR | ways[i].flags |
					 (read_only ? LO_FLAGS_READ_ONLY : 0),
		};

		r = ioctl(dev, LOOP_CONFIGURE, &c) < 0 ? -errno : 0;
	}
	return r;
}

static int finish(int dev, int num, struct loop *ret)
{
	struct stat st;

	if (fstat(dev, &st) < 0)
		return -errno;
	*ret = (struct loop){ .fd = dev, .num = num, .dev = st.st_rdev };
	return 0;
}

int loop_attach(int file, bool read_only, struct loop *ret, struct err *e)
{
	_fd_ int ctl = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int r = -EBUSY;

	if (ctl < 0)
		return err_sys(e, "open /dev/loop-control");
	for (int try = 0; try < ATTACH_TRIES && r == -EBUSY; try++) {
		int num = ioctl(ctl, LOOP_CTL_GET_FREE);
		_fd_ int dev = -1;

		if (num < 0)
			return err_sys(e, "find a free loop device");
		dev = open_num(num, read_only);
		if (dev < 0)
			return err_sys(e, "open /dev/loop%d", num);
		r = configure(dev, file, read_only);
		if (!r && !(r = finish(dev, num, ret)))
			(void)TAKE_FD(dev);
	}
	if (r < 0) {
		errno = -r;
		return err_sys(e, "attach a loop device");
	}
	return 0;
}

/* LOOP_GET_STATUS64 reports device and inode as stat(2) does, in the kernel's own encoding. */
static bool carries(int dev, const struct stat *file)
{
	struct loop_info64 info;

	return ioctl(dev, LOOP_GET_STATUS64, &info) == 0 && info.lo_inode == file->st_ino &&
	       info.lo_device == file->st_dev;
}

int loop_reopen(int num, int file, struct loop *ret)
{
	_fd_ int dev = -1;
	struct stat st;
	int mode = fcntl(file, F_GETFL), r;

	if (num < 0 || mode < 0 || fstat(file, &st) < 0)
		return -ENODEV;
	dev = open_num(num, (mode & O_ACCMODE) == O_RDONLY);
	if (dev < 0 || !carries(dev, &st))
		return -ENODEV;
	r = finish(dev, num, ret);
	if (!r)
		(void)TAKE_FD(dev);
	return r;
}

void loop_close(struct loop *l)
{
	cleanup_fd(&l->fd);
	*l = (struct loop)LOOP_INIT;
}
