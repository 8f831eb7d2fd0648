/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vm/qmp.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "util/cleanup.h"
#include "util/json.h"
#include "util/str.h"
#include "util/sys-proc.h"
#include "vm/sock.h"

#define ANSWER_MS 3000
#define LINE_MAX_BYTES 16384

struct qmp {
	int fd;
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
			return err_set(e, ETIMEDOUT, 0, "ask QEMU: no answer in %d ms", ANSWER_MS);
		if (end) {
			*end = '\0';
			q->used = (size_t)(end - q->buf) + 1;
			*ret = q->buf;
			return 0;
		}
		if (q->len == sizeof(q->buf))
			return err_set(e, EPROTO, 0, "ask QEMU: its answer does not end");
		if (poll(&p, 1, (int)((q->end - now) / 1000) + 1) == 0)
			return err_set(e, ETIMEDOUT, 0, "ask QEMU: no answer in %d ms", ANSWER_MS);
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

static int order(struct qmp *q, const char *text, struct json_val **ret, struct err *e)
{
	if (send(q->fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
		return err_sys(e, "ask QEMU");
	return answer(q, ret, e);
}

/* One order on a connection of its own: QEMU greets, and wants to be told that we heard it. */
static int call(int dir, const char *text, struct json_val **ret, struct err *e)
{
	struct qmp *q = malloc(sizeof(*q));
	struct json_val *v = NULL;
	int r;

	if (!q)
		return err_set(e, ENOMEM, 0, "ask QEMU: out of memory");
	*q = (struct qmp){ .fd = -1, .end = proc_now_us() + ANSWER_MS * 1000 };
	r = vm_connect(dir, VM_SOCK_QMP, ANSWER_MS, &q->fd, e);
	if (!r)
		r = order(q, "{\"execute\":\"qmp_capabilities\"}\n", &v, e);
	json_val_free(v);
	v = NULL;
	if (!r)
		r = order(q, text, &v, e);
	if (!r && ret)
		*ret = v;
	else
		json_val_free(v);
	cleanup_fd(&q->fd);
	free(q);
	return r;
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
