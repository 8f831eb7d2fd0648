/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/migrate-link.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/sys-proc.h"

struct verdict {
	int code;                       /* exit number, or -Exxx */
	struct err err;
};

static void __attribute__((noreturn)) run_ssh(const char *const *argv, const char *const *env,
					      int in, int out, int report)
{
	struct verdict v = { .err = ERR_INIT };
	struct run run = { .argv = argv, .env = env, .in = in, .out = out, .cwd = -1 };

	v.code = proc_run(&run, &v.err);
	while (send(report, &v, sizeof(v), MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
	_exit(0);
}

/* p[0] is ours, p[1] the child's; in whichever direction. */
static int make_pipes(int in[2], int out[2], int report[2], struct err *e)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(e, "make the pipe to ssh");
	in[0] = p[1];
	in[1] = p[0];
	if (pipe2(out, O_CLOEXEC) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, report) < 0)
		return err_sys(e, "make the pipe from ssh");
	return 0;
}

static void close_pair(int p[2], bool ours)
{
	if (ours)
		cleanup_fd(&p[0]);
	cleanup_fd(&p[1]);
}

int migrate_link_open(struct migrate_link *l, const char *const *argv, const char *const *env,
		      struct err *e)
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, report[2] = { -1, -1 };
	int r = make_pipes(in, out, report, e);
	pid_t pid = r < 0 ? -1 : fork();

	if (pid == 0) {
		cleanup_fd(&in[0]);
		cleanup_fd(&out[0]);
		cleanup_fd(&report[0]);
		run_ssh(argv, env, in[1], out[1], report[1]);
	}
	if (!r && pid < 0)
		r = err_sys(e, "fork for ssh");
	close_pair(in, r < 0);
	close_pair(out, r < 0);
	close_pair(report, r < 0);
	if (!r)
		*l = (struct migrate_link){ in[0], out[0], report[0], pid };
	return r;
}

int migrate_link_answer(struct migrate_link *l, char ret[16], struct err *e)
{
	size_t n = 0;

	for (;;) {
		char c;
		ssize_t r = read(l->from, &c, 1);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return err_set(e, EPIPE, 0, "the other host has not answered");
		if (c == '\n')
			break;
		if (c < 'A' || c > 'Z' || n == 15)
			return err_set(e, EPROTO, 0, "the other host has answered what no berth does");
		ret[n++] = c;
	}
	ret[n] = '\0';
	return 0;
}

int migrate_link_close(struct migrate_link *l, struct err *e)
{
	struct verdict v = { .code = -ECHILD };
	ssize_t n;

	if (!l->pid)
		return 0;
	cleanup_fd(&l->to);
	cleanup_fd(&l->from);
	do {
		n = recv(l->verdict, &v, sizeof(v), 0);
	} while (n < 0 && errno == EINTR);
	cleanup_fd(&l->verdict);
	while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
		;
	l->pid = 0;
	if (n == sizeof(v) && v.code == 0)
		return 0;
	if (n != sizeof(v) || !v.err.eno)
		return err_set(e, ECHILD, VZ_SYSTEM, "ssh ended without a word");
	*e = v.err;
	e->exit = v.code > 0 && v.code < 255 ? v.code : VZ_SYSTEM;
	return -e->eno;
}
