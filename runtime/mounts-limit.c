/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime/mounts-limit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "storage/fsctx.h"
#include "util/cleanup.h"
#include "util/str.h"
#include "util/sys-call.h"

int mounts_limited(int root, const char *rel, uint64_t dev, int *ret, struct err *e)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
				.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS };
	_fd_ int fd = sys_openat2(root, rel, &how);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "open /%s of the VE", rel);
	if (st.st_dev != dev)
		return err_set(e, EXDEV, 0, "the VE has mounted something else on /%s", rel);
	*ret = TAKE_FD(fd);
	return 0;
}

static int reconfigure(int mnt, const struct fs_opt *opts, size_t n)
{
	_fd_ int ctx = fspick(mnt, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
	int r = ctx < 0 ? -errno : fsctx_set(ctx, opts, n);

	if (!r && fsconfig(ctx, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
		r = -errno;
	return r;
}

int mounts_resize_shm(int shm, const char *size)
{
	const struct fs_opt opt = { "size", *size ? size : "50%" };

	return reconfigure(shm, &opt, 1);
}

/* As pts_opts of mounts.c, all of them: a reconfiguration of devpts begins with the defaults of all (parse_mount_options). */
int mounts_limit_ptys(int pts, gid_t gid, unsigned max)
{
	char tty[12], most[12];
	const struct fs_opt opts[] = {
		{ "gid", tty }, { "mode", "620" }, { "ptmxmode", "666" }, { "max", most },
	};

	(void)str_fmt(tty, sizeof(tty), "%u", gid + 5);
	(void)str_fmt(most, sizeof(most), "%u", max);
	return reconfigure(pts, opts, ARRAY_SIZE(opts));
}
