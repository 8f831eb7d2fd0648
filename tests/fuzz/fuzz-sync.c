/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A packet of the conversation with a VE's init, which may be hostile by then. The first byte is
 * the message that is expected, and in its upper bits how many descriptors come with the packet.
 * No descriptor may stay open that was not handed out.
 */
#include "runtime/sync.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fuzz/replay.h"

static void send_with(int sock, const uint8_t *data, size_t size, unsigned n_fds)
{
	struct iovec iov = { (void *)(uintptr_t)data, size };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(3 * sizeof(int))];
	} c = { 0 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[3] = { 0, 0, 0 };

	if (n_fds) {
		m.msg_control = c.buf;
		m.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c.align.cmsg_level = SOL_SOCKET;
		c.align.cmsg_type = SCM_RIGHTS;
		c.align.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(&c.align), fds, n_fds * sizeof(int));
	}
	(void)!sendmsg(sock, &m, MSG_NOSIGNAL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int sv[2], got[SYNC_MAX_FDS] = { -1, -1, -1 }, before = dup(0), after, r;
	unsigned want;
	struct err e = ERR_INIT;

	(void)close(before);
	if (size < 2 || size > 8192 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return 0;
	want = data[0] >> 5 & 1 ? 2 + (data[1] & 1) : 0;
	send_with(sv[1], data + 1, size - 1, data[0] >> 6);
	(void)close(sv[1]);
	r = data[0] & 16 ? sync_expect_exec(sv[0], &e)
			 : sync_expect(sv[0], data[0] & 7, got, want, &e);
	if (r < 0 && !memchr(e.msg, 0, sizeof(e.msg)))
		abort();
	for (int i = 0; i < SYNC_MAX_FDS; i++)
		if (got[i] >= 0)
			(void)close(got[i]);
	(void)close(sv[0]);
	after = dup(0);
	(void)close(after);
	if (after != before)
		abort();
	return 0;
}
