/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/sys-copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/sys-fs.h"

#define STEP (32 << 20)         /* bytes between two reports */
#define COMPARE (1 << 20)       /* bytes compared in one go */
#define GRAIN 65536             /* bytes written where one differs */

int copy_reflink(int from, int to)
{
	return ioctl(to, FICLONE, from) < 0 ? -errno : 0;
}

static int write_at(int to, const char *buf, size_t len, off_t off)
{
	while (len) {
		ssize_t n = pwrite(to, buf, len, off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		buf += n;
		off += n;
		len -= (size_t)n;
	}
	return 0;
}

/* By way of our memory: copy_file_range(2) stays within one type of filesystem (5.19). */
static int copy_bytes(int from, int to, off_t off, off_t end)
{
	char buf[65536];

	while (off < end) {
		size_t len = (size_t)(end - off) < sizeof(buf) ? (size_t)(end - off) : sizeof(buf);
		int r = fs_pread_all(from, buf, len, off);

		if (!r)
			r = write_at(to, buf, len, off);
		if (r < 0)
			return r;
		off += (off_t)len;
	}
	return 0;
}

static int copy_range(int from, int to, off_t off, off_t end)
{
	while (off < end) {
		off_t in = off, out = off;
		ssize_t n = copy_file_range(from, &in, to, &out, (size_t)(end - off), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EXDEV || errno == EOPNOTSUPP || errno == EINVAL))
			return copy_bytes(from, to, off, end);
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		off += n;
	}
	return 0;
}

static void tell(const struct copy_watch *w, uint64_t done, uint64_t all)
{
	if (w && w->tell)
		w->tell(w->arg, done < all ? done : all, all);
}

/* The next extent of data at or after off; false when there is none. */
static bool next_extent(int fd, off_t off, off_t *ret_from, off_t *ret_to)
{
	*ret_from = lseek(fd, off, SEEK_DATA);
	*ret_to = *ret_from < 0 ? -1 : lseek(fd, *ret_from, SEEK_HOLE);
	return *ret_to >= 0;
}

static int copy_extents(int from, int to, const struct copy_watch *w, struct err *e)
{
	uint64_t done = 0, all;
	off_t data, hole, off = 0;
	struct stat st;

	if (fstat(from, &st) < 0)
		return err_sys(e, "copy: stat");
	all = (uint64_t)st.st_blocks * 512;
	for (; next_extent(from, off, &data, &hole); off = hole)
		for (off_t at = data, end; at < hole; at = end) {
			int r;

			end = hole - at < STEP ? hole : at + STEP;
			r = copy_range(from, to, at, end);
			if (r < 0) {
				errno = -r;
				return err_sys(e, "copy %lld bytes", (long long)(end - at));
			}
			done += (uint64_t)(end - at);
			tell(w, done, all);
		}
	if (errno != ENXIO)                     /* ENXIO: no data after here */
		return err_sys(e, "copy: seek");
	tell(w, all, all);
	return 0;
}

int copy_sparse(int from, int to, const struct copy_watch *w, struct err *e)
{
	off_t size = lseek(from, 0, SEEK_END);

	if (size < 0)
		return err_sys(e, "copy: seek");
	if (copy_reflink(from, to) == 0)
		return 0;
	if (ftruncate(to, size) < 0)
		return err_sys(e, "copy: set the size to %lld bytes", (long long)size);
	return copy_extents(from, to, w, e);
}

/* ---- the second pass ---- */

static int punch(int fd, off_t from, off_t to)
{
	off_t data, hole;

	if (from >= to || !next_extent(fd, from, &data, &hole) || data >= to)
		return 0;                       /* a hole already */
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, to - from) < 0 ?
	       -errno : 0;
}

/* a[len] is what is, b[len] what was copied of it. */
static int write_differences(int to, const char *a, const char *b, size_t len, off_t off)
{
	for (size_t i = 0; i < len; i += GRAIN) {
		size_t n = len - i < GRAIN ? len - i : GRAIN;
		int r;

		if (!memcmp(a + i, b + i, n))
			continue;
		r = write_at(to, a + i, n, off + (off_t)i);
		if (r < 0)
			return r;
	}
	return 0;
}

static int compare_extent(int from, int to, off_t off, off_t end, char *buf)
{
	while (off < end) {
		size_t len = end - off < COMPARE ? (size_t)(end - off) : COMPARE;
		int r = fs_pread_all(from, buf, len, off);

		if (!r)
			r = fs_pread_all(to, buf + COMPARE, len, off);
		if (!r)
			r = write_differences(to, buf, buf + COMPARE, len, off);
		if (r < 0)
			return r;
		off += (off_t)len;
	}
	return 0;
}

int copy_changes(int from, int to, struct err *e)
{
	_free_ char *buf = NULL;
	off_t data, hole, off = 0, size = lseek(from, 0, SEEK_END);
	int r = 0;

	if (size < 0 || ftruncate(to, size) < 0)
		return err_sys(e, "compare: set the size");
	buf = malloc(2 * COMPARE);
	if (!buf)
		return err_set(e, ENOMEM, 0, "compare: out of memory");
	for (; !r && next_extent(from, off, &data, &hole); off = hole) {
		r = punch(to, off, data);
		if (!r)
			r = compare_extent(from, to, data, hole, buf);
	}
	if (!r)
		r = punch(to, off, size);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "compare the copy");
	}
	return 0;
}
