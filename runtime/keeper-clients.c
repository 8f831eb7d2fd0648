/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Those who talk to the keeper. Only uid 0 of the host may; the directory of the socket says
 * so already, and SO_PEERCRED says it again, since the VE's own root is another uid out here.
 * A client that is silent costs one slot; when all are taken the oldest that is not stopping
 * the VE loses its own. One message of each is served in a turn, so that a flood of one
 * delays the others by that much; one that does not take its answer is dropped.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "runtime/keeper-impl.h"

void clients_init(struct clients *cs)
{
	memset(cs, 0, sizeof(*cs));
	for (size_t i = 0; i < CLIENTS; i++)
		cs->c[i].fd = -1;
}

void clients_poll(const struct clients *cs, struct pollfd *p)
{
	p[0] = (struct pollfd){ .fd = KEEPER_FD_LISTEN, .events = POLLIN };
	for (size_t i = 0; i < CLIENTS; i++)
		p[1 + i] = (struct pollfd){ .fd = cs->c[i].fd, .events = POLLIN };
}

static void drop(struct client *c)
{
	(void)close(c->fd);
	*c = (struct client){ .fd = -1 };
}

/* A free slot, or that of the oldest client without KEEPER_STOPPING; NULL when all have it. */
static struct client *slot(struct clients *cs)
{
	struct client *oldest = NULL;

	for (struct client *c = cs->c; c < cs->c + CLIENTS; c++) {
		if (c->fd < 0)
			return c;
		if (!c->stopping && (!oldest || c->since < oldest->since))
			oldest = c;
	}
	if (oldest)
		drop(oldest);
	return oldest;
}

static bool is_root(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.uid == 0;
}

static void admit(struct clients *cs)
{
	/* Out of descriptors or memory the connection stays queued and poll returns at once. */
	static const struct timespec breath = { 0, 10 * 1000 * 1000 };
	int fd = accept4(KEEPER_FD_LISTEN, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *c;

	if (fd < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			(void)nanosleep(&breath, NULL);
		return;
	}
	c = is_root(fd) ? slot(cs) : NULL;
	if (c)
		*c = (struct client){ .fd = fd, .since = cs->arrivals++ };
	else
		(void)close(fd);
}

/* False when the client did not take it. */
static bool answer(int sock, struct keeper_msg m, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u = { .buf = { 0 } };
	struct iovec iov = { &m, sizeof(m) };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cm;

	m.version = KEEPER_VERSION;
	if (fd >= 0) {
		mh.msg_control = u.buf;
		mh.msg_controllen = sizeof(u.buf);
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cm), &fd, sizeof(fd));
	}
	return sendmsg(sock, &mh, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof(m);
}

static bool answer_console(int sock, struct console *console)
{
	struct keeper_msg m = { .op = KEEPER_OK };
	bool writer, sent;
	int fd, r = console_attach(console, &fd, &writer);

	if (r < 0)
		return answer(sock, (struct keeper_msg){ .op = KEEPER_ERROR, .eno = -r }, -1);
	m.flags = writer ? KEEPER_WRITER : 0;
	sent = answer(sock, m, fd);
	(void)close(fd);        /* where it was not sent the viewer ends by that */
	return sent;
}

/* Answer one request; false: drop the client. */
static bool serve(struct client *c, const struct keeper_msg *m, struct console *console,
		  bool init_lives)
{
	struct keeper_msg ok = { .op = KEEPER_OK, .pid = getpid() };

	switch (m->op) {
	case KEEPER_STOPPING:
		c->stopping = true;
		return answer(c->fd, ok, -1);
	case KEEPER_CONSOLE:
		return answer_console(c->fd, console);
	case KEEPER_QUIT:
		return answer(c->fd, ok, console->master);
	default:        /* KEEPER_HELLO: keeper_check_msg lets nothing else through */
		ok.flags = init_lives ? KEEPER_INIT_LIVES : 0;
		return answer(c->fd, ok, -1);
	}
}

/* Receive and answer; true when it was KEEPER_QUIT. Descriptors sent to us are never taken:
 * without room for control data the kernel closes them (unix(7)). */
static bool hear(struct client *c, struct console *console, bool init_lives)
{
	char buf[sizeof(struct keeper_msg) + 1];
	struct keeper_msg m;
	ssize_t n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);
	int r;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	r = n > 0 ? keeper_check_msg(buf, (size_t)n, &m) : -ECONNRESET;
	if (r < 0) {
		if (n > 0)
			(void)answer(c->fd, (struct keeper_msg){ .op = KEEPER_ERROR, .eno = -r }, -1);
		drop(c);
		return false;
	}
	if (!serve(c, &m, console, init_lives)) {
		drop(c);
		return false;
	}
	return m.op == KEEPER_QUIT;
}

bool clients_serve(struct clients *cs, const struct pollfd *p, struct console *console,
		   bool init_lives)
{
	bool quit = false;

	for (size_t i = 0; i < CLIENTS; i++)
		if (cs->c[i].fd >= 0 && p[1 + i].revents)
			quit |= hear(&cs->c[i], console, init_lives);
	if (p[0].revents)
		admit(cs);
	return quit;
}

bool clients_tell_exited(const struct clients *cs, int status)
{
	struct keeper_msg m = { .op = KEEPER_EXITED, .status = status };
	bool told = false;

	for (size_t i = 0; i < CLIENTS; i++)
		if (cs->c[i].fd >= 0 && cs->c[i].stopping)
			told |= answer(cs->c[i].fd, m, -1);
	return told;
}
