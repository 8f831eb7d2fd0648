/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starting a keeper, talking to one, reading what it logged. Not part of berth-keeper.
 *
 * Socket addresses have room for 108 bytes only (unix(7)), so the socket is reached through
 * /proc/self/fd of its directory, however long the --root is.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>

#include "runtime/keeper.h"
#include "runtime/keeper-msg.h"
#include "runtime/keeper-ring.h"
#include "util/cleanup.h"
#include "util/str.h"
#include "util/sys-proc.h"

#define SOCK_NAME "keeper.sock"

/* ---- starting ---- */

/*
 * The fds of k to their fixed numbers. All go above those first, because any of them may sit
 * on the number of another.
 */
static int place_fds(const struct keeper_start *k, struct err *e)
{
	const int from[] = { k->listen, k->pidfd, k->console, k->log, k->oom, k->events,
			     k->node, k->monitor, k->oom_control };
	int high[ARRAY_SIZE(from)], null;

	for (size_t i = 0; i < ARRAY_SIZE(from); i++) {
		high[i] = from[i] < 0 ? -1 : fcntl(from[i], F_DUPFD_CLOEXEC, KEEPER_FD_END);
		if (from[i] >= 0 && high[i] < 0)
			return err_sys(e, "duplicate descriptor %d", from[i]);
	}
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return err_sys(e, "open /dev/null");
	/* CLOSE_RANGE_CLOEXEC, since 5.11 */
	if (syscall(SYS_close_range, 0, ~0U, 1U << 2) < 0)
		return err_sys(e, "close descriptors");
	for (int fd = 0; fd < KEEPER_FD_LISTEN; fd++)
		if (null == fd ? fcntl(fd, F_SETFD, 0) < 0 : dup2(null, fd) < 0)
			return err_sys(e, "open /dev/null as descriptor %d", fd);
	for (size_t i = 0; i < ARRAY_SIZE(from); i++)
		if (high[i] >= 0 && dup2(high[i], KEEPER_FD_LISTEN + (int)i) < 0)
			return err_sys(e, "pass descriptor %d", from[i]);
	return 0;
}

int keeper_exec(const struct keeper_start *k, struct err *e)
{
	char veid[NUM_STRLEN], init[NUM_STRLEN], oom[NUM_STRLEN];
	/* execve(2) does not write to these. */
	char *argv[] = {
		[KEEPER_ARG_NAME] = (char *)"berth-keeper",
		[KEEPER_ARG_VEID] = veid,
		[KEEPER_ARG_INIT] = init,
		[KEEPER_ARG_OOM] = oom,
		[KEEPER_ARG_BERTH] = (char *)(uintptr_t)k->berth,
		[KEEPER_ARG_ROOT] = (char *)(uintptr_t)k->root,
		[KEEPER_ARG_END] = NULL,
	};
	char *none[] = { NULL };
	struct keeper_args check;
	int r;

	(void)str_fmt(veid, sizeof(veid), "%u", k->veid);
	(void)str_fmt(init, sizeof(init), "%d", k->init);
	(void)str_fmt(oom, sizeof(oom), "%d", k->oom < 0 ? POLLIN : k->oom_events);
	if (keeper_parse_args(KEEPER_ARG_END, argv, &check) < 0 || k->listen < 0 || k->pidfd < 0)
		return err_set(e, EINVAL, 0, "start %s: incomplete arguments", k->program);
	/* While the caller's descriptors are still whole. */
	if (access(k->program, X_OK) < 0)
		return err_sys(e, "execute %s", k->program);
	r = place_fds(k, e);
	if (r < 0)
		return r;
	(void)execve(k->program, argv, none);
	return err_sys(e, "execute %s", k->program);
}

/* ---- talking ---- */

static void address(int dir, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	(void)str_fmt(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/" SOCK_NAME, dir);
}

int keeper_listen(int dir, int *ret, struct err *e)
{
	_fd_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sa;

	address(dir, &sa);
	if (fd < 0)
		return err_sys(e, "create " SOCK_NAME);
	if (unlinkat(dir, SOCK_NAME, 0) < 0 && errno != ENOENT)
		return err_sys(e, "remove old " SOCK_NAME);
	/* bind(2) gives the file the mode of the socket, less the umask. */
	if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return err_sys(e, "bind " SOCK_NAME);
	if (listen(fd, 64) < 0)
		return err_sys(e, "listen on " SOCK_NAME);
	*ret = TAKE_FD(fd);
	return 0;
}

int keeper_connect(int dir, int *ret, struct err *e)
{
	/* How long to wait for a place in its queue, and for it to take a message: a keeper
	 * that somebody stopped must not stop its clients too (unix(7), socket(7)). */
	static const struct timeval patience = { .tv_sec = 2 };
	_fd_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un sa;

	address(dir, &sa);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return err_sys(e, "connect " SOCK_NAME);
	*ret = TAKE_FD(fd);
	return 0;
}

/* recvmsg of one message; a passed descriptor in *ret_fd, else -1. */
static ssize_t receive_raw(int sock, struct keeper_msg *m, int *ret_fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u;
	struct iovec iov = { m, sizeof(*m) };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = u.buf,
			     .msg_controllen = sizeof(u.buf) };
	ssize_t n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	struct cmsghdr *cm = n < 0 ? NULL : CMSG_FIRSTHDR(&mh);

	*ret_fd = -1;
	if (cm && cm->cmsg_level == SOL_SOCKET && cm->cmsg_type == SCM_RIGHTS &&
	    cm->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(ret_fd, CMSG_DATA(cm), sizeof(int));
	return n;
}

static int wait_readable(int sock, int timeout_ms, struct err *e)
{
	uint64_t end = proc_now_us() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms) * 1000;
	struct pollfd p = { .fd = sock, .events = POLLIN };

	for (;;) {
		uint64_t now = proc_now_us();
		int left = timeout_ms < 0 ? -1 : now < end ? (int)((end - now + 999) / 1000) : 0;
		int r = poll(&p, 1, left);

		if (r > 0)
			return 0;
		if (r == 0)
			return err_set(e, ETIMEDOUT, 0, "wait for keeper: no answer in %d ms",
				       timeout_ms);
		if (errno != EINTR)
			return err_sys(e, "wait for keeper");
	}
}

/* One message that is not KEEPER_ERROR, which becomes the error it carries. */
static int receive(int sock, int timeout_ms, struct keeper_msg *ret, int *ret_fd, struct err *e)
{
	struct keeper_msg m = { .version = 0 };
	_fd_ int fd = -1;
	ssize_t n;
	int r = wait_readable(sock, timeout_ms, e);

	if (r < 0)
		return r;
	n = receive_raw(sock, &m, &fd);
	if (n < 0)
		return err_sys(e, "receive from keeper");
	if (n == 0)
		return err_set(e, ECONNRESET, 0, "receive from keeper: it ended");
	if (n != (ssize_t)sizeof(m) || m.version != KEEPER_VERSION)
		return err_set(e, EPROTO, 0, "receive from keeper: not a message of version %d",
			       KEEPER_VERSION);
	if (m.op == KEEPER_ERROR) {
		errno = m.eno > 0 ? m.eno : EPROTO;
		return err_sys(e, "ask keeper");
	}
	*ret = m;
	if (ret_fd)
		*ret_fd = TAKE_FD(fd);
	return 0;
}

int keeper_call(int sock, enum keeper_op op, int timeout_ms, struct keeper_msg *ret, int *ret_fd,
		struct err *e)
{
	struct keeper_msg m = { .version = KEEPER_VERSION, .op = op };
	ssize_t n;

	do {
		n = send(sock, &m, sizeof(m), MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, "send to keeper");
	return receive(sock, timeout_ms, ret, ret_fd, e);
}

/* ---- the log ---- */

/* 1 with a valid head, 0 for an empty file. */
static int read_head(int fd, struct ring_head *h, struct err *e)
{
	ssize_t n = pread(fd, h, sizeof(*h), 0);

	if (n < 0)
		return err_sys(e, "read console log");
	if (n == 0)
		return 0;
	if (n != (ssize_t)sizeof(*h) || !ring_head_valid(h))
		return err_set(e, EBADMSG, 0, "read console log: not a log ring");
	return 1;
}

/*
 * Copy the ring and then look at the head again: what the keeper wrote meanwhile, and the
 * chunk it may be writing now, has replaced the oldest bytes of the copy.
 */
static int read_ring(int fd, char *text, size_t *ret_len, struct err *e)
{
	struct ring_head before, after;
	struct ring r = { .fd = fd };
	uint64_t start, pos;
	size_t n, len = 0;
	int have = read_head(fd, &before, e);

	if (have <= 0) {
		*ret_len = 0;
		return have;
	}
	r.head = before.head;
	start = pos = ring_tail(&r, RING_SIZE);
	while (len < RING_SIZE && (n = ring_read(&r, &pos, text + len, RING_SIZE - len)) > 0) {
		len += n;
		pos += n;
	}
	have = read_head(fd, &after, e);
	if (have < 0)
		return have;
	n = 0;
	if (have && after.head + RING_CHUNK > start + RING_SIZE)
		n = (size_t)(after.head + RING_CHUNK - start - RING_SIZE);
	if (n > len)
		n = len;
	memmove(text, text + n, len - n);
	*ret_len = len - n;
	return 0;
}

int keeper_ring_read(int fd, char **ret, size_t *ret_len, struct err *e)
{
	_free_ char *text = malloc(RING_SIZE + 1);
	size_t len;
	int r;

	if (!text)
		return err_sys(e, "read console log");
	r = read_ring(fd, text, &len, e);
	if (r < 0)
		return r;
	text[len] = '\0';
	*ret = TAKE_PTR(text);
	*ret_len = len;
	return 0;
}
