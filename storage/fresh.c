/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The end of a reinstall (ve/reinstall.c), when the old layer has been moved into the fresh one: by
 * the reinstall itself, or after a kill by whoever mounts the disk next.
 *
 * The marks of overlayfs mean nothing below /old and are taken off before that can be seen: a
 * whiteout could not even be removed from inside, a redirect would show what is in the template now,
 * and inodes are found by where a file was copied up from, so that the old file and the template's
 * own would be one. What a tenant wrote into a root of his own are no marks.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "storage/storage.h"
#include "util/cleanup.h"
#include "util/str.h"
#include "util/sys-fs.h"

#define DEPTH_MAX 256           /* of directories; files of an own template lie far above that */

/* By the name in an open directory: a link cannot be opened, and is not followed. */
static void drop_marks(int dir, const char *name, const struct stat *st)
{
	static const char *const attrs[] = { "origin", "impure", "opaque", "redirect" };
	char path[NAME_MAX + 64], attr[32];

	if (S_ISCHR(st->st_mode) && st->st_rdev == 0) {
		(void)unlinkat(dir, name, 0);
		return;
	}
	if (str_fmt(path, sizeof(path), "/proc/self/fd/%d/%s", dir, name) < 0)
		return;
	/* A file that was copied up has the first only. */
	for (size_t i = 0; i < (S_ISDIR(st->st_mode) ? ARRAY_SIZE(attrs) : 1); i++) {
		(void)str_fmt(attr, sizeof(attr), "trusted.overlay.%s", attrs[i]);
		(void)lremovexattr(path, attr);
	}
}

static void walk(int at, const char *name, unsigned depth)
{
	int fd = depth > DEPTH_MAX ? -1 :
		 openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		struct stat st;

		if (str_eq(de->d_name, ".") || str_eq(de->d_name, "..") ||
		    fstatat(fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		drop_marks(fd, de->d_name, &st);
		if (S_ISDIR(st.st_mode))
			walk(fd, de->d_name, depth + 1);
	}
}

int disk_end_reinstall(int mnt, bool whole, struct err *e)
{
	struct err ignored = ERR_INIT;

	if (faccessat(mnt, DISK_FRESH, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (faccessat(mnt, "upper", F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		if (fs_remove_tree(mnt, DISK_FRESH, &ignored) < 0)
			err_clear(&ignored);    /* the next one does it */
		return 0;
	}
	if (!whole)
		walk(mnt, DISK_FRESH, 0);
	if (renameat2(mnt, DISK_FRESH, mnt, "upper", RENAME_NOREPLACE) < 0)
		return err_sys(e, "put the fresh root in place");
	return 0;
}
