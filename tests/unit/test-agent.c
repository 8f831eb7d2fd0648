/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest whose agent is its root's own, and a QEMU that was taken over: both never stop
 * talking. Whatever the host asks of them ends in time, for the one who asks holds the VE's lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/harness.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-proc.h"
#include "vm/agent.h"
#include "vm/qmp.h"
#include "vm/sock.h"

#define WAIT_MS 300
#define LIMIT_US (8 * 1000000ULL)       /* QMP's own wait is 3 s; the machine may be busy */

struct guest {
	char path[32];
	int dir;
	pid_t pid;
};

/*
 * Faster than anybody reads, so that there always is something to read. What the host says is
 * read away, or it would wait for that.
 */
static _Noreturn void pour(int fd, const void *what, size_t len)
{
	static char much[65536], heard[AGENT_FRAME];
	size_t n = 0;

	for (; n + len <= sizeof(much); n += len)
		memcpy(much + n, what, len);
	if (fork() == 0) {
		while (recv(fd, heard, sizeof(heard), 0) > 0)
			;
		_exit(0);
	}
	while (send(fd, much, n, MSG_NOSIGNAL) > 0)
		;
	_exit(0);
}

static uint32_t session_of(int fd)
{
	uint8_t in[2 * AGENT_FRAME];
	struct agent_frame f = { 0 };
	size_t have = 0, used;
	ssize_t n;

	while (!f.session && (n = recv(fd, in + have, sizeof(in) - have, 0)) > 0) {
		have += (size_t)n;
		(void)agent_parse(in, have, &f, &used);
		have -= used;
		memmove(in, in + used, have);
	}
	return f.session;
}

/* WELCOME and OK come first where they are wanted, then frames of one type without end. */
static _Noreturn void talk(int fd, bool polite, enum agent_type type, bool ours)
{
	const struct agent_welcome w = { .version = AGENT_VERSION, .booted = 1 };
	uint32_t session = session_of(fd);
	uint8_t out[3 * AGENT_FRAME];
	size_t len = 0;

	if (polite)
		len = agent_put(out, session, AGENT_WELCOME, &w, sizeof(w));
	if (polite && type == AGENT_STDOUT)
		len += agent_put(out + len, session, AGENT_OK, NULL, 0);
	(void)!send(fd, out, len, MSG_NOSIGNAL);
	pour(fd, out, agent_put(out, session + !ours, type, "1234", 4));
}

static void begin(struct guest *g, const char *sock, bool polite, enum agent_type type, bool ours)
{
	static const char event[] = "{\"event\":\"RTC_CHANGE\"}\n";
	struct err e = ERR_INIT;
	int fd = -1;

	*g = (struct guest){ .path = "/tmp/berth-vm-XXXXXX", .pid = -1, .dir = -1 };
	if (mkdtemp(g->path))
		g->dir = open(g->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(g->dir >= 0 && vm_listen(g->dir, sock, &fd, &e) == 0);
	g->pid = fork();
	if (g->pid == 0) {
		fd = accept(fd, NULL, NULL);
		if (str_eq(sock, VM_SOCK_QMP))
			pour(fd, event, sizeof(event) - 1);
		talk(fd, polite, type, ours);
	}
	(void)close(fd);
	(void)alarm(30);
}

static void end(struct guest *g, const char *sock)
{
	char lock[] = "agent.0.lock";

	(void)kill(g->pid, SIGKILL);
	(void)waitpid(g->pid, NULL, 0);
	(void)unlinkat(g->dir, sock, 0);
	(void)unlinkat(g->dir, lock, 0);
	(void)close(g->dir);
	(void)rmdir(g->path);
	(void)alarm(0);
}

static void never_welcomed(enum agent_type type, bool ours)
{
	struct agent_link *l = calloc(1, sizeof(*l));
	struct err e = ERR_INIT;
	uint64_t from = proc_now_us();
	struct guest g;

	begin(&g, "agent.0.sock", false, type, ours);
	CHECK(agent_open(g.dir, -1, WAIT_MS, l, &e) == -ETIMEDOUT);
	CHECK(proc_now_us() - from < LIMIT_US);
	end(&g, "agent.0.sock");
	free(l);
}

TEST(a_guest_that_never_stops_talking_is_not_waited_for)
{
	never_welcomed(AGENT_MORE, true);
	never_welcomed(AGENT_MORE, false);
}

TEST(an_answer_that_does_not_come_among_others_is_not_waited_for)
{
	const struct agent_call c = { .type = AGENT_USAGE, .timeout_ms = WAIT_MS };
	struct agent_link *l = calloc(1, sizeof(*l));
	struct err e = ERR_INIT;
	struct guest g;

	begin(&g, "agent.0.sock", true, AGENT_MORE, true);
	CHECK(agent_open(g.dir, -1, 5000, l, &e) == 0);
	CHECK(agent_call(l, &c, &e) == -ETIMEDOUT);
	agent_close(l);
	end(&g, "agent.0.sock");
	free(l);
}

/* Somebody who reads a command's output at leisure: the guest is always ahead of it. */
static pid_t slow_reader(int *ret_fd)
{
	const struct timespec pause = { 0, 1000000 };
	int fd[2] = { -1, -1 };
	char some[256];
	pid_t pid;

	CHECK(pipe2(fd, O_CLOEXEC) == 0);
	pid = fork();
	if (pid == 0) {
		(void)close(fd[1]);
		while (read(fd[0], some, sizeof(some)) > 0)
			(void)nanosleep(&pause, NULL);
		_exit(0);
	}
	(void)close(fd[0]);
	*ret_fd = fd[1];
	return pid;
}

TEST(a_command_whose_output_has_no_end_ends_in_time)
{
	static const char *const argv[] = { "/bin/yes", NULL }, *const env[] = { NULL };
	struct agent_link *l = calloc(1, sizeof(*l));
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), out = -1;
	pid_t reader = slow_reader(&out);
	const struct agent_run run = { .argv = argv, .env = env, .in = null, .out = out, .err = null, .timeout_ms = WAIT_MS };
	struct err e = ERR_INIT;
	struct guest g;

	begin(&g, "agent.0.sock", true, AGENT_STDOUT, true);
	CHECK(agent_open(g.dir, -1, 5000, l, &e) == 0);
	CHECK(agent_run(l, &run, &e) == -ETIMEDOUT);
	agent_close(l);
	end(&g, "agent.0.sock");
	(void)close(null);
	(void)close(out);
	(void)waitpid(reader, NULL, 0);
	free(l);
}

TEST(events_of_qemu_without_end_are_no_answer)
{
	struct err e = ERR_INIT;
	struct guest g;

	begin(&g, VM_SOCK_QMP, false, AGENT_MORE, true);
	CHECK(qmp_powerdown(g.dir, &e) == -ETIMEDOUT);
	end(&g, VM_SOCK_QMP);
}

/* All of it may be in the buffer before the command's output is first waited for. */
TEST(a_command_that_ends_at_once_is_not_waited_for)
{
	static const char *const argv[] = { "/bin/true", NULL }, *const env[] = { NULL };
	struct agent_link *l = calloc(1, sizeof(*l));
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fd[2];
	const struct agent_run run = { .argv = argv, .env = env, .in = null, .out = null, .err = null, .timeout_ms = 5000 };
	const uint32_t code = 7;
	uint64_t start = proc_now_us();
	uint8_t said[3 * AGENT_FRAME];
	struct err e = ERR_INIT;
	size_t n;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == 0);
	*l = (struct agent_link)AGENT_LINK_INIT;
	l->fd = fd[0];
	l->session = 5;
	n = agent_put(said, l->session, AGENT_OK, NULL, 0);
	n += agent_put(said + n, l->session, AGENT_STDOUT, "x", 1);
	n += agent_put(said + n, l->session, AGENT_EXIT, &code, sizeof(code));
	CHECK(send(fd[1], said, n, 0) == (ssize_t)n);
	CHECK(agent_run(l, &run, &e) == 7);
	CHECK(proc_now_us() - start < 3000000);
	agent_close(l);
	(void)close(fd[1]);
	(void)close(null);
	free(l);
}

/* Panels act on exit numbers: a guest says neither that its VE is not there, nor what looks like our words. */
TEST(a_guest_has_the_exit_numbers_of_what_it_was_asked)
{
	static const struct {
		enum agent_type asked;
		int said, told;
	} rows[] = {
		{ AGENT_EXEC, VZ_EXEC_FAILED, VZ_EXEC_FAILED }, { AGENT_EXEC, VZ_NOT_RUNNING, 0 },
		{ AGENT_PASSWD, VZ_PASSWD, VZ_PASSWD }, { AGENT_SETUP, VZ_BAD_DNS, VZ_BAD_DNS },
		{ AGENT_SETUP, VZ_PASSWD, 0 }, { AGENT_FILES, VZ_LOCKED, 0 }, { AGENT_RESIZE, VZ_NO_DISK_SPACE, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct agent_call c = { .type = rows[i].asked, .timeout_ms = 5000 };
		struct agent_fail f = { .eno = EIO, .exit = rows[i].said, .text = "no\nberth: yes" };
		struct agent_link *l = calloc(1, sizeof(*l));
		struct err e = ERR_INIT;
		uint8_t said[AGENT_FRAME];
		size_t n;
		int fd[2];

		CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == 0);
		*l = (struct agent_link)AGENT_LINK_INIT;
		l->fd = fd[0];
		l->session = 5;
		n = agent_put(said, l->session, AGENT_FAIL, &f, sizeof(f));
		CHECK(send(fd[1], said, n, 0) == (ssize_t)n);
		CHECK(agent_call(l, &c, &e) == -EIO && e.exit == rows[i].told);
		CHECK_STR(e.msg, "in the VM: no\\x0aberth: yes");
		agent_close(l);
		(void)close(fd[1]);
		free(l);
	}
}
