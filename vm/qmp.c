/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vm/qmp.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "util/cleanup.h"
#include "util/json.h"
#include "util/str.h"
#include "util/sys-proc.h"
#include "vm/sock.h"

#define ANSWER_MS 3000
#define STOP_MS 30000                   /* what is under way to a disk that is throttled */
#define LINE_MAX_BYTES 16384

struct qmp {
	int fd;
	unsigned patience_ms;           /* for each answer */
	uint64_t end;
	char buf[LINE_MAX_BYTES];
	size_t len, used;               /* used: of the line given last, with its end */
};

/* Next line, its end replaced by NUL. */
static int next_line(struct qmp *q, char **ret, struct err *e)
{
	q->len -= q->used;
	memmove(q->buf, q->buf + q->used, q->len);
	q->used = 0;
	for (;;) {
		char *end = memchr(q->buf, '\n', q->len);
		struct pollfd p = { q->fd, POLLIN, 0 };
		uint64_t now = proc_now_us();
		ssize_t n;

		if (now >= q->end)      /* also when there are lines: events can come for ever */
			return err_set(e, ETIMEDOUT, 0, "ask QEMU: no answer in %u ms", q->patience_ms);
		if (end) {
			*end = '\0';
			q->used = (size_t)(end - q->buf) + 1;
			*ret = q->buf;
			return 0;
		}
		if (q->len == sizeof(q->buf))
			return err_set(e, EPROTO, 0, "ask QEMU: its answer does not end");
		if (poll(&p, 1, (int)((q->end - now) / 1000) + 1) == 0)
			return err_set(e, ETIMEDOUT, 0, "ask QEMU: no answer in %u ms", q->patience_ms);
		n = recv(q->fd, q->buf + q->len, sizeof(q->buf) - q->len, MSG_DONTWAIT);
		if (n == 0)
			return err_set(e, ECONNRESET, 0, "ask QEMU: it ended");
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return err_sys(e, "ask QEMU");
		q->len += n > 0 ? (size_t)n : 0;
	}
}

/* Lines until one is an answer; events among them are the keeper's to see. */
static int answer(struct qmp *q, struct json_val **ret, struct err *e)
{
	for (;;) {
		struct json_val *v = NULL;
		char *line = NULL;
		int r = next_line(q, &line, e);

		if (!r)
			r = json_parse(line, strlen(line), "QEMU's answer", &v, e);
		if (r < 0)
			return r;
		if (json_get(v, "error")) {
			/* Its text names nothing but our own request. */
			r = err_set(e, EIO, 0, "ask QEMU: %.200s",
				    json_get_str(json_get(v, "error"), "desc", "refused"));
			json_val_free(v);
			return r;
		}
		if (json_get(v, "return")) {
			*ret = v;
			return 0;
		}
		json_val_free(v);
	}
}

/* SCM_RIGHTS of unix(7): QEMU keeps what comes beside a line until `getfd` names it. */
static int send_line(int sock, const char *text, int fd, struct err *e)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} c = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
			  .cmsg_type = SCM_RIGHTS } };
	struct iovec v = { (char *)(uintptr_t)text, strlen(text) };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

	if (fd >= 0) {
		memcpy(CMSG_DATA(&c.head), &fd, sizeof(fd));
		m.msg_control = &c;
		m.msg_controllen = sizeof(c.room);
	}
	if (sendmsg(sock, &m, MSG_NOSIGNAL) != (ssize_t)v.iov_len)
		return err_sys(e, "ask QEMU");
	return 0;
}

int qmp_order(struct qmp *q, const char *text, int fd, struct json_val **ret, struct err *e)
{
	struct json_val *v = NULL;
	int r = send_line(q->fd, text, fd, e);

	q->end = proc_now_us() + (uint64_t)q->patience_ms * 1000;
	if (!r)
		r = answer(q, &v, e);
	if (!r && ret)
		*ret = v;
	else
		json_val_free(v);
	return r;
}

/* QEMU greets, and wants to be told that we heard it. */
static int open_within(int dir, unsigned patience_ms, struct qmp **ret, struct err *e)
{
	struct qmp *q = malloc(sizeof(*q));
	int r;

	if (!q)
		return err_set(e, ENOMEM, 0, "ask QEMU: out of memory");
	*q = (struct qmp){ .fd = -1, .patience_ms = patience_ms };
	r = vm_connect(dir, VM_SOCK_QMP, ANSWER_MS, &q->fd, e);
	if (!r)
		r = qmp_order(q, "{\"execute\":\"qmp_capabilities\"}\n", -1, NULL, e);
	if (r < 0) {
		qmp_close(q);
		return r;
	}
	*ret = q;
	return 0;
}

int qmp_open(int dir, struct qmp **ret, struct err *e)
{
	return open_within(dir, ANSWER_MS, ret, e);
}

void qmp_close(struct qmp *q)
{
	if (q)
		cleanup_fd(&q->fd);
	free(q);
}

/* One order on a connection of its own. */
static int call_within(int dir, unsigned patience_ms, const char *text, struct json_val **ret,
		       struct err *e)
{
	struct qmp *q = NULL;
	int r = open_within(dir, patience_ms, &q, e);

	if (!r)
		r = qmp_order(q, text, -1, ret, e);
	qmp_close(q);
	return r;
}

static int call(int dir, const char *text, struct json_val **ret, struct err *e)
{
	return call_within(dir, ANSWER_MS, text, ret, e);
}

int qmp_balloon_get(int dir, uint64_t *ret, struct err *e)
{
	struct json_val *v;
	uint64_t n;
	int r = call(dir, "{\"execute\":\"query-balloon\"}\n", &v, e);

	if (r < 0)
		return r;
	n = json_get_u64(json_get(v, "return"), "actual", 0);
	json_val_free(v);
	if (!n)
		return err_set(e, EPROTO, 0, "ask QEMU: it does not know the memory of its guest");
	*ret = n;
	return 0;
}

int qmp_balloon_set(int dir, uint64_t bytes, struct err *e)
{
	char text[96];

	(void)str_fmt(text, sizeof(text),
		      "{\"execute\":\"balloon\",\"arguments\":{\"value\":%" PRIu64 "}}\n", bytes);
	return call(dir, text, NULL, e);
}

#define MORE "\"path\":\"/machine/peripheral/more-dev\",\"property\":"

int qmp_more_get(int dir, uint64_t *ret, struct err *e)
{
	struct json_val *v;
	int r = call(dir, "{\"execute\":\"qom-get\",\"arguments\":{" MORE "\"size\"}}\n", &v, e);

	if (r < 0)
		return r;
	*ret = json_get_u64(v, "return", 0);
	json_val_free(v);
	return 0;
}

int qmp_more_set(int dir, uint64_t bytes, struct err *e)
{
	char text[160];

	(void)str_fmt(text, sizeof(text), "{\"execute\":\"qom-set\",\"arguments\":{" MORE
		      "\"requested-size\",\"value\":%" PRIu64 "}}\n", bytes);
	return call(dir, text, NULL, e);
}

int qmp_disk_grown(int dir, uint64_t bytes, struct err *e)
{
	char text[128];

	(void)str_fmt(text, sizeof(text), "{\"execute\":\"block_resize\",\"arguments\":"
		      "{\"node-name\":\"disk\",\"size\":%" PRIu64 "}}\n", bytes);
	return call(dir, text, NULL, e);
}

int qmp_powerdown(int dir, struct err *e)
{
	return call(dir, "{\"execute\":\"system_powerdown\"}\n", NULL, e);
}

int qmp_stop(int dir, struct err *e)
{
	return call_within(dir, STOP_MS, "{\"execute\":\"stop\"}\n", NULL, e);
}

int qmp_cont(int dir, struct err *e)
{
	return call(dir, "{\"execute\":\"cont\"}\n", NULL, e);
}

int qmp_stands(int dir, bool *ret, struct err *e)
{
	struct json_val *v;
	int r = call(dir, "{\"execute\":\"query-status\"}\n", &v, e);

	if (r < 0)
		return r;
	*ret = !json_get_bool(json_get(v, "return"), "running", true);
	json_val_free(v);
	return 0;
}

int qmp_wait_up(int dir, int pidfd, int timeout_ms, struct err *e)
{
	uint64_t end = proc_now_us() + (uint64_t)timeout_ms * 1000;
	int r;

	do {
		err_clear(e);
		r = call(dir, "{\"execute\":\"query-status\"}\n", NULL, e);
	} while (r == -ETIMEDOUT && proc_now_us() < end && proc_wait_gone(pidfd, 0) == -ETIMEDOUT);
	return r;
}
