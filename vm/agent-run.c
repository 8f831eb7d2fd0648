/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A command inside, its three files carried by frames. A terminal of the guest stands in for the
 * caller's wherever that is one, as for containers (ve/exec.c). Input goes no faster than the
 * command takes it; signals are frames of their own and never wait behind it.
 */
#include "vm/agent.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/parcel.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "util/sys-proc.h"

#define ALIVE_MS 10000          /* of silence: is it still there? */
#define ROUND 64                /* frames between two looks at signals and the clock */
#define START_MS 30000          /* a guest may be busy, swapping or stopped */

struct running {
	struct agent_link *l;
	const struct agent_run *run;
	uint32_t flags;
	int in, sigs;
	uint32_t credit;
	struct termios saved;
	bool raw;
	bool more;                      /* there may be frames that were read already, or more to read */
};

static void window_of(const struct agent_run *r, struct agent_size *ret)
{
	const int fds[] = { r->in, r->out, r->err };
	struct winsize ws;

	*ret = (struct agent_size){ 0, 0 };
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (ioctl(fds[i], TIOCGWINSZ, &ws) == 0) {
			*ret = (struct agent_size){ ws.ws_row, ws.ws_col };
			return;
		}
}

static uint32_t flags_of(const struct agent_run *r)
{
	uint32_t f = (isatty(r->in) ? AGENT_TTY_IN : 0) | (isatty(r->out) ? AGENT_TTY_OUT : 0) |
		     (isatty(r->err) ? AGENT_TTY_ERR : 0);

	return f && !(f & AGENT_TTY_IN && f & AGENT_TTY_OUT) ? f | AGENT_LINES : f;
}

static int start_job(struct running *x, struct err *e)
{
	const struct agent_call call = { AGENT_FILES, x->run->job, sizeof(*x->run->job), NULL, 0, START_MS };
	int r;

	if (x->l->version < 2)
		return err_set(e, EOPNOTSUPP, 0, "the agent of the VM is older than this verb; restart the VM");
	r = agent_body_word(x->l, 'p', x->run->path, e);
	if (!r)
		r = agent_body_word(x->l, 'n', x->run->name, e);
	return r < 0 ? r : agent_call(x->l, &call, e);
}

static int start(struct running *x, struct err *e)
{
	struct agent_exec head = { .flags = x->flags };
	struct agent_call call = { AGENT_EXEC, &head, sizeof(head), NULL, 0, START_MS };
	int r = 0;

	window_of(x->run, &head.size);
	for (const char *const *p = x->run->env; !r && *p; p++)
		r = agent_body_word(x->l, 'e', *p, e);
	for (const char *const *p = x->run->argv; !r && *p; p++)
		r = agent_body_word(x->l, 'a', *p, e);
	return r < 0 ? r : agent_call(x->l, &call, e);
}

static void go_raw(struct running *x)
{
	struct termios raw;

	if (!x->flags || x->flags & AGENT_LINES || tcgetattr(x->run->in, &x->saved) < 0)
		return;
	raw = x->saved;
	cfmakeraw(&raw);
	x->raw = tcsetattr(x->run->in, TCSANOW, &raw) == 0;
}

static int pass_signal(const struct running *x, struct err *e)
{
	struct signalfd_siginfo info;
	struct agent_size size;
	uint32_t sig;

	if (read(x->sigs, &info, sizeof(info)) != sizeof(info))
		return 0;
	if (info.ssi_signo == SIGWINCH) {
		window_of(x->run, &size);
		return agent_send(x->l, AGENT_SIZE, &size, sizeof(size), e);
	}
	sig = info.ssi_signo;
	return agent_send(x->l, AGENT_SIGNAL, &sig, sizeof(sig), e);
}

static int pass_input(struct running *x, struct err *e)
{
	char buf[AGENT_PAYLOAD];
	size_t max = x->credit < sizeof(buf) ? x->credit : sizeof(buf);
	ssize_t n = read(x->in, buf, max);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		x->in = -1;
		/* At the end of a file a terminal is told as a person would. */
		if (x->flags & AGENT_TTY_IN)
			return 0;
		return agent_send(x->l, AGENT_STDIN, NULL, 0, e);
	}
	x->credit -= (uint32_t)n;
	return agent_send(x->l, AGENT_STDIN, buf, (size_t)n, e);
}

/* 1 and the code in *ret_code at the end of the command. */
static int take_frame(struct running *x, const struct agent_frame *f, uint32_t *ret_code,
		      struct err *e)
{
	uint32_t n;

	switch (f->type) {
	case AGENT_STDOUT:
	case AGENT_STDERR:
		/* Nobody reads any more: what comes is dropped, and the command is not told. */
		(void)fs_write_all(f->type == AGENT_STDOUT ? x->run->out : x->run->err, f->payload,
				   f->len);
		return 0;
	case AGENT_FAIL:
		return err_set(e, ECONNRESET, 0, "run a command in the VM: its agent has lost it");
	case AGENT_MORE:
		if (agent_take(f, &n, sizeof(n)) && n <= AGENT_CREDIT - x->credit)
			x->credit += n;
		return 0;
	case AGENT_EXIT:
		if (!agent_take(f, ret_code, sizeof(*ret_code)))
			return err_set(e, EPROTO, 0, "the agent of the VM does not speak as it should");
		*ret_code &= 255;
		return 1;
	default:
		return 0;
	}
}

static int hear(struct running *x, uint32_t *ret_code, struct err *e)
{
	struct agent_frame f;
	int r = 0;

	x->more = true;
	for (unsigned i = 0; i < ROUND && !r && x->more; i++) {
		r = agent_next(x->l, 0, &f, e);
		if (r > 0)
			r = take_frame(x, &f, ret_code, e);
		else
			x->more = false;
	}
	return r;
}

/* Milliseconds to the end, -1 when there is none. */
static int wait_of(const struct running *x, uint64_t end)
{
	uint64_t now = proc_now_us();

	if (!x->run->timeout_ms)
		return -1;
	return now < end ? (int)((end - now) / 1000) + 1 : 0;
}

static int loop(struct running *x, uint32_t *ret_code, struct err *e)
{
	uint64_t end = proc_now_us() + (uint64_t)x->run->timeout_ms * 1000;
	int r = 0;

	while (!r) {
		struct pollfd p[3] = { { x->l->fd, POLLIN, 0 },
				       { x->credit ? x->in : -1, POLLIN, 0 },
				       { x->sigs, POLLIN, 0 } };
		int wait = x->more ? 0 : wait_of(x, end);
		int ready = poll(p, 3, wait < 0 || wait > ALIVE_MS ? ALIVE_MS : wait);

		if (wait_of(x, end) == 0)
			return err_set(e, ETIMEDOUT, 0, "run a command in the VM: no end in time");
		if (ready == 0 && !x->more)
			r = agent_send(x->l, AGENT_ALIVE, NULL, 0, e);
		if (ready < 0)
			continue;
		if (p[0].revents || x->more)
			r = hear(x, ret_code, e);
		if (!r && p[2].revents)
			r = pass_signal(x, e);
		if (!r && p[1].revents)
			r = pass_input(x, e);
	}
	return r;
}

int agent_run(struct agent_link *l, const struct agent_run *run, struct err *e)
{
	struct running x = { .l = l, .run = run, .flags = flags_of(run), .in = run->in,
			     .credit = AGENT_CREDIT, .more = true };
	uint32_t code = 0;
	_fd_ int sigs = -1;
	sigset_t old;
	int r = run->job ? start_job(&x, e) : start(&x, e);

	if (r < 0)
		return r;
	sigs = x.sigs = proc_catch_signals(true, &old);
	go_raw(&x);
	r = loop(&x, &code, e);
	if (x.raw)
		(void)tcsetattr(run->in, TCSADRAIN, &x.saved);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	return r < 0 ? r : (int)code;
}
