/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime/devnodes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/str.h"

/* The numbers are fixed by the kernel's Documentation/admin-guide/devices.txt. */
static const struct node {
	const char *name;
	unsigned major, minor;
} nodes[] = {
	{ "null", 1, 3 },   { "zero", 1, 5 },    { "full", 1, 7 },
	{ "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
};

static const struct link {
	const char *name, *target;
} links[] = {
	/* Relative: the VE's own instance, never the host's (filesystems/devpts.rst). */
	{ "ptmx", "pts/ptmx" },
	{ "fd", "/proc/self/fd" },
	{ "stdin", "/proc/self/fd/0" },
	{ "stdout", "/proc/self/fd/1" },
	{ "stderr", "/proc/self/fd/2" },
};

static const char *const dirs[] = { "pts", "shm", "mqueue" };

/* chmod comes after mknod, which obeys the caller's umask. Nobody else sees the tmpfs yet. */
static int own(int dir, const char *name, mode_t mode, uid_t uid, gid_t gid)
{
	if (fchmodat(dir, name, mode, 0) < 0)
		return -errno;
	return fchownat(dir, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int make_nodes(int dev, uid_t uid, gid_t gid, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
		const struct node *n = &nodes[i];

		if (mknodat(dev, n->name, S_IFCHR | 0600, makedev(n->major, n->minor)) < 0 ||
		    own(dev, n->name, 0666, uid, gid) < 0)
			return err_sys(e, "make device node /dev/%s", n->name);
	}
	return 0;
}

static int make_links(int dev, uid_t uid, gid_t gid, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (symlinkat(links[i].target, dev, links[i].name) < 0 ||
		    fchownat(dev, links[i].name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
			return err_sys(e, "make link /dev/%s", links[i].name);
	return 0;
}

int devnodes_fill(int dev, uid_t uid, gid_t gid, struct err *e)
{
	int r = make_nodes(dev, uid, gid, e);

	if (!r)
		r = make_links(dev, uid, gid, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (mkdirat(dev, dirs[i], 0755) < 0 || own(dev, dirs[i], 0755, uid, gid) < 0)
			return err_sys(e, "make directory /dev/%s", dirs[i]);
	if (mknodat(dev, "console", S_IFREG | 0600, 0) < 0 ||
	    own(dev, "console", 0600, uid, gid) < 0)
		return err_sys(e, "make file /dev/console");
	return 0;
}

int devnodes_null(int dir, const char *name, struct err *e)
{
	_fd_ int fd = -1;

	if (mknodat(dir, name, S_IFCHR | 0600, makedev(1, 3)) < 0 ||
	    fchmodat(dir, name, 0666, 0) < 0)
		return err_sys(e, "make a null device");
	fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || !devnodes_is(fd, 1, 3))
		return err_set(e, ENODEV, 0, "make a null device: it is not one");
	return 0;
}

bool devnodes_is(int fd, unsigned major, unsigned minor)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(major, minor);
}

bool devnodes_on_devpts(int fd)
{
	struct statfs st;

	return fstatfs(fd, &st) == 0 && st.f_type == DEVPTS_SUPER_MAGIC;
}
