/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "util/sys-caller.h"

enum { REPORT_LINE = 1, REPORT_DONE, REPORT_FAILED };

struct report {
	int kind;
	struct err err;         /* err.msg carries a line, too */
};

static void send_report(int fd, const struct report *r)
{
	/* The command may be gone (killed): the work goes on all the same. */
	while (send(fd, r, sizeof(*r), MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

void worker_report(int report, const struct err *e)
{
	struct report r = { .kind = e ? REPORT_FAILED : REPORT_DONE };

	if (e)
		r.err = *e;
	send_report(report, &r);
}

static void say_line(void *arg, const char *line)
{
	struct report r = { .kind = REPORT_LINE };

	(void)snprintf(r.err.msg, sizeof(r.err.msg), "%.500s", line);
	send_report(*(int *)arg, &r);
}

static void __attribute__((noreturn)) child(struct inst *in,
					    int (*fn)(void *, int, struct err *), void *arg, int fd)
{
	struct err e = ERR_INIT;
	bool listening = in->say;

	in->say = listening ? say_line : NULL;
	in->say_arg = &fd;
	/* A Ctrl-C at the command must not cut an undo short; the command's end is no reason. */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	if (caller_check(&e) < 0 || caller_forget(&e) < 0 || fn(arg, fd, &e) < 0)
		worker_report(fd, &e);
	_exit(1);
}

/* Lines are passed on until a verdict comes. */
static int listen_to(struct inst *in, int fd, struct err *e)
{
	struct report r;

	for (;;) {
		ssize_t n = recv(fd, &r, sizeof(r), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n != sizeof(r))
			return err_set(e, ECHILD, 0, "the worker died; the next command tidies up");
		r.err.msg[sizeof(r.err.msg) - 1] = '\0';
		if (r.kind == REPORT_DONE)
			return 0;
		if (r.kind == REPORT_LINE) {
			inst_say(in, "%s", r.err.msg);
			continue;
		}
		*e = r.err;
		return e->eno ? -e->eno : err_set(e, EIO, 0, "the worker failed without a cause");
	}
}

int worker_run(struct inst *in, int (*fn)(void *arg, int report, struct err *e), void *arg,
	       struct err *e)
{
	int sock[2], r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock) < 0)
		return err_sys(e, "make the socket to the worker");
	pid = fork();
	if (pid == 0) {
		(void)close(sock[0]);
		child(in, fn, arg, sock[1]);
	}
	(void)close(sock[1]);
	r = pid < 0 ? err_sys(e, "fork the worker") : listen_to(in, sock[0], e);
	(void)close(sock[0]);
	if (r < 0 && pid > 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	return r;
}
