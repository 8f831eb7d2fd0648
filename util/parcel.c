/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/parcel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "util/exits.h"
#include "util/str.h"
#include "util/sys-proc.h"

#define LOOK_MS 1000            /* the longest sleep: clocks are looked at */

/* ---- what may stand in a record ---- */

bool parcel_name_ok(const char *name, size_t len)
{
	return len && len < 256 && !memchr(name, '\0', len) && !memchr(name, '/', len) &&
	       !(len == 1 && name[0] == '.') && !(len == 2 && name[0] == '.' && name[1] == '.');
}

static bool sane(const struct parcel_head *h)
{
	return h->magic == PARCEL_MAGIC && h->type >= PARCEL_HELLO && h->type < PARCEL_TYPES &&
	       h->name < 256 && h->len <= PARCEL_DATA_MAX && h->value <= INT64_MAX && h->nsec < 1000000000;
}

int parcel_failed(const char *name, const char *what, struct err *e)
{
	int eno = errno;
	char text[200];

	(void)str_show(text, sizeof(text), name);
	errno = eno;
	return err_sys(e, "copy %s: %s", text, what);
}

/* ---- waiting ---- */

static int too_late(const struct parcel *p, struct err *e)
{
	if (p->end_us && proc_now_us() >= p->end_us)
		return err_set(e, ETIMEDOUT, 0, "copy: not done in time");
	if (p->stall_ms && p->waited_us >= (uint64_t)p->stall_ms * 1000)
		return err_set(e, ETIMEDOUT, 0, "copy: the VE gives and takes too little, %d seconds long",
			       p->stall_ms / 1000);
	return 0;
}

/* own: it is no fault of the other side when this takes long. */
static int wait_for(struct parcel *p, int fd, short events, bool own, struct err *e)
{
	for (;;) {
		struct pollfd w[2] = { { fd, events, 0 }, { p->stop, POLLIN, 0 } };
		uint64_t begin = proc_now_us();
		int n = poll(w, 2, LOOK_MS), r;

		if (n < 0 && errno != EINTR)
			return err_sys(e, "copy: wait");
		if (n > 0 && w[1].revents)
			return err_set(e, EINTR, 0, "copy: interrupted");
		if (!own)
			p->waited_us += proc_now_us() - begin;
		r = too_late(p, e);
		if (r < 0 || n > 0)
			return r;
	}
}

int parcel_wait_own(struct parcel *p, int fd, short events, struct err *e)
{
	return wait_for(p, fd, events, true, e);
}

static int count(struct parcel *p, size_t n, struct err *e)
{
	p->moved += n;
	if (p->moved >= PARCEL_PACE) {
		p->moved = p->waited_us = 0;
		if (p->tell)
			p->tell(p->arg, &p->count);
	}
	return too_late(p, e);
}

/* ---- bytes ---- */

/* At most what a pipe has room for once poll(2) says that it has any, so that no write waits by itself. */
#define PIECE 4096

/*
 * What read(2) or write(2) of some bytes has returned; *at goes on. A socket whose other end went away
 * with something of ours unread says ECONNRESET first.
 */
static int moved(struct parcel *p, ssize_t n, size_t *at, struct err *e)
{
	bool again = n < 0 && (errno == EINTR || errno == EAGAIN);

	if (n == 0 || (n < 0 && (errno == EPIPE || errno == ECONNRESET)))
		return err_set(e, EPIPE, 0, "copy: the other side is gone");
	if (n < 0 && !again)
		return err_sys(e, "copy: read or write the stream");
	*at += again ? 0 : (size_t)n;
	return count(p, again ? 0 : (size_t)n, e);
}

static int put_bytes(struct parcel *p, const void *data, size_t len, struct err *e)
{
	size_t at = 0;
	int r = 0;

	while (!r && at < len) {
		r = wait_for(p, p->out, POLLOUT, false, e);
		if (!r)
			r = moved(p, write(p->out, (const char *)data + at, len - at < PIECE ? len - at : PIECE),
				  &at, e);
	}
	return r;
}

static int get_bytes(struct parcel *p, void *data, size_t len, struct err *e)
{
	size_t at = 0;
	int r = 0;

	while (!r && at < len) {
		r = wait_for(p, p->in, POLLIN, false, e);
		if (!r)
			r = moved(p, read(p->in, (char *)data + at, len - at), &at, e);
	}
	return r;
}

/* ---- records ---- */

int parcel_put(struct parcel *p, const struct parcel_head *h, const char *name, const void *data,
	       struct err *e)
{
	struct parcel_head head = *h;
	int r;

	head.magic = PARCEL_MAGIC;
	head.name = (uint16_t)(name ? strlen(name) : 0);
	r = put_bytes(p, &head, sizeof(head), e);
	if (!r)
		r = put_bytes(p, name ? name : "", head.name, e);
	return r < 0 ? r : put_bytes(p, data ? data : "", head.len, e);
}

/*
 * Inside anybody may have said it: no exit number is taken from there, and its words are told as such, in
 * one line that cannot be taken for one of ours.
 */
static int told_failure(const struct parcel_record *rec, struct err *e)
{
	int eno = rec->head.value > 0 && rec->head.value < 4096 ? (int)rec->head.value : EPROTO;
	char text[480];

	(void)str_show(text, sizeof(text), (const char *)rec->data);
	return err_set(e, eno, 0, "inside: %s", *text ? text : "copy: failed");
}

int parcel_get(struct parcel *p, struct parcel_record *ret, struct err *e)
{
	int r = get_bytes(p, &ret->head, sizeof(ret->head), e);

	if (r < 0)
		return r;
	if (!sane(&ret->head))
		return err_set(e, EPROTO, 0, "copy: the other side does not speak as it should");
	r = get_bytes(p, ret->name, ret->head.name, e);
	if (!r)
		r = get_bytes(p, ret->data, ret->head.len, e);
	if (r < 0)
		return r;
	ret->name[ret->head.name] = '\0';
	ret->data[ret->head.len] = '\0';
	if (ret->head.name && !parcel_name_ok(ret->name, ret->head.name))
		return err_set(e, EPROTO, 0, "copy: a name that is none comes from the other side");
	return ret->head.type == PARCEL_FAIL ? told_failure(ret, e) : 0;
}

/* ---- inside ---- */

static int serve(struct parcel *p, const struct parcel_job *j, const char *path, const char *name,
		 struct err *e)
{
	const struct parcel_source from = { .path = path, .fd = -1, .recursive = j->recursive };
	const struct parcel_target to = { .path = path, .name = name, .fd = -1, .flags = j->flags,
					  .uid = j->uid, .gid = j->gid };
	const struct parcel_head done = { .type = PARCEL_END };
	int r;

	if (j->version != PARCEL_VERSION)
		return err_set(e, EPROTO, 0, "copy: version %u is not known inside, %u is", j->version,
			       PARCEL_VERSION);
	if (!j->take)
		return parcel_send(p, &from, e);
	r = parcel_take(p, &to, e);
	return r < 0 ? r : parcel_put(p, &done, NULL, NULL, e);
}

static void tell_failure(struct parcel *p, const struct err *e)
{
	struct parcel_head h = { .type = PARCEL_FAIL, .len = (uint32_t)strlen(e->msg), .value = (uint64_t)e->eno };
	struct err ignored = ERR_INIT;          /* nobody is left who could be told */

	(void)!parcel_put(p, &h, NULL, e->msg, &ignored);
}

int parcel_serve(const struct parcel_job *j, const char *path, const char *name)
{
	struct parcel p = { .in = STDIN_FILENO, .out = STDOUT_FILENO, .stop = -1 };
	struct err e = ERR_INIT;

	if (serve(&p, j, path, name, &e) >= 0)
		return 0;
	tell_failure(&p, &e);
	return 1;
}
