/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The console log ring. It is written with pwrite, not mapped: a mapping would count against
 * the keeper and die with SIGBUS when somebody shortens the file. Data goes first and the
 * head after it, so that a keeper killed in between has lost the oldest bytes at most, and
 * the next one continues at the same place.
 */
#include "runtime/keeper-ring.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* No console writes that much; keeps head + length from overflowing in a damaged file. */
#define RING_HEAD_MAX (UINT64_C(1) << 62)

static const char magic[8] = { 'B', 'E', 'R', 'T', 'H', 'R', 'G', '1' };

bool ring_head_valid(const struct ring_head *h)
{
	return memcmp(h->magic, magic, sizeof(magic)) == 0 && h->size == RING_SIZE &&
	       h->head <= RING_HEAD_MAX;
}

static int ring_in_memory(void)
{
	return memfd_create("console", MFD_CLOEXEC);
}

void ring_open(struct ring *r, int fd)
{
	struct ring_head h;

	r->in_memory = fd < 0;
	r->fd = r->in_memory ? ring_in_memory() : fd;
	r->head = 0;
	if (pread(r->fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h) && ring_head_valid(&h))
		r->head = h.head;
}

static bool put_at(int fd, const void *buf, size_t len, uint64_t off)
{
	return len == 0 || pwrite(fd, buf, len, (off_t)off) == (ssize_t)len;
}

static bool put_chunk(const struct ring *r, const char *buf, size_t len)
{
	struct ring_head h = { .size = RING_SIZE, .head = r->head + len };
	size_t off = r->head % RING_SIZE;
	size_t first = len < RING_SIZE - off ? len : RING_SIZE - off;

	memcpy(h.magic, magic, sizeof(magic));
	return put_at(r->fd, buf, first, sizeof(h) + off) &&
	       put_at(r->fd, buf + first, len - first, sizeof(h)) &&
	       put_at(r->fd, &h, sizeof(h), 0);
}

void ring_write(struct ring *r, const void *buf, size_t len)
{
	if (!put_chunk(r, buf, len) && !r->in_memory) {
		r->in_memory = true;
		r->fd = ring_in_memory();
		(void)put_chunk(r, buf, len);
	}
	r->head += len;
}

uint64_t ring_tail(const struct ring *r, uint64_t want)
{
	if (want > RING_SIZE)
		want = RING_SIZE;
	return r->head > want ? r->head - want : 0;
}

size_t ring_read(const struct ring *r, uint64_t *pos, void *buf, size_t size)
{
	uint64_t oldest = ring_tail(r, RING_SIZE);
	size_t off, n;
	ssize_t got;

	if (*pos < oldest)
		*pos = oldest;
	if (*pos >= r->head)
		return 0;
	off = *pos % RING_SIZE;
	n = r->head - *pos < size ? (size_t)(r->head - *pos) : size;
	if (n > RING_SIZE - off)
		n = RING_SIZE - off;
	got = pread(r->fd, buf, n, (off_t)(sizeof(struct ring_head) + off));
	if (got <= 0) {
		/* The file was shortened: what is missing counts as read. */
		*pos = r->head;
		return 0;
	}
	return (size_t)got;
}
