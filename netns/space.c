/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/space.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "netns/link.h"
#include "netns/nl.h"
#include "util/cleanup.h"
#include "util/str.h"
#include "util/sys-fs.h"

#define OWN "/proc/thread-self/ns/net"
/* of asm/socket.h since Linux 5.14, and not in every C library */
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

int space_open(int dir, const char *name, int *ret_fd, struct err *e)
{
	_fd_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0 || fstatfs(fd, &fs) < 0)
		return err_sys(e, "open network namespace %s", name);
	if (fs.f_type != NSFS_MAGIC)    /* its maker died, or the host was booted */
		return -ENOENT;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

void space_leave(struct space_home *home)
{
	if (home->fd < 0)
		return;
	(void)setns(home->fd, CLONE_NEWNET);
	(void)close(TAKE_FD(home->fd));
}

static int remember(struct space_home *home, struct err *e)
{
	home->fd = open(OWN, O_RDONLY | O_CLOEXEC);
	return home->fd < 0 ? err_sys(e, "open " OWN) : 0;
}

int space_enter(int fd, struct space_home *home, struct err *e)
{
	int r = remember(home, e);

	if (r == 0 && setns(fd, CLONE_NEWNET) < 0)
		r = err_sys(e, "enter network namespace");
	if (r < 0)
		cleanup_fd(&home->fd);
	return r;
}

/* Nobody else decides about forwarding in there: only our links are in it. */
static int furnish(struct err *e)
{
	struct err no_ipv6 = ERR_INIT;
	_nl_ struct nl n = NL_INIT;
	int r = fs_write_at(AT_FDCWD, "/proc/sys/net/ipv4/ip_forward", "1", e);

	(void)!fs_write_at(AT_FDCWD, "/proc/sys/net/ipv6/conf/all/forwarding", "1", &no_ipv6);
	if (r == 0)
		r = nl_open(&n, NETLINK_ROUTE, e);
	if (r < 0)
		return r;
	link_put_up(&n, "lo");
	return nl_done(&n, e);
}

/* Names below a directory that is open, for calls that know paths only. */
static void path_of(int dir, const char *name, char dst[96])
{
	(void)str_fmt(dst, 96, "/proc/self/fd/%d/%s", dir, name);
}

/* A namespace that this fd alone keeps. */
static int make(int *ret, struct err *e)
{
	_space_home_ struct space_home home = SPACE_HOME_INIT;
	_fd_ int fd = -1;
	int r = remember(&home, e);

	if (r < 0)
		return r;
	if (unshare(CLONE_NEWNET) < 0)
		return err_sys(e, "make a network namespace");
	r = furnish(e);
	if (r < 0)
		return r;
	fd = open(OWN, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open " OWN);
	*ret = TAKE_FD(fd);
	return 0;
}

int space_keep(int dir, const char *name, int fd, struct err *e)
{
	_fd_ int there = -1, file = -1;
	char from[32], to[96];
	int r = space_open(dir, name, &there, e);

	if (r != -ENOENT)
		return r;
	file = openat(dir, name, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (file < 0)
		return err_sys(e, "make %s", name);
	(void)str_fmt(from, sizeof(from), "/proc/self/fd/%d", fd);
	path_of(dir, name, to);
	return mount(from, to, NULL, MS_BIND, NULL) < 0 ?
		       err_sys(e, "keep network namespace %s", name) : 0;
}

int space_make(int dir, const char *name, int (*fill)(void *arg, int space, struct err *e),
	       void *arg, struct err *e)
{
	_fd_ int fd = -1;
	int r = space_open(dir, name, &fd, e);

	if (r != -ENOENT)
		return r;
	r = make(&fd, e);
	if (r == 0)
		r = fill(arg, fd, e);
	return r < 0 ? r : space_keep(dir, name, fd, e);
}

void space_drop(int dir, const char *name)
{
	char path[96];

	path_of(dir, name, path);
	while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		;
	(void)unlinkat(dir, name, 0);
}

uint64_t space_cookie(void)
{
	_fd_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) < 0)
		return 0;
	return cookie;
}
