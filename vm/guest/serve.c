/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One process, one loop, a session per port. Nothing blocks: output waits in the command's pipe
 * when the host does not read, input is never more than the host was allowed to send.
 *
 * A port is watched edge-triggered: while no host is connected poll(2) says POLLHUP without end,
 * but its wait queue is woken when one comes and goes (drivers/char/virtio_console.c), which an
 * edge reports. read(2) then gives 0 for "nobody there". That news travels apart from the data
 * and may be older than they are: the end of one command can be heard in the middle of the next
 * one's session. So a session ends by it only when it has been true for GONE_MS.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/sys-fs.h"
#include "util/sys-proc.h"
#include "vm/guest/guest.h"

#define GONE_MS 500

struct session {
	int port;
	uint64_t gone_at;               /* nobody there since; 0: somebody is */
	uint32_t id;                    /* 0: none */
	uint8_t in[2 * AGENT_FRAME], out[2 * AGENT_FRAME];
	size_t in_len, out_len;
	char *body;
	size_t body_len;
	struct child child;
	bool running;                   /* a command was started and its end not yet told */
	bool ended;
	uint32_t code;
	char typed[AGENT_CREDIT];       /* standard input not yet taken */
	size_t typed_len;
	bool typed_end;
};

struct agent {
	const struct boot *boot;
	int go, epoll, sigs;
	uint32_t booted;
	struct session s[AGENT_PORTS];
};

/* ---- to the host ---- */

static bool room(const struct session *s)
{
	return s->out_len + AGENT_FRAME <= sizeof(s->out);
}

static void put(struct session *s, enum agent_type type, const void *data, size_t len)
{
	if (room(s))
		s->out_len += agent_put(s->out + s->out_len, s->id, type, data, len);
}

static void flush(struct session *s)
{
	while (s->out_len) {
		ssize_t n = write(s->port, s->out, s->out_len);

		if (n <= 0)
			return;
		s->out_len -= (size_t)n;
		memmove(s->out, s->out + n, s->out_len);
	}
}

static void put_fail(struct session *s, const struct err *e)
{
	struct agent_fail f = { .eno = e->eno, .exit = e->exit };

	(void)snprintf(f.text, sizeof(f.text), "%.250s", e->msg);
	put(s, AGENT_FAIL, &f, sizeof(f));
}

static void put_result(struct session *s, int r, const struct err *e)
{
	if (r < 0)
		put_fail(s, e);
	else
		put(s, AGENT_OK, NULL, 0);
}

/* ---- a session's end ---- */

static void reset(struct session *s)
{
	child_drop(&s->child);
	free(s->body);
	s->body = NULL;
	s->body_len = s->typed_len = s->out_len = 0;
	s->id = 0;
	s->running = s->ended = s->typed_end = false;
	s->gone_at = 0;
}

/* ---- requests ---- */

static void hello(struct agent *a, struct session *s, const struct agent_frame *f)
{
	struct agent_welcome w = { AGENT_VERSION, a->booted };
	struct agent_hello h;

	if (agent_take(f, &h, sizeof(h)) && h.version < w.version)
		w.version = h.version;
	reset(s);
	s->id = f->session;
	put(s, AGENT_WELCOME, &w, sizeof(w));
}

static void take_body(struct session *s, const struct agent_frame *f)
{
	char *p;

	if (s->body_len + f->len > AGENT_BODY_MAX)
		return;
	p = realloc(s->body, s->body_len + f->len + 1);
	if (!p)
		return;
	memcpy(p + s->body_len, f->payload, f->len);
	s->body = p;
	s->body_len += f->len;
}

static void run_command(struct session *s, const struct agent_frame *f)
{
	const char *body = s->body ? s->body : "";
	struct err e = ERR_INIT;
	struct parcel_job job;
	struct agent_exec x;
	int r;

	if (!s->running && f->type == AGENT_EXEC && agent_take(f, &x, sizeof(x)))
		r = child_start(&x, body, s->body_len, &s->child, &e);
	else if (!s->running && f->type == AGENT_FILES && agent_take(f, &job, sizeof(job)))
		r = child_files(&job, body, s->body_len, &s->child, &e);
	else
		r = err_set(&e, EPROTO, 0, "execute: bad request");
	s->running = s->running || r >= 0;
	put_result(s, r, &e);
}

static void take_typed(struct session *s, const struct agent_frame *f)
{
	if (!f->len)
		s->typed_end = true;
	if (s->typed_len + f->len > sizeof(s->typed))
		return;                 /* more than it was allowed: its loss */
	memcpy(s->typed + s->typed_len, f->payload, f->len);
	s->typed_len += f->len;
}

static void signal_it(pid_t pid, const struct agent_frame *f)
{
	uint32_t sig;

	if (agent_take(f, &sig, sizeof(sig)) && pid > 0 && sig < NSIG)
		(void)kill(pid, (int)sig);
}

static int configure(struct agent *a, struct session *s, struct err *e)
{
	if (a->boot->err.eno) {
		*e = a->boot->err;
		return -e->eno;
	}
	return setup_apply(s->body ? s->body : "", s->body_len, e);
}

static void let_go(struct agent *a)
{
	if (a->go >= 0 && write(a->go, "g", 1) == 1)
		a->booted = 1;
	cleanup_fd(&a->go);
}

static int freeze(struct agent *a, const struct agent_frame *f, struct err *e)
{
	uint32_t on = 0;

	return agent_take(f, &on, sizeof(on)) ? disk_freeze(a->boot->disk, on, e)
					      : err_set(e, EPROTO, 0, "freeze: bad request");
}

/* Time has gone on while the guest did not. */
static int set_clock(const struct agent_frame *f, struct err *e)
{
	struct timespec t;
	uint64_t us;

	if (!agent_take(f, &us, sizeof(us)) || us > INT64_MAX)
		return err_set(e, EPROTO, 0, "set the clock: bad request");
	t = (struct timespec){ (time_t)(us / 1000000), (long)(us % 1000000 * 1000) };
	return clock_settime(CLOCK_REALTIME, &t) < 0 ? err_sys(e, "set the clock") : 0;
}

static void use_cpus(struct session *s, const struct agent_frame *f)
{
	struct err e = ERR_INIT;
	uint32_t n = 0;
	int r = agent_take(f, &n, sizeof(n)) ? cpus_use(n, &n, &e)
					     : err_set(&e, EPROTO, 0, "use CPUs: bad request");

	if (r < 0)
		put_fail(s, &e);
	else
		put(s, AGENT_OK, &n, sizeof(n));
}

/* Those that are answered by AGENT_OK or AGENT_FAIL alone. */
static void serve_plain(struct agent *a, struct session *s, const struct agent_frame *f)
{
	struct err e = ERR_INIT;
	int r = 0;

	switch (f->type) {
	case AGENT_SETUP:
		r = configure(a, s, &e);
		break;
	case AGENT_GO:
		let_go(a);
		break;
	case AGENT_INIT_SIGNAL:
		signal_it(1, f);
		break;
	case AGENT_PASSWD:
		r = setup_password(s->body ? s->body : "", s->body_len, &e);
		break;
	case AGENT_RESIZE:
		r = disk_grow(a->boot->disk, &e);
		break;
	case AGENT_FREEZE:
		r = freeze(a, f, &e);
		break;
	case AGENT_CLOCK:
		r = set_clock(f, &e);
		break;
	default:
		r = err_set(&e, EOPNOTSUPP, 0, "request %u is not known", f->type);
	}
	put_result(s, r, &e);
}

static void serve_frame(struct agent *a, struct session *s, const struct agent_frame *f)
{
	const uint32_t none = 0;
	struct agent_usage use;
	struct agent_size size;

	switch (f->type) {
	case AGENT_BODY:
		take_body(s, f);
		return;
	case AGENT_STDIN:
		take_typed(s, f);
		return;
	case AGENT_SIGNAL:
		signal_it(s->child.pid, f);
		return;
	case AGENT_SIZE:
		if (agent_take(f, &size, sizeof(size)))
			child_size(&s->child, &size);
		return;
	case AGENT_ALIVE:
		put(s, AGENT_MORE, &none, sizeof(none));
		return;
	case AGENT_EXEC:
	case AGENT_FILES:
		run_command(s, f);
		break;
	case AGENT_USAGE:
		usage_read(a->boot->disk, &use);
		put(s, AGENT_OK, &use, sizeof(use));
		break;
	case AGENT_CPUS:
		use_cpus(s, f);
		break;
	default:
		serve_plain(a, s, f);
	}
	free(s->body);
	s->body = NULL;
	s->body_len = 0;
}

/* To a host that does not know yet that its session is over. */
static void deny(struct session *s, uint32_t session)
{
	struct agent_fail f = { .eno = ECONNRESET, .text = "the command's session is over" };
	uint32_t own = s->id;

	s->id = session;
	put(s, AGENT_FAIL, &f, sizeof(f));
	s->id = own;
}

/* Frames wait in the buffer while there is no room for their answers. */
static void serve_frames(struct agent *a, struct session *s)
{
	struct agent_frame f;
	size_t used;

	while (room(s)) {
		int got = agent_parse(s->in, s->in_len, &f, &used);

		if (got && f.type == AGENT_HELLO)
			hello(a, s, &f);
		else if (got && s->id && f.session == s->id)
			serve_frame(a, s, &f);
		else if (got && f.type == AGENT_ALIVE)
			deny(s, f.session);
		s->in_len -= used;
		memmove(s->in, s->in + used, s->in_len);
		if (!got)
			return;
		flush(s);
	}
}

/* False when there was nothing (more) to read. */
static bool hear(struct agent *a, struct session *s)
{
	ssize_t n;

	serve_frames(a, s);
	if (s->in_len == sizeof(s->in))
		return false;
	n = read(s->port, s->in + s->in_len, sizeof(s->in) - s->in_len);
	if (n > 0) {
		s->in_len += (size_t)n;
		s->gone_at = 0;
		return true;
	}
	if (n < 0)
		s->gone_at = 0;
	else if (!s->gone_at)
		s->gone_at = proc_now_us();
	else if (s->id && proc_now_us() > s->gone_at + GONE_MS * 1000)
		reset(s);
	return false;
}

/* ---- the command's three files ---- */

static void feed(struct session *s)
{
	ssize_t n = s->typed_len ? write(s->child.in, s->typed, s->typed_len) : 0;
	uint32_t taken;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	taken = n < 0 ? (uint32_t)s->typed_len : (uint32_t)n;   /* it reads no more: take all */
	s->typed_len -= taken;
	memmove(s->typed, s->typed + taken, s->typed_len);
	if (taken)
		put(s, AGENT_MORE, &taken, sizeof(taken));
	if (s->typed_end && !s->typed_len)
		cleanup_fd(&s->child.in);
}

/* True when something was read. */
static bool drain(struct session *s, int *fd, enum agent_type type)
{
	char buf[AGENT_PAYLOAD];
	ssize_t n;

	if (*fd < 0 || !room(s))
		return false;
	n = read(*fd, buf, sizeof(buf));
	if (n > 0)
		put(s, type, buf, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		cleanup_fd(fd);
	return n > 0;
}

/* What the command wrote before it ended is still in its pipes. */
static void finish(struct session *s)
{
	while (room(s) && (drain(s, &s->child.out, AGENT_STDOUT) ||
			   drain(s, &s->child.err, AGENT_STDERR)))
		flush(s);
	if (!room(s))
		return;
	put(s, AGENT_EXIT, &s->code, sizeof(s->code));
	s->child.pid = 0;
	child_drop(&s->child);
	s->running = s->ended = false;
}

static void reap(struct agent *a)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (struct session *s = a->s; s < a->s + AGENT_PORTS; s++)
			if (s->running && s->child.pid == pid) {
				s->ended = true;
				s->code = WIFEXITED(status) ? (uint32_t)WEXITSTATUS(status)
							    : 128 + (uint32_t)WTERMSIG(status);
			}
}

/* ---- the loop ---- */

enum { POLL_EPOLL, POLL_SIGS, POLL_FILES, POLL_END = POLL_FILES + 3 * AGENT_PORTS };

static void watch(const struct session *s, struct pollfd p[3])
{
	bool out = room(s);

	p[0] = (struct pollfd){ s->typed_len || s->typed_end ? s->child.in : -1, POLLOUT, 0 };
	p[1] = (struct pollfd){ out ? s->child.out : -1, POLLIN, 0 };
	p[2] = (struct pollfd){ out ? s->child.err : -1, POLLIN, 0 };
}

static void turn_session(struct agent *a, struct session *s, const struct pollfd p[3])
{
	if (s->port < 0)
		return;
	flush(s);
	while (hear(a, s))
		flush(s);
	if (s->running && s->child.in >= 0 && p[0].revents && room(s))
		feed(s);
	if (s->running && p[1].revents)
		(void)drain(s, &s->child.out, AGENT_STDOUT);
	if (s->running && p[2].revents)
		(void)drain(s, &s->child.err, AGENT_STDERR);
	if (s->ended)
		finish(s);
	flush(s);
}

/* A session that may have lost its host is looked at again. */
static int patience(const struct agent *a)
{
	for (unsigned i = 0; i < AGENT_PORTS; i++)
		if (a->s[i].id && a->s[i].gone_at)
			return GONE_MS;
	return -1;
}

static void turn(struct agent *a)
{
	struct pollfd p[POLL_END] = { [POLL_EPOLL] = { a->epoll, POLLIN, 0 },
				      [POLL_SIGS] = { a->sigs, POLLIN, 0 } };
	struct epoll_event edges[AGENT_PORTS];
	struct signalfd_siginfo si;

	for (unsigned i = 0; i < AGENT_PORTS; i++)
		watch(&a->s[i], &p[POLL_FILES + 3 * i]);
	if (poll(p, POLL_END, patience(a)) < 0)
		return;
	if (p[POLL_EPOLL].revents)
		(void)epoll_wait(a->epoll, edges, AGENT_PORTS, 0);
	if (p[POLL_SIGS].revents)
		(void)!read(a->sigs, &si, sizeof(si));
	reap(a);
	for (unsigned i = 0; i < AGENT_PORTS; i++)
		turn_session(a, &a->s[i], &p[POLL_FILES + 3 * i]);
}

static void open_ports(struct agent *a)
{
	for (unsigned i = 0; i < AGENT_PORTS; i++) {
		struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.u32 = i };

		a->s[i] = (struct session){ .port = boot_open_port(i), .child = CHILD_INIT };
		if (a->s[i].port >= 0)
			(void)epoll_ctl(a->epoll, EPOLL_CTL_ADD, a->s[i].port, &ev);
	}
}

_Noreturn void serve(const struct boot *b, int go)
{
	static struct agent a;
	struct err ignored = ERR_INIT;
	sigset_t set;

	/* Whoever is short of memory in there shall not lose the way in (proc(5)). */
	(void)!fs_write_at(AT_FDCWD, "/proc/self/oom_score_adj", "-1000", &ignored);
	a = (struct agent){ .boot = b, .go = go, .epoll = epoll_create1(EPOLL_CLOEXEC) };
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	a.sigs = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	open_ports(&a);
	for (;;)
		turn(&a);
}
