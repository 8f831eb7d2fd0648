/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime/nsenter.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include "util/cleanup.h"
#include "util/str.h"

static int open_own(const char *name, int *ret, struct err *e)
{
	char path[64];
	int fd;

	(void)str_fmt(path, sizeof(path), "/proc/self/ns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open %s", path);
	*ret = fd;
	return 0;
}

int ns_unshare_mounts(struct ns_home *home, struct err *e)
{
	_fd_ int mnt = -1;
	int r = open_own("mnt", &mnt, e);

	if (r < 0)
		return r;
	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(e, "unshare the mount namespace");
	home->mnt = TAKE_FD(mnt);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(e, "make the mounts private");
	return 0;
}

void ns_return_mounts(struct ns_home *home)
{
	if (home->mnt < 0)
		return;
	/* Also resets root and working directory to those of the namespace: both are "/" here. */
	(void)setns(home->mnt, CLONE_NEWNS);
	(void)close(TAKE_FD(home->mnt));
}

int ns_visit_home(const struct ns_home *home, int *ret_back, struct err *e)
{
	_fd_ int own = -1;
	int r;

	if (home->mnt < 0)
		return 0;
	r = open_own("mnt", &own, e);
	if (r < 0)
		return r;
	if (setns(home->mnt, CLONE_NEWNS) < 0)
		return err_sys(e, "return to the mount namespace of the host");
	*ret_back = TAKE_FD(own);
	return 0;
}

int ns_visit_end(int back, struct err *e)
{
	if (back >= 0 && setns(back, CLONE_NEWNS) < 0)
		return err_sys(e, "go back to the private mount namespace");
	return 0;
}

static void visit_close(struct ns_visit *v)
{
	cleanup_fd(&v->pid);
	cleanup_fd(&v->net);
	cleanup_fd(&v->ipc);
	cleanup_fd(&v->cgroup);
}

int ns_enter(int pidfd, struct ns_visit *home, struct err *e)
{
	struct ns_visit v = { -1, -1, -1, -1 };
	int r = open_own("pid_for_children", &v.pid, e);

	if (!r)
		r = open_own("net", &v.net, e);
	if (!r)
		r = open_own("ipc", &v.ipc, e);
	if (!r)
		r = open_own("cgroup", &v.cgroup, e);
	if (!r && setns(pidfd, CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWCGROUP) < 0)
		r = err_sys(e, "enter the namespaces of the VE");
	if (r < 0) {
		visit_close(&v);
		return r;
	}
	*home = v;
	return 0;
}

int ns_leave(struct ns_visit *home, struct err *e)
{
	int r = 0;

	if (setns(home->cgroup, CLONE_NEWCGROUP) < 0 || setns(home->ipc, CLONE_NEWIPC) < 0 ||
	    setns(home->net, CLONE_NEWNET) < 0 || setns(home->pid, CLONE_NEWPID) < 0)
		r = err_sys(e, "return to the namespaces of the host");
	visit_close(home);
	return r;
}

int ns_open(pid_t pid, const char *name, int *ret, struct err *e)
{
	char path[64];
	int fd;

	(void)str_fmt(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open %s", path);
	*ret = fd;
	return 0;
}
