/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime/seal.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "util/cleanup.h"
#include "util/str.h"

/* The environment is only believed where it names the very file that runs. */
static bool names_us(const char *path)
{
	struct stat us, it;

	return stat("/proc/self/exe", &us) == 0 && stat(path, &it) == 0 &&
	       us.st_dev == it.st_dev && us.st_ino == it.st_ino;
}

int seal_path(char *dst, size_t size, struct err *e)
{
	const char *told = getenv("BERTH_EXE");
	ssize_t n;

	if (told && *told == '/' && names_us(told)) {
		if (str_fmt(dst, size, "%s", told) < 0)
			return err_set(e, ENAMETOOLONG, 0, "find this program: path too long");
		return 0;
	}
	n = readlink("/proc/self/exe", dst, size);
	if (n < 0)
		return err_sys(e, "read /proc/self/exe");
	if ((size_t)n >= size)
		return err_set(e, ENAMETOOLONG, 0, "find this program: path too long");
	dst[n] = '\0';
	return 0;
}

static int sealed(void)
{
	_fd_ int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	struct statvfs st;

	return fd >= 0 && fstatvfs(fd, &st) == 0 && (st.f_flag & ST_RDONLY);
}

int seal_self(char *const *argv, struct err *e)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	_fd_ int mnt = -1;
	char path[4096];
	int r;

	if (sealed())
		return 0;
	r = seal_path(path, sizeof(path), e);
	if (r < 0)
		return r;
	mnt = open_tree(AT_FDCWD, "/proc/self/exe", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (mnt < 0 || mount_setattr(mnt, "", AT_EMPTY_PATH, &ro, sizeof(ro)) < 0)
		return err_sys(e, "seal %s", path);
	if (setenv("BERTH_EXE", path, 1) < 0)
		return err_sys(e, "seal %s", path);
	(void)execveat(mnt, "", argv, environ, AT_EMPTY_PATH);
	return err_sys(e, "execute %s again", path);
}
