/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "runtime/caps.h"
#include "runtime/seccomp.h"
#include "runtime/sync.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-call.h"
#include "util/sys-caller.h"
#include "util/sys-fs.h"

/* The user namespace comes first: the kernel takes a combined setns in an order that keeps the
 * needed privilege until the end (setns(2), pidfd form since 5.8). */
#define JOIN (CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP | \
	      CLONE_NEWNS)

/*
 * The limits of the VE are those of its init, process 1 here. Hard ones can be raised only as
 * root of the host, so this is done before and after the way in: what a `set` has changed in
 * between counts, because it has found this process in the VE's group or changed init before.
 */
static int take_limits(const struct attach_spec *s, struct err *e)
{
	static const int resources[] = { RLIMIT_NOFILE, RLIMIT_MEMLOCK, RLIMIT_SIGPENDING };
	struct rlimit init, own;

	for (size_t i = 0; i < ARRAY_SIZE(resources); i++) {
		if (prlimit(1, resources[i], NULL, &init) < 0 ||
		    getrlimit(resources[i], &own) < 0)
			return err_sys(e, "read the limits of init");
		if ((s->limited >> resources[i] & 1) || own.rlim_cur > init.rlim_max)
			own.rlim_cur = init.rlim_max;
		own.rlim_max = init.rlim_max;
		/* EPERM: the caller of this command has less itself, and keeps that */
		if (setrlimit(resources[i], &own) < 0 && errno != EPERM)
			return err_sys(e, "take the limits of init");
	}
	return 0;
}

static int join(const struct attach_spec *s, struct err *e)
{
	int r = caller_forget(e);

	if (r < 0)
		return r;
	r = cg_join(&s->tasks);         /* refuses a real-time task with EINVAL */
	if (!r)
		r = cg_join_root(&s->tasks);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "join the control groups");
	}
	r = caps_new_keyring();
	if (r < 0) {
		errno = -r;
		return err_sys(e, "leave the keyring of the host");
	}
	r = take_limits(s, e);
	if (r < 0)
		return r;
	if (setns(s->pidfd, JOIN) < 0)
		return err_sys(e, "enter the VE");
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return err_sys(e, "become root of the VE");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, "stay undumpable");
	/* setns to a mount namespace puts root and working directory at its root. */
	if (setsid() < 0 || chdir("/") < 0)
		return err_sys(e, "go to the root of the VE");
	return 0;
}

/* The three may be below 3 and in any order: move them up before they overwrite each other. */
static int take_stdio(const struct attach_spec *s, struct err *e)
{
	int from[3] = { s->in, s->out, s->err };

	for (int i = 0; i < 3; i++) {
		from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 10);
		if (from[i] < 0)
			return err_sys(e, "pass standard file %d", i);
	}
	for (int i = 0; i < 3; i++)
		if (dup2(from[i], i) < 0)
			return err_sys(e, "pass standard file %d", i);
	for (int i = 0; i < 3 && s->tty; i++)
		if (isatty(i))
			return ioctl(i, TIOCSCTTY, 0) < 0 ? err_sys(e, "take the terminal") : 0;
	return 0;
}

static int confine(const struct attach_spec *s, int sock, struct err *e)
{
	struct rlimit one = { 1, 1 };
	sigset_t none;
	int r;

	(void)umask(022);
	if (s->no_core)
		(void)setrlimit(RLIMIT_CORE, &one);
	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if ((sock > 3 && close_range(3, (unsigned)sock - 1, 0) < 0) ||
	    close_range((unsigned)sock + 1, ~0U, 0) < 0)
		return err_sys(e, "close the host's files");
	r = take_limits(s, e);
	if (r < 0)
		return r;
	r = caps_limit();
	if (!r)
		r = seccomp_load_filter();
	if (r < 0) {
		errno = -r;
		return err_sys(e, "confine the command");
	}
	return 0;
}

static void __attribute__((noreturn)) attach_child(const struct attach_spec *s, int sock, bool born)
{
	struct err e = ERR_INIT;
	int r = born ? 0 : fs_write_at(s->payload, "cgroup.procs", "0", &e);

	if (!r)
		r = join(s, &e);
	if (!r)
		r = sync_send(sock, SYNC_JOINED, NULL, 0);
	if (!r)
		r = take_stdio(s, &e);
	if (!r)
		r = confine(s, sock, &e);
	if (!r && s->work) {
		(void)close(sock);              /* as an exec would */
		_exit(s->work(s->arg));
	}
	if (!r) {
		(void)execve(s->argv[0], (char *const *)s->argv, (char *const *)s->env);
		(void)err_sys(&e, "execute %s", s->argv[0]);
		(void)err_exit(&e, VZ_EXEC_FAILED);
	}
	sync_send_err(sock, &e);
	_exit(127);
}

/*
 * Only children are born into the joined pid namespace; the caller itself comes back. born: into
 * the payload, which saves the move.
 */
static int clone_inside(const struct attach_spec *s, bool born, int sock[2], pid_t *ret,
			struct err *e)
{
	_fd_ int own = open("/proc/self/ns/pid_for_children", O_RDONLY | O_CLOEXEC);
	struct clone_args args = {
		.flags = born ? CLONE_INTO_CGROUP : 0,
		.exit_signal = SIGCHLD,
		.cgroup = born ? (uint64_t)s->payload : 0,
	};
	pid_t pid;

	if (own < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    setns(s->pidfd, CLONE_NEWPID) < 0)
		return err_sys(e, "enter the pid namespace of the VE");
	pid = sys_clone3(&args);
	if (pid == 0) {
		(void)close(sock[0]);
		attach_child(s, sock[1], born);
	}
	if (pid < 0)
		(void)err_sys(e, "fork into the VE");
	if (setns(own, CLONE_NEWPID) < 0 && pid >= 0) {
		(void)err_sys(e, "return to the pid namespace of the host");
		(void)kill(pid, SIGKILL);
		(void)attach_wait(pid);
		return -e->eno;
	}
	if (pid < 0)
		return -e->eno;
	*ret = pid;
	return 0;
}

/* Both messages within the time: a tenant can stop our child as soon as it has joined. */
static int hear(const struct attach_spec *s, int sock, bool *ret_joined, struct err *e)
{
	struct timeval limit = { s->timeout_ms / 1000, s->timeout_ms % 1000 * 1000 };
	int r;

	if (setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
		return err_sys(e, "limit the wait for the command");
	r = sync_expect(sock, SYNC_JOINED, NULL, 0, e);
	*ret_joined = r != -ECHILD && r != -ECONNRESET;
	if (!r)
		r = sync_expect_exec(sock, e);
	if (r == -EAGAIN)
		r = err_set(e, ETIMEDOUT, 0, "start a command inside: no answer in time");
	return r;
}

static int try_start(const struct attach_spec *s, bool born, pid_t *ret_pid, bool *ret_joined,
		     struct err *e)
{
	int sock[2], r;
	pid_t pid = 0;

	*ret_joined = true;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock) < 0)
		return err_sys(e, "make the socket to the command");
	r = clone_inside(s, born, sock, &pid, e);
	(void)close(sock[1]);
	if (!r) {
		r = hear(s, sock[0], ret_joined, e);
		if (r < 0) {
			(void)kill(pid, SIGKILL);
			(void)attach_wait(pid);
		}
	}
	(void)close(sock[0]);
	if (r < 0)
		return r;
	*ret_pid = pid;
	return 0;
}

/*
 * Since 6.14 a child that is cloned into another group dies at birth unless its own and its
 * parent's group have seen the same number of writes to cgroup.kill. Then it has to be moved.
 */
int attach_start(const struct attach_spec *s, pid_t *ret_pid, struct err *e)
{
	bool joined;
	int r = try_start(s, true, ret_pid, &joined, e);

	if (!r || joined)
		return r;
	err_clear(e);
	return try_start(s, false, ret_pid, &joined, e);
}

int attach_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
