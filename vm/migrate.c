/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vm/migrate.h"

#include <errno.h>
#include <inttypes.h>
#include <nettle/sha2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/json.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "vm/qmp.h"

#define STALL_MS 30000          /* a QEMU under a low CPU limit is slow, one that says nothing stuck */
#define END_MS 10000
#define CHUNK (256u * 1024)

/* Of the guest nothing changes meanwhile, so there is no reason to leave bandwidth to anybody. */
static const char unlimited[] = "{\"execute\":\"migrate-set-parameters\",\"arguments\":"
				"{\"max-bandwidth\":1099511627776}}\n";
static const char get_fd[] = "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"berth\"}}\n";
static const char begin_out[] = "{\"execute\":\"migrate\",\"arguments\":{\"uri\":\"fd:berth\"}}\n";
static const char begin_in[] = "{\"execute\":\"migrate-incoming\",\"arguments\":"
			       "{\"uri\":\"fd:berth\"}}\n";
static const char cancel[] = "{\"execute\":\"migrate_cancel\"}\n";

/* QEMU gets the other end of *ret. */
static int begin(struct qmp *q, const char *order, int *ret, struct err *e)
{
	_fd_ int ours = -1;
	int ends[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(e, "make the socket to QEMU");
	ours = ends[0];
	r = qmp_order(q, get_fd, ends[1], NULL, e);
	(void)close(ends[1]);
	if (!r)
		r = qmp_order(q, order, -1, NULL, e);
	if (!r)
		*ret = TAKE_FD(ours);
	return r;
}

static int wait_for(int fd, short events, struct err *e)
{
	struct pollfd p = { fd, events, 0 };
	int r;

	do {
		r = poll(&p, 1, STALL_MS);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return err_sys(e, "wait for QEMU");
	return r ? 0 : err_set(e, ETIMEDOUT, 0, "QEMU says nothing for %d s", STALL_MS / 1000);
}

/* 1: done; 0: under way. */
static int ask_status(struct qmp *q, struct err *e)
{
	struct json_val *v = NULL;
	const struct json_val *a;
	const char *word;
	int r = qmp_order(q, "{\"execute\":\"query-migrate\"}\n", -1, &v, e);

	if (r < 0)
		return r;
	a = json_get(v, "return");
	word = json_get_str(a, "status", "none");
	if (str_eq(word, "completed"))
		r = 1;
	else if (str_eq(word, "failed") || str_eq(word, "cancelled"))
		r = err_set(e, EIO, 0, "QEMU: %.200s",
			    json_get_str(a, "error-desc", "the memory could not be moved"));
	json_val_free(v);
	return r;
}

static int wait_done(struct qmp *q, struct err *e)
{
	static const struct timespec pause = { 0, 10000000 };
	int r = 0;

	for (int ms = 0; !r && ms < END_MS; ms += 10) {
		r = ask_status(q, e);
		if (!r)
			(void)nanosleep(&pause, NULL);
	}
	if (r)
		return r < 0 ? r : 0;
	return err_set(e, ETIMEDOUT, 0, "QEMU does not come to an end with the memory");
}

/* ---- out ---- */

static int append(int to, const char *buf, size_t len, struct err *e)
{
	int r = fs_write_all(to, buf, len);

	if (r == 0)
		return 0;
	errno = -r;
	return err_sys(e, "save memory");
}

static int receive(int sock, int to, uint64_t most, struct migrate_sum *ret, struct err *e)
{
	_free_ char *buf = malloc(CHUNK);
	uint8_t sum[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha;
	uint64_t all = 0;
	int r = buf ? 0 : err_set(e, ENOMEM, 0, "save memory: out of memory");

	sha256_init(&sha);
	while (!r) {
		ssize_t n;

		r = wait_for(sock, POLLIN, e);
		if (r < 0)
			break;
		n = recv(sock, buf, CHUNK, MSG_DONTWAIT);
		if (n == 0)
			break;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			r = err_sys(e, "save memory");
		if (n < 0)
			continue;
		all += (uint64_t)n;
		sha256_update(&sha, (size_t)n, (const uint8_t *)buf);
		if (all > most)
			r = err_set(e, EFBIG, 0, "save memory: QEMU says more than there can be");
		else
			r = append(to, buf, (size_t)n, e);
	}
	if (r < 0)
		return r;
	sha256_digest(&sha, sizeof(sum), sum);
	for (size_t i = 0; i < sizeof(sum); i++)
		(void)snprintf(ret->sha256 + 2 * i, 3, "%02x", sum[i]);
	ret->bytes = all;
	return 0;
}

int migrate_out(int dir, int to, uint64_t most, struct migrate_sum *ret, struct err *e)
{
	struct err ignored = ERR_INIT;
	struct qmp *q = NULL;
	_fd_ int sock = -1;
	int r = qmp_open(dir, &q, e);

	if (!r)
		r = qmp_order(q, unlimited, -1, NULL, e);
	if (!r)
		r = begin(q, begin_out, &sock, e);
	if (!r)
		r = receive(sock, to, most, ret, e);
	if (r < 0 && sock >= 0 && qmp_order(q, cancel, -1, NULL, &ignored) < 0)
		err_clear(&ignored);            /* the socket's end does the same */
	cleanup_fd(&sock);
	if (!r)
		r = wait_done(q, e);
	else if (q && wait_done(q, &ignored) < 0)       /* before it may go on */
		err_clear(&ignored);
	qmp_close(q);
	return r;
}

/* ---- in ---- */

static int send_chunk(int sock, const char *p, size_t len, struct err *e)
{
	while (len) {
		ssize_t n;
		int r = wait_for(sock, POLLOUT, e);

		if (r < 0)
			return r;
		n = send(sock, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return err_sys(e, "load memory");
		p += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int feed(int sock, int from, uint64_t bytes, struct err *e)
{
	_free_ char *buf = malloc(CHUNK);
	int r = buf ? 0 : err_set(e, ENOMEM, 0, "load memory: out of memory");

	while (!r && bytes) {
		ssize_t n = read(from, buf, bytes < CHUNK ? (size_t)bytes : CHUNK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? err_sys(e, "load memory")
				     : err_set(e, EIO, 0, "load memory: the file ends too early");
		bytes -= (uint64_t)n;
		r = send_chunk(sock, buf, (size_t)n, e);
	}
	return r;
}

int migrate_in(int dir, int from, uint64_t bytes, struct err *e)
{
	struct qmp *q = NULL;
	_fd_ int sock = -1;
	int r = qmp_open(dir, &q, e);

	if (!r)
		r = begin(q, begin_in, &sock, e);
	if (!r)
		r = feed(sock, from, bytes, e);
	cleanup_fd(&sock);
	if (!r)
		r = wait_done(q, e);
	qmp_close(q);
	return r;
}

int migrate_version(int dir, char ret[16], struct err *e)
{
	const struct json_val *v;
	struct json_val *all = NULL;
	struct qmp *q = NULL;
	int r = qmp_open(dir, &q, e);

	if (!r)
		r = qmp_order(q, "{\"execute\":\"query-version\"}\n", -1, &all, e);
	qmp_close(q);
	if (r < 0)
		return r;
	v = json_get(json_get(all, "return"), "qemu");
	(void)str_fmt(ret, 16, "%u.%u", (unsigned)json_get_u64(v, "major", 0) % 1000,
		      (unsigned)json_get_u64(v, "minor", 0) % 1000);
	json_val_free(all);
	return 0;
}
