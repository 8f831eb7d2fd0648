/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The side that reads files. What is being changed meanwhile is sent as it is found: a file that grows ends
 * where it did at first, one that is gone is left out. Other filesystems below are left out: inside a VE
 * they are /proc, /sys and /dev.
 */
#include "util/parcel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/str.h"

struct sender {
	struct parcel *p;
	bool recursive;
	uint8_t buf[PARCEL_DATA_MAX];
};

static struct parcel_head head_of(enum parcel_type type, const struct stat *st)
{
	return (struct parcel_head){
		.type = (uint16_t)type, .mode = st->st_mode & 07777, .uid = st->st_uid, .gid = st->st_gid,
		.mtime = st->st_mtim.tv_sec, .nsec = (uint32_t)st->st_mtim.tv_nsec,
	};
}

/*
 * Between being looked at and being opened a name can go, or become a link, a socket or something else:
 * then it is left out. The top was asked for by name, and its errors are told.
 */
static bool changed(const char *name)
{
	return *name && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENXIO || errno == ENODEV ||
			 errno == EINVAL || errno == ESTALE);
}

static int leave_out(struct sender *s, const char *name, struct err *e)
{
	const struct parcel_head h = { .type = PARCEL_LEFT };

	s->p->count.left++;
	return parcel_put(s->p, &h, name, NULL, e);
}

/* ---- a file ---- */

static int send_data(struct sender *s, uint64_t off, size_t len, struct err *e)
{
	const struct parcel_head h = { .type = PARCEL_DATA, .len = (uint32_t)len, .value = off };

	s->p->count.bytes += len;
	return parcel_put(s->p, &h, NULL, s->buf, e);
}

/* Where data begin at or after off, and where they end; without holes that is here and never. */
static void next_data(int fd, off_t off, off_t *ret_from, off_t *ret_to)
{
	*ret_from = lseek(fd, off, SEEK_DATA);
	if (*ret_from < 0) {
		*ret_from = errno == ENXIO ? LLONG_MAX : off;
		*ret_to = LLONG_MAX;
		return;
	}
	*ret_to = lseek(fd, *ret_from, SEEK_HOLE);
	if (*ret_to <= *ret_from)
		*ret_to = LLONG_MAX;
}

/* One that says it is empty may be a file of /proc: its end is where it ends. */
static int send_content(struct sender *s, int fd, const char *name, const struct stat *st, struct err *e)
{
	off_t end = st->st_size > 0 ? st->st_size : LLONG_MAX, at = 0, from = 0, to = 0;
	struct parcel_head eof = { .type = PARCEL_EOF };
	int r = 0;

	while (!r && at < end) {
		size_t max = sizeof(s->buf);
		ssize_t n;

		if (at >= to && st->st_size > 0) {
			next_data(fd, at, &from, &to);
			at = from < end ? from : end;
			to = to < end ? to : end;
			continue;
		}
		if (to > at && (uint64_t)(to - at) < max)
			max = (size_t)(to - at);
		n = st->st_size > 0 ? pread(fd, s->buf, max, at) : read(fd, s->buf, max);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return parcel_failed(name, "read it", e);
		if (n == 0)
			break;
		r = send_data(s, (uint64_t)at, (size_t)n, e);
		at += n;
	}
	eof.value = (uint64_t)at;
	s->p->count.files++;
	return r < 0 ? r : parcel_put(s->p, &eof, NULL, NULL, e);
}

/* Opening a device or a FIFO has effects, so it is looked at first, and again when it is open. */
static int send_file(struct sender *s, int dir, const char *path, const char *name, int follow,
		     struct err *e)
{
	_fd_ int fd = openat(dir, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | follow);
	struct parcel_head h;
	struct stat st;
	int r;

	if (fd < 0 && changed(name))
		return leave_out(s, name, e);
	if (fd < 0 || fstat(fd, &st) < 0)
		return parcel_failed(path, "open it", e);
	if (!S_ISREG(st.st_mode))
		return leave_out(s, name, e);
	h = head_of(PARCEL_FILE, &st);
	r = parcel_put(s->p, &h, name, NULL, e);
	return r < 0 ? r : send_content(s, fd, path, &st, e);
}

/* Standard input: no size, no offsets, and as slow as it likes. */
static int send_stream(struct sender *s, int fd, struct err *e)
{
	struct parcel_head h = { .type = PARCEL_FILE, .mode = 0644 };
	uint64_t at = 0;
	int r = parcel_put(s->p, &h, NULL, NULL, e);

	while (!r) {
		ssize_t n;

		r = parcel_wait_own(s->p, fd, POLLIN, e);
		if (r < 0)
			return r;
		n = read(fd, s->buf, sizeof(s->buf));
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return err_sys(e, "copy: read standard input");
		if (n == 0)
			break;
		r = send_data(s, at, (size_t)n, e);
		at += (uint64_t)n;
	}
	h = (struct parcel_head){ .type = PARCEL_EOF, .value = at };
	s->p->count.files++;
	return r < 0 ? r : parcel_put(s->p, &h, NULL, NULL, e);
}

/* ---- a tree ---- */

static int send_link(struct sender *s, int dir, const char *name, const struct stat *st, struct err *e)
{
	struct parcel_head h = head_of(PARCEL_LINK, st);
	ssize_t n = readlinkat(dir, name, (char *)s->buf, PATH_MAX);

	if (n < 0 && changed(name))
		return leave_out(s, name, e);
	if (n <= 0 || n == PATH_MAX)
		return parcel_failed(name, "read the link", e);
	h.len = (uint32_t)n;
	s->p->count.links++;
	return parcel_put(s->p, &h, name, s->buf, e);
}

static int send_dir(struct sender *s, int dir, const char *path, const char *name, unsigned depth,
		    struct err *e);

static int send_entry(struct sender *s, int dir, const char *name, unsigned depth, struct err *e)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return changed(name) ? leave_out(s, name, e) : parcel_failed(name, "look at it", e);
	if (S_ISDIR(st.st_mode))
		return send_dir(s, dir, name, name, depth, e);
	if (S_ISREG(st.st_mode))
		return send_file(s, dir, name, name, O_NOFOLLOW, e);
	return S_ISLNK(st.st_mode) ? send_link(s, dir, name, &st, e) : leave_out(s, name, e);
}

static int send_below(struct sender *s, DIR *d, const char *path, unsigned depth, struct err *e)
{
	const struct dirent *de;
	int r = 0;

	while (!r && (errno = 0, de = readdir(d)))
		if (!str_eq(de->d_name, ".") && !str_eq(de->d_name, ".."))
			r = send_entry(s, dirfd(d), de->d_name, depth, e);
	return !r && errno ? parcel_failed(path, "read the directory", e) : r;
}

/* Since 5.8; the directory that was asked for may be one. */
static bool is_mount(int fd)
{
	struct statx stx;

	return statx(fd, "", AT_EMPTY_PATH, 0, &stx) == 0 && stx.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

/* name "" is the top, and the only one whose links are followed. */
static int send_dir(struct sender *s, int dir, const char *path, const char *name, unsigned depth,
		    struct err *e)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (*name ? O_NOFOLLOW : 0)), r;
	const struct parcel_head up = { .type = PARCEL_UP };
	_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct parcel_head h;
	struct stat st;

	if (fd < 0 && changed(name))
		return leave_out(s, name, e);
	if (!d || fstat(fd, &st) < 0)
		return parcel_failed(path, "open it", e);
	if (*name && is_mount(fd))
		return leave_out(s, name, e);
	if (depth >= PARCEL_DEPTH)
		return err_set(e, ELOOP, 0, "copy: more than %d directories deep", PARCEL_DEPTH);
	h = head_of(PARCEL_DIR, &st);
	s->p->count.dirs++;
	r = parcel_put(s->p, &h, name, NULL, e);
	if (!r)
		r = send_below(s, d, path, depth + 1, e);
	return r < 0 ? r : parcel_put(s->p, &up, NULL, NULL, e);
}

static int send_top(struct sender *s, const char *path, struct err *e)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(e, "copy %.300s", path);
	if (S_ISDIR(st.st_mode) && !s->recursive)
		return err_set(e, EISDIR, 0, "copy %.300s: a directory; -r takes it with all below", path);
	if (S_ISDIR(st.st_mode))
		return send_dir(s, AT_FDCWD, path, "", 0, e);
	if (S_ISREG(st.st_mode))
		return send_file(s, AT_FDCWD, path, "", 0, e);
	return err_set(e, EINVAL, 0, "copy %.300s: no file and no directory", path);
}

int parcel_send(struct parcel *p, const struct parcel_source *src, struct err *e)
{
	const struct parcel_head hello = { .type = PARCEL_HELLO, .value = PARCEL_VERSION };
	const struct parcel_head end = { .type = PARCEL_END };
	_free_ struct sender *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(e, ENOMEM, 0, "copy: out of memory");
	s->p = p;
	s->recursive = src->recursive;
	r = parcel_put(p, &hello, NULL, NULL, e);
	if (!r)
		r = src->fd >= 0 ? send_stream(s, src->fd, e) : send_top(s, src->path, e);
	return r < 0 ? r : parcel_put(p, &end, NULL, NULL, e);
}
