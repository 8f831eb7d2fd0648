/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest side of a start, top to bottom; the picture is in ve/start.c. The process begins as
 * host root in a user namespace without a map, so it can do nothing; it shares the worker's
 * mount namespace and holds copies of its descriptors until the exec.
 *
 * What is true here: no other thread exists, so plain libc calls are safe after clone3; nothing
 * of the guest has run; until SYNC_ROOT the paths seen are the host's.
 */
#include "runtime/child.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "runtime/caps.h"
#include "runtime/seccomp.h"
#include "runtime/sync.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/sys-call.h"
#include "util/sys-fs.h"

static int err_ret(struct err *e, int r, const char *what)
{
	errno = -r;
	return err_sys(e, "%s", what);
}

/*
 * From an unmapped id to root of the VE. The process stays undumpable, so that nothing in the
 * VE can trace it or open its files before it has let go of the host's (CVE-2016-9962).
 */
static int become_root(struct err *e)
{
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return err_sys(e, "become root of the VE");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || setsid() < 0)
		return err_sys(e, "leave the session of the host");
	return 0;
}

/* The groups first: the root of a cgroup namespace is where its maker is (cgroup_namespaces(7)). */
static int join(const struct spawn_spec *s, struct err *e)
{
	int r = cg_join(&s->tasks);

	if (r < 0)
		return err_ret(e, r, "join the control groups");
	if (unshare(CLONE_NEWCGROUP | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC) < 0)
		return err_sys(e, "make the namespaces");
	r = cg_join_root(&s->tasks);
	return r < 0 ? err_ret(e, r, "join the root of blkio") : 0;
}

/*
 * Copy the mount namespace into our user namespace: the kernel locks everything that was
 * mounted on the root, masks included. The working directory follows into the copy. A locked
 * mount cannot become a root, a fresh bind of it can (pivot_root(2), mount_namespaces(7)).
 */
static int pivot(int root, struct err *e)
{
	_fd_ int top = -1;

	if (fchdir(root) < 0 || unshare(CLONE_NEWNS) < 0)
		return err_sys(e, "unshare the mount namespace");
	top = open_tree(AT_FDCWD, ".", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (top < 0 || move_mount(top, "", AT_FDCWD, ".", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, "bind the root of the VE");
	if (fchdir(top) < 0 || sys_pivot_root(".", ".") < 0)
		return err_sys(e, "pivot into the root of the VE");
	/* The old root now lies on top of the new one: CWD is it. */
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_sys(e, "let go of the host's mounts");
	return 0;
}

static int take_console(int console, struct err *e)
{
	/* Not as controlling terminal: a getty that init starts on it must be able to take it. */
	for (int fd = 0; fd < 3; fd++)
		if (dup2(console, fd) < 0)
			return err_sys(e, "open the console");
	return 0;
}

/*
 * The limit belongs to the user namespace of who looks the path up, so only this process can set
 * it. Not through the host's /proc: the entries of all VEs bear one name there, and a look-up
 * compares them one by one.
 */
static int forbid_userns(int sys, struct err *e)
{
	return fs_write_at(sys, "user/max_user_namespaces", "0", e);
}

static int enter_root(const struct spawn_spec *s, int sock, struct err *e)
{
	int fds[3], r = sync_expect(sock, SYNC_ROOT, fds, 3, e);
	_fd_ int root = -1, console = -1, sys = -1;

	if (r < 0)
		return r;
	root = fds[0];
	console = fds[1];
	sys = fds[2];
	if (!s->userns)
		r = forbid_userns(sys, e);
	if (!r)
		r = pivot(root, e);
	if (!r)
		r = take_console(console, e);
	if (!r && s->hostname && sethostname(s->hostname, strlen(s->hostname)) < 0)
		r = err_sys(e, "set the host name");
	return r;
}

static void reset_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* 1 is special to the kernel: it means no dump, also where core_pattern is a pipe (core(5)). */
static void limit_cores(const struct spawn_spec *s)
{
	struct rlimit one = { 1, 1 };

	if (s->no_core)
		(void)setrlimit(RLIMIT_CORE, &one);
}

static int exec_init(const struct spawn_spec *s, int sock, struct err *e)
{
	int r;

	(void)umask(022);
	limit_cores(s);
	reset_signals();
	/* Everything but the console and the socket; the latter goes with the exec. */
	if ((sock > 3 && close_range(3, (unsigned)sock - 1, 0) < 0) ||
	    close_range((unsigned)sock + 1, ~0U, 0) < 0)
		return err_sys(e, "close the host's files");
	r = caps_limit();
	if (r < 0)
		return err_ret(e, r, "drop capabilities");
	r = seccomp_load_filter();
	if (r < 0)
		return err_ret(e, r, "load the system call filter");
	(void)execve(s->init[0], (char *const *)s->init, (char *const *)s->env);
	(void)err_sys(e, "execute %s", s->init[0]);
	return err_exit(e, VZ_BAD_TEMPLATE);
}

void child_main(const struct spawn_spec *s, int sock)
{
	struct err e = ERR_INIT;
	int r = sync_expect(sock, SYNC_MAPPED, NULL, 0, &e);

	if (!r && (r = caps_new_keyring()) < 0)
		r = err_ret(&e, r, "leave the keyring of the host");
	if (!r)
		r = become_root(&e);
	if (!r)
		r = join(s, &e);
	if (!r)
		r = sync_send(sock, SYNC_JOINED, NULL, 0);
	if (!r)
		r = enter_root(s, sock, &e);
	if (!r)
		r = sync_send(sock, SYNC_ROOTED, NULL, 0);
	if (!r)
		r = sync_expect(sock, SYNC_GO, NULL, 0, &e);
	if (!r)
		(void)exec_init(s, sock, &e);
	sync_send_err(sock, &e);
	_exit(127);
}
