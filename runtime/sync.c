/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime/sync.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>


struct sync_packet {
	uint32_t msg;
	struct err err;
};

union fd_buf {
	struct cmsghdr align;
	char buf[CMSG_SPACE(sizeof(int) * SYNC_MAX_FDS)];
};

static int send_packet(int sock, struct sync_packet *p, const int *fds, unsigned n)
{
	struct iovec iov = { p, sizeof(*p) };
	union fd_buf c = { 0 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n) {
		m.msg_control = c.buf;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		c.align.cmsg_level = SOL_SOCKET;
		c.align.cmsg_type = SCM_RIGHTS;
		c.align.cmsg_len = CMSG_LEN(sizeof(int) * n);
		memcpy(CMSG_DATA(&c.align), fds, sizeof(int) * n);
	}
	while (sendmsg(sock, &m, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

int sync_send(int sock, enum sync_msg msg, const int *fds, unsigned n_fds)
{
	struct sync_packet p = { .msg = msg };

	return send_packet(sock, &p, fds, n_fds);
}

void sync_send_err(int sock, const struct err *e)
{
	struct sync_packet p = { .msg = SYNC_ERR, .err = *e };

	(void)send_packet(sock, &p, NULL, 0);   /* a dead peer has its own report */
}

static void close_all(const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
}

/* Returns the packet's length; descriptors that nobody asked for are closed. */
static ssize_t recv_packet(int sock, struct sync_packet *p, int *fds, unsigned n)
{
	struct iovec iov = { p, sizeof(*p) };
	union fd_buf c;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = c.buf,
			    .msg_controllen = sizeof(c.buf) };
	struct cmsghdr *h;
	unsigned got = 0;
	ssize_t len;

	do {
		len = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	} while (len < 0 && errno == EINTR);
	if (len < 0)
		return -errno;
	for (h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		int in[SYNC_MAX_FDS];
		unsigned k = (unsigned)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS || k > SYNC_MAX_FDS)
			continue;
		memcpy(in, CMSG_DATA(h), sizeof(int) * k);
		for (unsigned i = 0; i < k; i++)
			if (got < n)
				fds[got++] = in[i];
			else
				(void)close(in[i]);
	}
	if (got == n || len == 0)
		return len;
	close_all(fds, got);
	return -EPROTO;
}

int sync_expect(int sock, enum sync_msg msg, int *ret_fds, unsigned n_fds, struct err *e)
{
	struct sync_packet p = { 0 };
	int fds[SYNC_MAX_FDS] = { -1, -1, -1 };
	ssize_t len = recv_packet(sock, &p, fds, n_fds);

	if (len == sizeof(p) && p.msg == SYNC_ERR && p.err.eno > 0) {
		close_all(fds, n_fds);
		*e = p.err;
		e->msg[sizeof(e->msg) - 1] = '\0';
		return -e->eno;
	}
	if (len == 0)
		return err_set(e, ECHILD, 0, "init died before it said what failed");
	if (len < 0)
		return err_set(e, (int)-len, 0, "receive message %d: %s", msg, strerror((int)-len));
	if (len != sizeof(p) || p.msg != msg) {
		close_all(fds, n_fds);
		return err_set(e, EPROTO, 0, "receive message %d: got %u", msg, p.msg);
	}
	if (n_fds)
		memcpy(ret_fds, fds, sizeof(int) * n_fds);
	return 0;
}

int sync_expect_exec(int sock, struct err *e)
{
	struct sync_packet p = { 0 };
	ssize_t len = recv_packet(sock, &p, NULL, 0);

	if (len == 0)
		return 0;
	if (len < 0)
		return err_set(e, (int)-len, 0, "receive the end of the start: %s",
			       strerror((int)-len));
	if (len == sizeof(p) && p.msg == SYNC_ERR && p.err.eno > 0) {
		*e = p.err;
		e->msg[sizeof(e->msg) - 1] = '\0';
		return -e->eno;
	}
	return err_set(e, EPROTO, 0, "receive the end of the start: got %u", p.msg);
}
