/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/stream.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/exits.h"
#include "util/sys-fs.h"

static const char magic[] = "BERTH-VE-1\n";

#define MAGIC_LEN (sizeof(magic) - 1)
#define HEAD_LEN 8

static int put(struct stream *s, const void *data, size_t len, struct err *e)
{
	int r = fs_write_all(s->fd, data, len);

	if (r < 0) {
		errno = -r;
		return err_sys(e, "write the stream");
	}
	sha256_update(&s->sha, len, data);
	s->bytes += len;
	return 0;
}

/* The hash is the caller's to feed: that of an end does not cover its own frame. */
static int get(struct stream *s, void *data, size_t len, struct err *e)
{
	size_t have = 0;

	while (have < len) {
		ssize_t n = read(s->fd, (char *)data + have, len - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read the stream");
		if (n == 0)
			return err_set(e, EPIPE, VZ_BAD_VALUE, "read the stream: it ends after %llu bytes",
				       (unsigned long long)(s->bytes + have));
		have += (size_t)n;
	}
	s->bytes += len;
	return 0;
}

static int bad(struct err *e, const char *what)
{
	return err_set(e, EBADMSG, VZ_BAD_VALUE, "read the stream: %s", what);
}

int stream_begin(struct stream *s, int fd, bool writing, struct err *e)
{
	char have[MAGIC_LEN];
	int r;

	*s = (struct stream){ .fd = fd, .buf = malloc(STREAM_FRAME_MAX + 1) };
	if (!s->buf)
		return err_set(e, ENOMEM, 0, "open the stream: out of memory");
	sha256_init(&s->sha);
	if (writing)
		return put(s, magic, MAGIC_LEN, e);
	r = get(s, have, sizeof(have), e);
	if (!r && memcmp(have, magic, MAGIC_LEN) != 0)
		return bad(e, "it is none that berth send has written");
	if (!r)
		sha256_update(&s->sha, MAGIC_LEN, (const uint8_t *)have);
	return r;
}

void stream_done(struct stream *s)
{
	free(s->buf);
	*s = (struct stream)STREAM_INIT;
}

static void make_head(unsigned char head[HEAD_LEN], char kind, size_t len)
{
	uint32_t n = htole32((uint32_t)len);

	memset(head, 0, HEAD_LEN);
	head[0] = (unsigned char)kind;
	memcpy(head + 4, &n, sizeof(n));
}

int stream_put(struct stream *s, char kind, const void *data, size_t len, struct err *e)
{
	unsigned char head[HEAD_LEN];
	int r;

	if (len > STREAM_FRAME_MAX)
		return err_set(e, EFBIG, 0, "write the stream: a frame of %zu bytes", len);
	make_head(head, kind, len);
	r = put(s, head, sizeof(head), e);
	return r < 0 || !len ? r : put(s, data, len, e);
}

int stream_put_disk(struct stream *s, uint64_t offset, const void *data, size_t len, struct err *e)
{
	unsigned char head[HEAD_LEN];
	const char *p = data;
	uint64_t at = htole64(offset);
	int r;

	if (!len || (!p[0] && !memcmp(p, p + 1, len - 1)))
		return 0;
	make_head(head, 'D', len + sizeof(at));
	r = put(s, head, sizeof(head), e);
	if (!r)
		r = put(s, &at, sizeof(at), e);
	return r < 0 ? r : put(s, data, len, e);
}

int stream_put_end(struct stream *s, struct err *e)
{
	unsigned char sum[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha = s->sha;

	sha256_digest(&sha, sizeof(sum), sum);
	return stream_put(s, 'E', sum, sizeof(sum), e);
}

static int check_end(const struct stream *s, const struct frame *f, struct err *e)
{
	unsigned char sum[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha = s->sha;

	sha256_digest(&sha, sizeof(sum), sum);
	if (f->len != sizeof(sum) || memcmp(sum, f->data, sizeof(sum)) != 0)
		return bad(e, "its checksum is wrong, it was changed or cut on its way");
	return 0;
}

int stream_get(struct stream *s, struct frame *ret, struct err *e)
{
	unsigned char head[HEAD_LEN];
	struct frame f = { .data = s->buf };
	uint32_t len;
	int r = get(s, head, sizeof(head), e);

	if (r < 0)
		return r;
	memcpy(&len, head + 4, sizeof(len));
	f.kind = (char)head[0];
	f.len = le32toh(len);
	if (head[1] || head[2] || head[3] || f.len > STREAM_FRAME_MAX || !strchr("HTGDEC", f.kind) ||
	    !f.kind)
		return bad(e, "there is a frame of no known kind or size");
	r = get(s, s->buf, f.len, e);
	if (r < 0)
		return r;
	s->buf[f.len] = '\0';
	if (f.kind == 'E')
		r = check_end(s, &f, e);
	sha256_update(&s->sha, sizeof(head), head);
	sha256_update(&s->sha, f.len, s->buf);
	if (!r)
		*ret = f;
	return r;
}

int stream_disk_offset(const struct frame *f, uint64_t *ret, struct err *e)
{
	uint64_t at;

	if (f->len <= sizeof(at))
		return bad(e, "a piece of the disk is empty");
	memcpy(&at, f->data, sizeof(at));
	*ret = le64toh(at);
	return 0;
}
