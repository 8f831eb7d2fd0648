/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The side that makes files. Where they go is chosen once, by the path that was asked for; from there on
 * everything is one name in a directory that is open.
 */
#include "util/parcel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/str.h"
#include "util/sys-fs.h"

#define TEMP_LEN 32
#define ENTRY_COST 4096         /* of the sum that may come: what an empty file or a directory takes */

/* A directory that is being filled. */
struct level {
	int fd;
	bool ours;                      /* made by us: it gets the mode and owner of its head at its end */
	struct parcel_head head;
};

struct taker {
	struct parcel *p;
	const struct parcel_target *t;
	struct parcel_record rec;
	unsigned depth;                 /* levels in use; the first is where the top comes to */
	struct level at[PARCEL_DEPTH + 1];
	char top[NAME_MAX + 1];         /* the top's name there; "": it is that directory */
	uint64_t sum;
};

static int bad(struct err *e)
{
	return err_set(e, EPROTO, 0, "copy: the other side does not speak as it should");
}

static int spend(struct taker *k, uint64_t bytes, struct err *e)
{
	if (k->t->max && (bytes > k->t->max || k->sum > k->t->max - bytes))
		return err_set(e, EFBIG, 0, "copy: more than %llu MiB; --max-size allows more",
			       (unsigned long long)(k->t->max >> 20));
	k->sum += bytes;
	return 0;
}

/* ---- where it goes ---- */

static int open_level(struct taker *k, const char *path, const char *shown, struct err *e)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "copy to %.300s", shown);
	k->at[0] = (struct level){ .fd = fd };
	k->depth = 1;
	return 0;
}

/* A name that nothing has yet, or a file's: the directory that it is in has to be there. */
static int place_beside(struct taker *k, const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/'), *leaf = slash ? slash + 1 : path;
	char parent[PATH_MAX];

	if (!parcel_name_ok(leaf, strlen(leaf)))
		return err_set(e, ENOENT, 0, "copy to %.300s: no such directory", path);
	if (str_fmt(k->top, sizeof(k->top), "%s", leaf) < 0 ||
	    str_fmt(parent, sizeof(parent), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".") < 0)
		return err_set(e, ENAMETOOLONG, 0, "copy to %.300s: too long", path);
	return open_level(k, parent, path, e);
}

/* The words of cp(1): into a directory that is there, else by that name. */
static int place(struct taker *k, bool dir, struct err *e)
{
	const char *path = k->t->path, *name = k->t->name;
	char plain[PATH_MAX];
	size_t len = strlen(path);
	struct stat st;
	int r = stat(path, &st);

	if (r < 0 && errno != ENOENT && errno != ENOTDIR)
		return err_sys(e, "copy to %.300s", path);
	if (r == 0 && S_ISDIR(st.st_mode)) {
		if (!dir && !*name)
			return err_set(e, EISDIR, 0, "copy to %.300s: a directory; name a file in it", path);
		(void)str_fmt(k->top, sizeof(k->top), "%s", name);
		return open_level(k, path, path, e);
	}
	if (r == 0 && dir)
		return err_set(e, ENOTDIR, 0, "copy to %.300s: what is there is no directory", path);
	/* "new/" is a way to say that new is to be a directory. */
	while (dir && len > 1 && path[len - 1] == '/')
		len--;
	if (str_fmt(plain, sizeof(plain), "%.*s", (int)len, path) < 0)
		return err_set(e, ENAMETOOLONG, 0, "copy to %.300s: too long", path);
	return place_beside(k, plain, e);
}

/* ---- what there is by now ---- */

/* A file or a link gives way to what comes, and nothing else does. */
static int check_place(const struct level *l, const char *name, struct err *e)
{
	char text[200];
	struct stat st;

	if (fstatat(l->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : parcel_failed(name, "look at its place", e);
	if (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))
		return 0;
	return err_set(e, EEXIST, 0, "copy %s: %s is in its place", str_show(text, sizeof(text), name),
		       S_ISDIR(st.st_mode) ? "a directory" : "no regular file");
}

static void temp_name(char dst[TEMP_LEN])
{
	uint64_t n = 0;

	(void)!getrandom(&n, sizeof(n), 0);
	(void)str_fmt(dst, TEMP_LEN, ".berth-cp.%016llx", (unsigned long long)n);
}

static mode_t mode_of(const struct taker *k, const struct parcel_head *h)
{
	bool plain = k->t->flags & PARCEL_SAFE || !(k->t->flags & PARCEL_KEEP);

	return h->mode & (plain ? 01777 : 07777);
}

static void owner_of(const struct taker *k, const struct parcel_head *h, uid_t *uid, gid_t *gid)
{
	bool own = k->t->flags & PARCEL_OWNER, keep = k->t->flags & PARCEL_KEEP;

	*uid = own ? k->t->uid : keep ? h->uid : geteuid();
	*gid = own ? k->t->gid : keep ? h->gid : getegid();
}

/* chown(2) clears set-user-id bits, so the mode comes second. */
static int finish(const struct taker *k, int fd, const struct parcel_head *h, const char *name, struct err *e)
{
	const struct timespec times[2] = { { 0, UTIME_OMIT }, { h->mtime, h->nsec } };
	uid_t uid;
	gid_t gid;

	owner_of(k, h, &uid, &gid);
	if (fchown(fd, uid, gid) < 0)
		return parcel_failed(name, "give it its owner", e);
	if (fchmod(fd, mode_of(k, h)) < 0)
		return parcel_failed(name, "give it its mode", e);
	if (k->t->flags & PARCEL_KEEP && futimens(fd, times) < 0)
		return parcel_failed(name, "give it its time", e);
	return 0;
}

/* ---- a file ---- */

static int write_out(struct taker *k, int fd, const uint8_t *data, size_t len, struct err *e)
{
	while (len) {
		int r = parcel_wait_own(k->p, fd, POLLOUT, e);
		ssize_t n = r < 0 ? 0 : write(fd, data, len < 4096 ? len : 4096);

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return err_sys(e, "copy: write standard output");
		if (r < 0)
			return r;
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int write_zeros(struct taker *k, int fd, uint64_t len, struct err *e)
{
	static const uint8_t zeros[4096];
	int r = spend(k, len, e);

	for (; !r && len; len -= len < sizeof(zeros) ? len : sizeof(zeros))
		r = write_out(k, fd, zeros, len < sizeof(zeros) ? (size_t)len : sizeof(zeros), e);
	return r;
}

static int write_file(int fd, const struct parcel_head *h, const uint8_t *data, struct err *e)
{
	size_t len = h->len;
	off_t off = (off_t)h->value;

	while (len) {
		ssize_t n = pwrite(fd, data, len, off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(e, "copy: write the file");
		data += n;
		off += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Of a stream holes are zeros; a file has them, but no more than could have come. */
static int take_data(struct taker *k, int fd, bool stream, uint64_t *at, struct err *e)
{
	const struct parcel_head *h = &k->rec.head;
	int r;

	/* empty ones would cost nothing and never end */
	if (!h->len || h->value < *at || h->value > (uint64_t)INT64_MAX - h->len)
		return bad(e);
	r = stream ? write_zeros(k, fd, h->value - *at, e) : 0;
	if (!r)
		r = spend(k, h->len, e);
	if (!r)
		r = stream ? write_out(k, fd, k->rec.data, h->len, e) : write_file(fd, h, k->rec.data, e);
	*at = h->value + h->len;
	k->p->count.bytes += h->len;
	return r;
}

static int take_eof(struct taker *k, int fd, bool stream, uint64_t at, struct err *e)
{
	uint64_t size = k->rec.head.value;

	if (size < at)
		return bad(e);
	if (stream)
		return write_zeros(k, fd, size - at, e);
	if (k->t->max && size > k->t->max)
		return err_set(e, EFBIG, 0, "copy: a file of more than %llu MiB; --max-size allows more",
			       (unsigned long long)(k->t->max >> 20));
	return ftruncate(fd, (off_t)size) < 0 ? err_sys(e, "copy: set the size of a file") : 0;
}

static int take_content(struct taker *k, int fd, bool stream, struct err *e)
{
	uint64_t at = 0;
	int r;

	for (;;) {
		r = parcel_get(k->p, &k->rec, e);
		if (r < 0)
			return r;
		if (k->rec.head.type == PARCEL_EOF)
			break;
		r = k->rec.head.type == PARCEL_DATA ? take_data(k, fd, stream, &at, e) : bad(e);
		if (r < 0)
			return r;
	}
	k->p->count.files++;
	return take_eof(k, fd, stream, at, e);
}

static int take_file(struct taker *k, const char *name, struct err *e)
{
	const struct level *l = &k->at[k->depth - 1];
	const struct parcel_head head = k->rec.head;
	char temp[TEMP_LEN], own[NAME_MAX + 1];
	_fd_ int fd = -1;
	int r = check_place(l, name, e);

	if (r < 0)
		return r;
	(void)str_fmt(own, sizeof(own), "%s", name);    /* the record is overwritten by the next */
	temp_name(temp);
	fd = openat(l->fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return parcel_failed(own, "make it", e);
	r = take_content(k, fd, false, e);
	if (!r)
		r = finish(k, fd, &head, own, e);
	if (!r && renameat(l->fd, temp, l->fd, own) < 0)
		r = parcel_failed(own, "put it in its place", e);
	if (r < 0)
		(void)unlinkat(l->fd, temp, 0);
	return r;
}

/* ---- a link ---- */

/*
 * True when it leads to what was copied, whatever the other links are: up as far as the top, by directories
 * that we are in, then down only. A ".." behind a name might go up from where a link leads to.
 */
static bool stays_in(const char *target, unsigned depth)
{
	bool down = false;

	if (*target == '/')
		return false;
	while (*target) {
		size_t n = strcspn(target, "/");
		bool up = n == 2 && target[0] == '.' && target[1] == '.';

		if (up && (down || !depth--))
			return false;
		down |= !up && n && !(n == 1 && *target == '.');
		target += n + strspn(target + n, "/");
	}
	return true;
}

static int settle_link(const struct taker *k, const struct level *l, const char *temp, const char *name,
		       struct err *e)
{
	const struct parcel_head *h = &k->rec.head;
	const struct timespec times[2] = { { 0, UTIME_OMIT }, { h->mtime, h->nsec } };
	uid_t uid;
	gid_t gid;

	owner_of(k, h, &uid, &gid);
	if (fchownat(l->fd, temp, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return parcel_failed(name, "give it its owner", e);
	if (k->t->flags & PARCEL_KEEP && utimensat(l->fd, temp, times, AT_SYMLINK_NOFOLLOW) < 0)
		return parcel_failed(name, "give it its time", e);
	return renameat(l->fd, temp, l->fd, name) < 0 ? parcel_failed(name, "put it in its place", e) : 0;
}

static int take_link(struct taker *k, const char *name, struct err *e)
{
	const struct level *l = &k->at[k->depth - 1];
	const char *target = (const char *)k->rec.data;
	char temp[TEMP_LEN];
	int r;

	if (!*target || strlen(target) != k->rec.head.len || k->rec.head.len >= PATH_MAX)
		return bad(e);
	if (k->t->flags & PARCEL_SAFE && !stays_in(target, k->depth - 2)) {
		k->p->count.left++;
		return 0;
	}
	r = check_place(l, name, e);
	if (r < 0)
		return r;
	temp_name(temp);
	if (symlinkat(target, l->fd, temp) < 0)
		return parcel_failed(name, "make the link", e);
	r = settle_link(k, l, temp, name, e);
	if (r < 0)
		(void)unlinkat(l->fd, temp, 0);
	else
		k->p->count.links++;
	return r;
}

/* ---- a directory ---- */

/* One that is there stays what it is, and is gone into unless it is a link. */
static int take_dir(struct taker *k, const char *name, struct err *e)
{
	const struct level *l = &k->at[k->depth - 1];
	struct level next = { .fd = -1, .head = k->rec.head };
	char text[200];

	if (k->depth > PARCEL_DEPTH)
		return err_set(e, ELOOP, 0, "copy: more than %d directories deep", PARCEL_DEPTH);
	if (*name) {
		next.ours = mkdirat(l->fd, name, 0700) == 0;
		if (!next.ours && errno != EEXIST)
			return parcel_failed(name, "make it", e);
	}
	next.fd = openat(l->fd, *name ? name : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (next.fd < 0)
		return errno == ENOTDIR || errno == ELOOP ?
			       err_set(e, ENOTDIR, 0, "copy %s: what is in its place is no directory",
				       str_show(text, sizeof(text), name)) :
			       parcel_failed(name, "open it", e);
	k->at[k->depth++] = next;
	k->p->count.dirs++;
	return 0;
}

static int take_up(struct taker *k, struct err *e)
{
	struct level *l = &k->at[k->depth - 1];
	int r;

	if (k->depth < 2)
		return bad(e);
	r = l->ours ? finish(k, l->fd, &l->head, "a directory", e) : 0;
	cleanup_fd(&l->fd);
	k->depth--;
	return r;
}

/* ---- the stream ---- */

static int take_record(struct taker *k, const char *name, struct err *e)
{
	int r;

	if (k->rec.head.type == PARCEL_UP)
		return take_up(k, e);
	r = spend(k, ENTRY_COST, e);
	if (r < 0)
		return r;
	switch (k->rec.head.type) {
	case PARCEL_FILE:
		return take_file(k, name, e);
	case PARCEL_DIR:
		return take_dir(k, name, e);
	case PARCEL_LINK:
		return take_link(k, name, e);
	case PARCEL_LEFT:
		k->p->count.left++;
		return 0;
	default:
		return bad(e);
	}
}

/* Below the top every record but an UP has a name, and when the top is over the stream is. */
static int take_tree(struct taker *k, struct err *e)
{
	int r = 0;

	while (!r && k->depth > 1) {
		r = parcel_get(k->p, &k->rec, e);
		if (!r && !k->rec.head.name != (k->rec.head.type == PARCEL_UP))
			r = bad(e);
		if (!r)
			r = take_record(k, k->rec.name, e);
	}
	return r;
}

static int take_top(struct taker *k, struct err *e)
{
	bool dir = k->rec.head.type == PARCEL_DIR;
	int r;

	if ((!dir && k->rec.head.type != PARCEL_FILE) || k->rec.head.name)
		return bad(e);
	if (k->t->fd >= 0)
		return dir ? err_set(e, EISDIR, 0, "copy: a directory does not go to standard output") :
			     take_content(k, k->t->fd, true, e);
	r = place(k, dir, e);
	if (!r)
		r = take_record(k, k->top, e);
	return r < 0 ? r : take_tree(k, e);
}

static int take_all(struct taker *k, struct err *e)
{
	int r = parcel_get(k->p, &k->rec, e);

	if (!r && (k->rec.head.type != PARCEL_HELLO || k->rec.head.value != PARCEL_VERSION))
		r = bad(e);
	if (!r)
		r = parcel_get(k->p, &k->rec, e);
	if (!r)
		r = take_top(k, e);
	if (!r)
		r = parcel_get(k->p, &k->rec, e);
	return !r && k->rec.head.type != PARCEL_END ? bad(e) : r;
}

int parcel_take(struct parcel *p, const struct parcel_target *t, struct err *e)
{
	struct taker *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return err_set(e, ENOMEM, 0, "copy: out of memory");
	k->p = p;
	k->t = t;
	r = take_all(k, e);
	while (k->depth)
		cleanup_fd(&k->at[--k->depth].fd);
	free(k);
	return r;
}
