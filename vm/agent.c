/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vm/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-proc.h"
#include "vm/sock.h"

#define SEND_MS 5000            /* a guest that takes nothing for so long is stuck */
#define ASK_AGAIN_MS 500

static int left_ms(uint64_t end)
{
	uint64_t now = proc_now_us();

	return now < end ? (int)((end - now) / 1000) + 1 : 0;
}

/* ---- frames ---- */

static int send_all(int fd, const uint8_t *p, size_t len, struct err *e)
{
	uint64_t end = proc_now_us() + SEND_MS * 1000;

	while (len) {
		ssize_t n = send(fd, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		struct pollfd w = { fd, POLLOUT, 0 };

		if (n > 0) {
			p += n;
			len -= (size_t)n;
			continue;
		}
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return err_sys(e, "talk to the agent of the VM");
		if (!left_ms(end))
			return err_set(e, ETIMEDOUT, 0, "talk to the agent of the VM: it takes nothing");
		(void)poll(&w, 1, left_ms(end));
	}
	return 0;
}

int agent_send(struct agent_link *l, enum agent_type type, const void *payload, size_t len,
	       struct err *e)
{
	uint8_t buf[AGENT_FRAME];

	return send_all(l->fd, buf, agent_put(buf, l->session, type, payload, len), e);
}

int agent_body(struct agent_link *l, const void *data, size_t len, struct err *e)
{
	const uint8_t *p = data;
	int r = 0;

	for (size_t n; !r && len; len -= n, p += n) {
		n = len < AGENT_PAYLOAD ? len : AGENT_PAYLOAD;
		r = agent_send(l, AGENT_BODY, p, n, e);
	}
	return r;
}

int agent_body_word(struct agent_link *l, char letter, const char *text, struct err *e)
{
	int r = agent_body(l, &letter, 1, e);

	return r < 0 ? r : agent_body(l, text, strlen(text) + 1, e);
}

/* A frame of our session that is in the buffer already. */
static bool take_frame(struct agent_link *l, struct agent_frame *ret)
{
	for (;;) {
		size_t used;
		int got;

		l->in_len -= l->in_used;
		memmove(l->in, l->in + l->in_used, l->in_len);
		got = agent_parse(l->in, l->in_len, ret, &used);
		l->in_used = used;
		if (!got)
			return false;
		if (ret->session == l->session && ret->type >= AGENT_WELCOME)
			return true;
	}
}

int agent_next(struct agent_link *l, int timeout_ms, struct agent_frame *ret, struct err *e)
{
	uint64_t end = proc_now_us() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms) * 1000;
	bool late = false;

	while (!take_frame(l, ret)) {
		struct pollfd p = { l->fd, POLLIN, 0 };
		ssize_t n;
		int ready;

		if (late)               /* what is none of ours can come for ever */
			return 0;
		l->in_len -= l->in_used;
		memmove(l->in, l->in + l->in_used, l->in_len);
		l->in_used = 0;
		ready = poll(&p, 1, timeout_ms < 0 ? -1 : left_ms(end));
		if (ready == 0)
			return 0;
		n = ready < 0 ? -1 : recv(l->fd, l->in + l->in_len, sizeof(l->in) - l->in_len,
					  MSG_DONTWAIT);
		if (n == 0)
			return err_set(e, ECONNRESET, VZ_NOT_RUNNING, "the VM has just stopped");
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return err_sys(e, "hear the agent of the VM");
		l->in_len += n > 0 ? (size_t)n : 0;
		late = timeout_ms >= 0 && !left_ms(end);
	}
	return 1;
}

/* ---- a session ---- */

/* Which of the ports is nobody's; the last of the loop waits its turn. */
static int take_port(int dir, int timeout_ms, int *ret_lock, unsigned *ret_n, struct err *e)
{
	uint64_t end = proc_now_us() + (uint64_t)timeout_ms * 1000;
	static const struct timespec pause = { 0, 20000000 };

	do {
		for (unsigned n = 0; n < AGENT_PORTS; n++) {
			char name[24];
			_fd_ int fd = -1;

			(void)str_fmt(name, sizeof(name), "agent.%u.lock", n);
			fd = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
			if (fd < 0)
				return err_sys(e, "open %s", name);
			if (flock(fd, LOCK_EX | LOCK_NB) < 0)
				continue;
			*ret_lock = TAKE_FD(fd);
			*ret_n = n;
			return 0;
		}
		(void)nanosleep(&pause, NULL);
	} while (left_ms(end));
	return err_set(e, EBUSY, 0, "talk to the VM: all %u ports of its agent are in use",
		       AGENT_PORTS);
}

static int hello(struct agent_link *l, struct err *e)
{
	static const uint8_t zeros[AGENT_PAYLOAD];
	const struct agent_hello h = { AGENT_VERSION };
	int r = send_all(l->fd, zeros, sizeof(zeros), e);

	return r < 0 ? r : agent_send(l, AGENT_HELLO, &h, sizeof(h), e);
}

static int take_welcome(struct agent_link *l, const struct agent_frame *f, struct err *e)
{
	struct agent_welcome w;

	if (!agent_take(f, &w, sizeof(w)))
		return err_set(e, EPROTO, 0, "the agent of the VM does not speak as it should");
	if (w.version < 1 || w.version > AGENT_VERSION)
		return err_set(e, EPROTO, 0, "the agent of the VM speaks version %u, this is %u; "
			       "restart the VM", w.version, AGENT_VERSION);
	l->version = w.version;
	l->booted = w.booted;
	return 0;
}

/*
 * QEMU leaves in the socket what the guest's driver has no room for yet. More of the same behind it would
 * fill the socket before a machine is up that boots for long.
 */
static bool is_taken(int fd)
{
	int left = 0;

	return ioctl(fd, SIOCOUTQ, &left) < 0 || !left;
}

/* Asked again now and then: what the driver took before the agent opened its port is lost. */
static int greet(struct agent_link *l, int pidfd, int timeout_ms, struct err *e)
{
	uint64_t end = proc_now_us() + (uint64_t)timeout_ms * 1000;
	struct agent_frame f;
	int r = 0;

	while (!r) {
		int wait = left_ms(end) < ASK_AGAIN_MS ? left_ms(end) : ASK_AGAIN_MS;

		if (is_taken(l->fd))
			r = hello(l, e);
		if (!r)
			r = agent_next(l, wait, &f, e);
		if (r > 0 && f.type != AGENT_WELCOME)
			r = 0;
		if (!r && pidfd >= 0 && proc_wait_gone(pidfd, 0) == 0)
			return err_set(e, ECONNRESET, VZ_NOT_RUNNING, "the VM has just stopped");
		if (!r && !left_ms(end))
			return err_set(e, ETIMEDOUT, 0, "the agent of the VM does not answer");
	}
	return r < 0 ? r : take_welcome(l, &f, e);
}

int agent_open(int dir, int pidfd, int timeout_ms, struct agent_link *ret, struct err *e)
{
	struct agent_link l = AGENT_LINK_INIT;
	unsigned n = 0;
	char name[24];
	int r = take_port(dir, timeout_ms, &l.lock, &n, e);

	if (r < 0)
		return r;
	vm_agent_sock(n, name);
	if (getrandom(&l.session, sizeof(l.session), 0) != sizeof(l.session) || !l.session)
		l.session = (uint32_t)proc_now_us() | 1;
	r = vm_connect(dir, name, 2000, &l.fd, e);
	if (!r)
		r = greet(&l, pidfd, timeout_ms, e);
	if (r < 0) {
		agent_close(&l);
		return r;
	}
	*ret = l;
	return 0;
}

void agent_close(struct agent_link *l)
{
	cleanup_fd(&l->fd);
	cleanup_fd(&l->lock);
}

/* ---- requests ---- */

/* The exit numbers that an agent of ours gives; others would tell of the VE what it is not for a guest to say. */
static bool may_exit(enum agent_type asked, int exit)
{
	switch (asked) {
	case AGENT_EXEC:
		return exit == VZ_EXEC_FAILED;
	case AGENT_SETUP:
		return exit >= VZ_BAD_HOSTNAME && exit <= VZ_BAD_SEARCH;
	case AGENT_PASSWD:
		return exit == VZ_PASSWD;
	default:
		return false;
	}
}

/* The text is the guest's: one line without control characters. */
static int failed(const struct agent_frame *f, enum agent_type asked, struct err *e)
{
	struct agent_fail x;
	char text[400];

	if (!agent_take(f, &x, sizeof(x)) || x.eno <= 0 || x.eno > 4095)
		return err_set(e, EPROTO, 0, "the agent of the VM does not speak as it should");
	x.text[sizeof(x.text) - 1] = '\0';
	(void)str_show(text, sizeof(text), x.text);
	return err_set(e, x.eno, may_exit(asked, x.exit) ? x.exit : 0, "in the VM: %s", *text ? text : "failed");
}

int agent_call(struct agent_link *l, const struct agent_call *c, struct err *e)
{
	uint64_t end = proc_now_us() + (uint64_t)c->timeout_ms * 1000;
	struct agent_frame f;
	int r = agent_send(l, c->type, c->payload, c->len, e);

	while (!r) {
		r = agent_next(l, left_ms(end), &f, e);
		if (r < 0)
			return r;
		r = r > 0 && (f.type == AGENT_OK || f.type == AGENT_FAIL);
		if (!r && !left_ms(end))
			return err_set(e, ETIMEDOUT, 0, "the agent of the VM does not answer");
	}
	if (r < 0)
		return r;
	if (f.type == AGENT_FAIL)
		return failed(&f, c->type, e);
	if (c->ret && !agent_take(&f, c->ret, c->size))
		return err_set(e, EPROTO, 0, "the agent of the VM does not speak as it should");
	return 0;
}
