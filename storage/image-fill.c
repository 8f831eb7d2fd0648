/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk whose bytes come from elsewhere, and may be anything. Before it gets its name e2fsck has
 * gone through all of it: the kernel's own checks are for disks that broke, not for made ones.
 */
#include "storage/image-impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/ext4.h"
#include "util/cleanup.h"
#include "util/exits.h"

int image_fill_begin(int dir, uint64_t size, int *ret_file, struct err *e)
{
	_fd_ int fd = -1;

	(void)unlinkat(dir, IMAGE_NEW, 0);
	fd = openat(dir, IMAGE_NEW, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return err_sys(e, "make " IMAGE);
	if (ftruncate(fd, (off_t)size) < 0) {
		(void)err_sys(e, "make " IMAGE " of %llu MiB", (unsigned long long)(size >> 20));
		return image_no_space(e);
	}
	*ret_file = TAKE_FD(fd);
	return 0;
}

static int check(int dir, int file, struct err *e)
{
	struct ext4_geo g;
	struct stat st;
	int r = ext4_read_geo(file, &g, e);

	if (r < 0)
		return r;
	if (fstat(file, &st) < 0)
		return err_sys(e, "stat " IMAGE);
	if ((uint64_t)st.st_size / EXT4_BLOCK < g.blocks)
		return err_set(e, EINVAL, VZ_IMAGE_CREATE,
			       "take " IMAGE ": it is shorter than the filesystem in it");
	return ext4_check(dir, IMAGE_NEW, file, true, e);
}

int image_fill_end(int dir, int file, struct err *e)
{
	int r = check(dir, file, e);

	if (!r && fsync(file) < 0)
		r = err_sys(e, "take " IMAGE ": sync");
	if (!r)
		r = image_place_new(dir, RENAME_NOREPLACE, e);
	if (r < 0)
		(void)unlinkat(dir, IMAGE_NEW, 0);
	return r < 0 ? err_exit(e, VZ_IMAGE_CREATE) : 0;
}
