/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime/spawn.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "runtime/child.h"
#include "runtime/idmap.h"
#include "runtime/sync.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-call.h"
#include "util/sys-fs.h"

/* Only what must be there at birth; the child makes the others while we mount. Not CLONE_NEWNS:
 * init shares the worker's mount namespace until its root is built there. */
#define INIT_NAMESPACES (CLONE_NEWUSER | CLONE_NEWPID)

static void reap(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* born: into the payload, which saves the move. */
static int clone_init(const struct spawn_spec *s, bool born, int sock[2], struct spawn *ret,
		      struct err *e)
{
	int pidfd = -1;
	struct clone_args args = {
		.flags = INIT_NAMESPACES | CLONE_PIDFD | (born ? CLONE_INTO_CGROUP : 0),
		.pidfd = (uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = born ? (uint64_t)s->payload : 0,
	};
	pid_t pid = sys_clone3(&args);

	if (pid < 0)
		return err_sys(e, "clone init into its namespaces");
	if (pid == 0) {
		(void)close(sock[0]);
		child_main(s, sock[1]);
	}
	*ret = (struct spawn){ .pid = pid, .pidfd = pidfd, .sock = sock[0] };
	return 0;
}

static int try_clone(const struct spawn_spec *s, bool born, struct spawn *ret, struct err *e)
{
	int sock[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock) < 0)
		return err_sys(e, "make the socket to init");
	r = clone_init(s, born, sock, ret, e);
	(void)close(sock[1]);
	if (r < 0)
		(void)close(sock[0]);
	return r;
}

/* The signal is there before clone3 returns, and stays until we reap (proc_pid_status(5)). */
static bool stillborn(pid_t pid)
{
	struct err ignored = ERR_INIT;
	_free_ char *text = NULL;
	char path[32];

	(void)str_fmt(path, sizeof(path), "/proc/%d/status", (int)pid);
	return fs_read_at(AT_FDCWD, path, 65536, &text, NULL, &ignored) < 0 ||
	       !strstr(text, "\nShdPnd:\t0000000000000000\n");
}

static int move(const struct spawn_spec *s, pid_t pid, struct err *e)
{
	char text[16];

	(void)str_fmt(text, sizeof(text), "%d", (int)pid);
	return fs_write_at(s->payload, "cgroup.procs", text, e);
}

/* Why a second time: see attach_start. */
static int clone_somehow(const struct spawn_spec *s, struct spawn *p, struct err *e)
{
	int r = try_clone(s, true, p, e);

	if (r < 0 || !stillborn(p->pid))
		return r;
	reap(p->pid);
	spawn_done(p);
	*p = (struct spawn)SPAWN_INIT;
	r = try_clone(s, false, p, e);
	return r < 0 ? r : move(s, p->pid, e);
}

int spawn_init(const struct spawn_spec *s, struct spawn *ret, struct err *e)
{
	struct spawn p = SPAWN_INIT;
	int r = clone_somehow(s, &p, e);

	if (!r)
		r = idmap_write(p.pid, s->base, e);
	if (!r && sync_send(p.sock, SYNC_MAPPED, NULL, 0) < 0)
		r = err_sys(e, "talk to init");
	if (r < 0) {
		if (p.pid)
			reap(p.pid);
		spawn_done(&p);
		return err_exit(e, VZ_ENV_CREATE);
	}
	*ret = p;
	return 0;
}

int spawn_joined(struct spawn *p, struct err *e)
{
	int r = sync_expect(p->sock, SYNC_JOINED, NULL, 0, e);

	return r < 0 ? err_exit(e, VZ_ENV_CREATE) : 0;
}

int spawn_root(struct spawn *p, int root, int console, int sys, struct err *e)
{
	int fds[] = { root, console, sys };
	int r = sync_send(p->sock, SYNC_ROOT, fds, ARRAY_SIZE(fds));

	if (r < 0) {
		errno = -r;
		return err_sys(e, "talk to init");
	}
	r = sync_expect(p->sock, SYNC_ROOTED, NULL, 0, e);
	return r < 0 ? err_exit(e, VZ_ENV_CREATE) : 0;
}

int spawn_go(struct spawn *p, struct err *e)
{
	int r = sync_send(p->sock, SYNC_GO, NULL, 0);

	if (r < 0) {
		errno = -r;
		return err_sys(e, "talk to init");
	}
	r = sync_expect_exec(p->sock, e);
	return r < 0 ? err_exit(e, VZ_ENV_CREATE) : 0;
}

void spawn_done(struct spawn *p)
{
	cleanup_fd(&p->pidfd);
	cleanup_fd(&p->sock);
}
