/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VE's console. Whatever it prints is read at once and goes to the ring, whether or not
 * anybody looks, so that nothing inside ever waits for its console for long. Beyond the pace of
 * keeper-pace.c reading pauses until the window is over.
 *
 * Who is attached has no buffer here but a position in the ring. One that reads too slowly
 * falls off the ring's end and continues at its oldest byte: it loses output, and delays
 * nobody. Input is taken from one of them, as fast as the pty takes it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/keeper-impl.h"

#define HANGUP_MS 100
#define HISTORY_BYTES 16384             /* what a new viewer sees first */

/*
 * While no slave is open a master reports POLLHUP without end and reads EIO, which is every
 * time that nothing inside has the console open. So hold one, straight from the master
 * (TIOCGPTPEER, since 4.13: it needs no path into the VE).
 */
static void hold_slave(struct console *c)
{
	if (c->slave >= 0)
		(void)close(c->slave);
	c->slave = ioctl(c->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

void console_init(struct console *c, int master, int log)
{
	memset(c, 0, sizeof(*c));
	ring_open(&c->ring, log);
	for (size_t i = 0; i < VIEWERS; i++)
		c->viewers[i].fd = -1;
	c->writer = -1;
	c->slave = -1;
	c->master = master;
	if (master < 0)
		return;
	(void)fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
	hold_slave(c);
}

/* True when something was read. */
static bool drain(struct console *c, uint64_t now)
{
	char buf[RING_CHUNK];
	ssize_t n = read(c->master, buf, sizeof(buf));

	if (n > 0) {
		ring_write(&c->ring, buf, (size_t)n);
		pace_spend(&c->pace, now);
		return true;
	}
	if (n == 0 || errno == EIO) {
		/* vhangup(2) inside (getty does it) ends our slave too. Not at once again,
		 * or a VE that hangs up in a loop would keep us busy. */
		c->pace.mute_until = now + HANGUP_MS;
		hold_slave(c);
	}
	return false;
}

static void feed(struct console *c)
{
	ssize_t n = write(c->master, c->in, c->in_len);

	if (n > 0) {
		c->in_len -= (size_t)n;
		memmove(c->in, c->in + n, c->in_len);
	} else if (errno != EAGAIN) {
		c->in_len = 0;
	}
}

static void detach(struct console *c, int i)
{
	(void)close(c->viewers[i].fd);
	c->viewers[i].fd = -1;
	if (c->writer == i)
		c->writer = -1;
}

/* Send what the ring has for it and the socket takes; false when it is gone. */
static bool pump(const struct console *c, struct viewer *v)
{
	char buf[RING_CHUNK];
	size_t n;

	while ((n = ring_read(&c->ring, &v->pos, buf, sizeof(buf))) > 0) {
		ssize_t sent = send(v->fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0)
			return errno == EAGAIN || errno == EINTR;
		v->pos += (uint64_t)sent;
	}
	return true;
}

/* Take its input; false when it is gone. */
static bool listen_to(struct console *c, int i)
{
	char scrap[sizeof(c->in)];
	bool writes = i == c->writer;
	ssize_t n = recv(c->viewers[i].fd, writes ? c->in : scrap, sizeof(scrap), MSG_DONTWAIT);

	if (n > 0 && writes)
		c->in_len = (size_t)n;
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void serve_viewer(struct console *c, int i, const struct pollfd *p)
{
	struct viewer *v = &c->viewers[i];

	if (v->fd < 0 || v->fd != p->fd)        /* attached after the poll: next time */
		return;
	/* It may have sent its last input and closed: take that first. */
	if (p->revents & POLLIN ? !listen_to(c, i) : p->revents & ~POLLOUT)
		detach(c, i);
	else if (!pump(c, v))
		detach(c, i);
}

void console_poll(const struct console *c, struct pollfd *p, uint64_t now)
{
	p[0] = (struct pollfd){ .fd = now < c->pace.mute_until ? -1 : c->master,
				.events = (short)(POLLIN | (c->in_len ? POLLOUT : 0)) };
	for (int i = 0; i < VIEWERS; i++) {
		const struct viewer *v = &c->viewers[i];
		bool full = i == c->writer && c->in_len;

		p[1 + i] = (struct pollfd){ .fd = v->fd,
					    .events = (short)((full ? 0 : POLLIN) |
							      (v->pos < c->ring.head ? POLLOUT : 0)) };
	}
}

void console_serve(struct console *c, const struct pollfd *p, uint64_t now)
{
	if (p[0].revents & ~POLLOUT)
		(void)drain(c, now);
	for (int i = 0; i < VIEWERS; i++)
		serve_viewer(c, i, &p[1 + i]);
	if (c->in_len && c->master >= 0)
		feed(c);
}

uint64_t console_wake(const struct console *c)
{
	return c->pace.mute_until;
}

int console_attach(struct console *c, int *ret, bool *ret_writer)
{
	int sv[2], i = 0;

	if (c->master < 0)
		return -ENXIO;
	while (i < VIEWERS && c->viewers[i].fd >= 0)
		i++;
	if (i == VIEWERS)
		return -EBUSY;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return -errno;
	c->viewers[i] = (struct viewer){ sv[0], ring_tail(&c->ring, HISTORY_BYTES) };
	if (c->writer < 0)
		c->writer = i;
	*ret = sv[1];
	*ret_writer = c->writer == i;
	return 0;
}

void console_finish(struct console *c)
{
	/* A pty holds little: this ends, even while something else still writes to it. */
	for (int i = 0; c->master >= 0 && i < RING_SIZE / RING_CHUNK && drain(c, 0); i++)
		;
	for (int i = 0; i < VIEWERS; i++)
		if (c->viewers[i].fd >= 0)
			(void)pump(c, &c->viewers[i]);
}
