/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime/spawn.h"
#include "runtime/child.h"
#include "runtime/idmap.h"
#include "runtime/sync.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/sys-call.h"

#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* Only what must be there at birth; the child makes the others while we mount. Not CLONE_NEWNS:
 * init shares the worker's mount namespace until its root is built there. */
#define INIT_NAMESPACES (CLONE_NEWUSER | CLONE_NEWPID)

static void reap(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int clone_init(const struct spawn_spec *s, int sock[2], struct spawn *ret, struct err *e)
{
	int pidfd = -1;
	struct clone_args args = {
		.flags = INIT_NAMESPACES | CLONE_PIDFD | CLONE_INTO_CGROUP,
		.pidfd = (uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)s->payload,
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

int spawn_init(const struct spawn_spec *s, struct spawn *ret, struct err *e)
{
	struct spawn p = SPAWN_INIT;
	int sock[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock) < 0)
		return err_sys(e, "make the socket to init");
	r = clone_init(s, sock, &p, e);
	(void)close(sock[1]);
	if (r < 0) {
		(void)close(sock[0]);
		return err_exit(e, VZ_ENV_CREATE);
	}
	r = idmap_write(p.pid, s->base, e);
	if (!r && sync_send(p.sock, SYNC_MAPPED, NULL, 0) < 0)
		r = err_sys(e, "talk to init");
	if (r < 0) {
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

int spawn_root(struct spawn *p, int root, int console, struct err *e)
{
	int fds[2] = { root, console };
	int r = sync_send(p->sock, SYNC_ROOT, fds, 2);

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
