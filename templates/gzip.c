/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/gzip.h"

#include <archive.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#define CHUNK 262144

struct gzip {
	int fd;
	bool ended;                     /* at the end of a member */
	z_stream z;
	unsigned char in[CHUNK], out[CHUNK];
};

bool gzip_is(int fd)
{
	unsigned char magic[2];

	return pread(fd, magic, 2, 0) == 2 && magic[0] == 0x1f && magic[1] == 0x8b;
}

struct gzip *gzip_new(int fd)
{
	struct gzip *g = calloc(1, sizeof(*g));

	/* 16: a gzip header and nothing else; zlib checks length and CRC at the end. */
	if (g && inflateInit2(&g->z, MAX_WBITS + 16) != Z_OK) {
		free(g);
		g = NULL;
	}
	if (g)
		g->fd = fd;
	return g;
}

void gzip_free(struct gzip *g)
{
	if (g)
		(void)inflateEnd(&g->z);
	free(g);
}

static ssize_t fail(struct archive *a, const char *why)
{
	archive_set_error(a, EINVAL, "%s", why);
	return ARCHIVE_FATAL;
}

/* More input, if there is any. */
static ssize_t more(struct gzip *g)
{
	ssize_t n;

	if (g->z.avail_in)
		return 1;
	do {
		n = read(g->fd, g->in, CHUNK);
	} while (n < 0 && errno == EINTR);
	g->z.next_in = g->in;
	g->z.avail_in = n > 0 ? (unsigned)n : 0;
	return n;
}

ssize_t gzip_read(struct archive *a, void *gzip, const void **ret)
{
	struct gzip *g = gzip;

	g->z.next_out = g->out;
	g->z.avail_out = CHUNK;
	while (g->z.avail_out == CHUNK) {
		ssize_t n = more(g);
		int r;

		if (n < 0)
			return fail(a, "cannot be read");
		if (n == 0 && g->ended)
			break;
		if (n == 0)
			return fail(a, "truncated gzip input");
		/* Another member may follow; anything else there is not ours (gzip(1) warns). */
		if (g->ended && *g->z.next_in != 0x1f)
			break;
		if (g->ended && inflateReset(&g->z) != Z_OK)
			return fail(a, "bad gzip input");
		r = inflate(&g->z, Z_NO_FLUSH);
		g->ended = r == Z_STREAM_END;
		if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
			return fail(a, "damaged gzip input");
	}
	*ret = g->out;
	return CHUNK - (ssize_t)g->z.avail_out;
}
