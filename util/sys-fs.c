/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/sys-fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/parse.h"
#include "util/str.h"
#include "util/sys-call.h"
#include "util/sys-lock.h"

/*
 * RESOLVE_IN_ROOT may answer EAGAIN when a rename or mount races with the walk; the kernel
 * asks to try again (openat2(2)). A hostile guest could rename for ever, hence the bound.
 */
#define OPENAT2_TRIES 128

static int open_in_root(int dfd, const char *rel, uint64_t flags, mode_t mode)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.mode = flags & (O_CREAT | O_TMPFILE) ? mode : 0,
		/* A mount that the guest made may be a filesystem that answers as it likes. */
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	int fd, tries = 0;

	if (!(flags & O_PATH))
		how.flags |= O_NONBLOCK | O_NOCTTY;
	do {
		fd = sys_openat2(dfd, rel, &how);
	} while (fd < 0 && (errno == EAGAIN || errno == EINTR) && ++tries < OPENAT2_TRIES);
	return fd;
}

static int open_checked(int dfd, const char *rel, uint64_t flags, mode_t mode, mode_t type,
			int *ret, struct err *e)
{
	_fd_ int fd = open_in_root(dfd, rel, flags, mode);
	struct stat st;

	if (fd < 0)
		return err_sys(e, "open %s in the root", rel);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat %s in the root", rel);
	if (type && (st.st_mode & S_IFMT) != type)
		return err_set(e, EINVAL, 0, "open %s in the root: not a %s", rel,
			       type == S_IFDIR ? "directory" : "regular file");
	*ret = TAKE_FD(fd);
	return 0;
}

int fs_open_in_root(int dfd, const char *rel, int flags, mode_t mode, mode_t type, int *ret,
		    struct err *e)
{
	return open_checked(dfd, rel, (uint64_t)flags | O_NOFOLLOW, mode, type, ret, e);
}

int fs_open_in_root_follow(int dfd, const char *rel, int flags, mode_t type, int *ret,
			   struct err *e)
{
	return open_checked(dfd, rel, (uint64_t)flags, 0, type, ret, e);
}

/* Split a/b/c into "a/b" and "c"; refuses an empty or dotted last part. */
static int split_path(const char *rel, char dir[PATH_MAX], const char **ret_name)
{
	const char *slash = strrchr(rel, '/');
	const char *name = slash ? slash + 1 : rel;

	if (!*name || str_eq(name, ".") || str_eq(name, ".."))
		return -EINVAL;
	if (!slash)
		(void)str_fmt(dir, PATH_MAX, ".");
	else if (str_fmt(dir, PATH_MAX, "%.*s", slash == rel ? 1 : (int)(slash - rel), rel) < 0)
		return -ENAMETOOLONG;
	*ret_name = name;
	return 0;
}

static int open_parent_in_root(int dfd, const char *rel, int *ret, const char **ret_name,
			       struct err *e)
{
	char dir[PATH_MAX];
	int r = split_path(rel, dir, ret_name);

	if (r < 0)
		return err_set(e, -r, 0, "open %s in the root: bad path", rel);
	return fs_open_in_root_follow(dfd, dir, O_RDONLY | O_DIRECTORY, S_IFDIR, ret, e);
}

struct put {
	const char *text;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	bool durable;
};

static int put_and_rename(int dir, const char *tmp, const char *name, const struct put *p)
{
	_fd_ int fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : fs_write_all(fd, p->text, strlen(p->text));

	if (fd < 0)
		return r;
	if (!r && (fchown(fd, p->uid, p->gid) < 0 || fchmod(fd, p->mode) < 0 ||
		   (p->durable && fsync(fd) < 0) || renameat(dir, tmp, dir, name) < 0))
		r = -errno;
	if (r < 0)
		(void)unlinkat(dir, tmp, 0);
	return r < 0 || !p->durable || fsync(dir) == 0 ? r : -errno;
}

static int replace_in_root(int dfd, const char *rel, const struct put *p, struct err *e)
{
	_fd_ int dir = -1;
	const char *name;
	char tmp[NAME_MAX + 1];
	int r = open_parent_in_root(dfd, rel, &dir, &name, e);

	if (r < 0)
		return r;
	if (str_fmt(tmp, sizeof(tmp), ".%.200s.berth", name) < 0)
		return err_set(e, ENAMETOOLONG, 0, "write %s in the root: name too long", rel);
	(void)unlinkat(dir, tmp, 0);            /* left by a killed writer, or planted */
	r = put_and_rename(dir, tmp, name, p);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "write %s in the root", rel);
	}
	return 0;
}

int fs_replace_in_root(int dfd, const char *rel, const char *text, mode_t mode, uid_t uid,
		       gid_t gid, struct err *e)
{
	return replace_in_root(dfd, rel, &(struct put){ text, mode, uid, gid, false }, e);
}

int fs_save_in_root(int dfd, const char *rel, const char *text, mode_t mode, uid_t uid, gid_t gid,
		    struct err *e)
{
	return replace_in_root(dfd, rel, &(struct put){ text, mode, uid, gid, true }, e);
}

int fs_mkdir_in_root(int dfd, const char *rel, mode_t mode, uid_t uid, gid_t gid,
		     struct err *e)
{
	_fd_ int at = openat(dfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char part[NAME_MAX + 1], walked[PATH_MAX] = "";
	const char *p = rel;

	if (at < 0)
		return err_sys(e, "open the root");
	while (*(p += strspn(p, "/"))) {
		size_t n = strcspn(p, "/"), w = strlen(walked);
		int next;

		if (str_fmt(part, sizeof(part), "%.*s", (int)n, p) < 0 ||
		    str_fmt(walked + w, sizeof(walked) - w, "/%s", part) < 0)
			return err_set(e, ENAMETOOLONG, 0, "make directory %s: name too long", rel);
		if (mkdirat(at, part, mode) == 0) {
			if (fchownat(at, part, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
				return err_sys(e, "chown directory %s in the root", walked);
		} else if (errno != EEXIST) {
			return err_sys(e, "make directory %s in the root", walked);
		}
		/* Resolve from the root again: an existing part may be a link inside it. */
		next = open_in_root(dfd, walked, O_RDONLY | O_DIRECTORY, 0);
		if (next < 0)
			return err_sys(e, "open directory %s in the root", walked);
		(void)close(at);
		at = next;
		p += n;
	}
	return 0;
}

/* size: what the file has; 0 for one of the kernel's, which do not say. */
static int read_text(int fd, const char *name, size_t size, size_t max, char **ret, size_t *ret_len,
		     struct err *e)
{
	size_t cap = 4096, len = 0;
	_free_ char *buf = malloc(cap);

	for (;;) {
		ssize_t n;

		if (!buf)
			return err_set(e, ENOMEM, 0, "read %s: out of memory", name);
		n = read(fd, buf + len, cap - len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read %s", name);
		len += (size_t)n;
		if (len > max)
			return err_set(e, EFBIG, 0, "read %s: larger than %zu bytes", name, max);
		if (n == 0 || (size && len >= size))
			break;
		if (cap - len < 2) {
			char *more = realloc(buf, cap * 2);

			if (!more)
				return err_set(e, ENOMEM, 0, "read %s: out of memory", name);
			buf = more;
			cap *= 2;
		}
	}
	buf[len] = '\0';
	if (ret_len)
		*ret_len = len;
	*ret = TAKE_PTR(buf);
	return 0;
}

int fs_read_fd(int fd, const char *name, size_t max, char **ret, size_t *ret_len, struct err *e)
{
	return read_text(fd, name, 0, max, ret, ret_len, e);
}

int fs_read_at(int dfd, const char *path, size_t max, char **ret, size_t *ret_len, struct err *e)
{
	_fd_ int fd = openat(dfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0 && errno == ELOOP)
		return err_set(e, ELOOP, 0, "open %s: is a symbolic link", path);
	if (fd < 0)
		return err_sys(e, "open %s", path);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, EINVAL, 0, "open %s: not a regular file", path);
	return read_text(fd, path, (size_t)st.st_size, max, ret, ret_len, e);
}

int fs_write_at(int dfd, const char *path, const char *text, struct err *e)
{
	_fd_ int fd = openat(dfd, path, O_WRONLY | O_CLOEXEC);
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0)
		return err_sys(e, "open %s", path);
	do {
		n = write(fd, text, len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, "write \"%s\" to %s", text, path);
	if ((size_t)n != len)
		return err_set(e, EIO, 0, "write \"%s\" to %s: short write", text, path);
	return 0;
}

int fs_read_u64(int dfd, const char *path, uint64_t *ret)
{
	_fd_ int fd = openat(dfd, path, O_RDONLY | O_CLOEXEC);
	char buf[32];
	ssize_t n;

	if (fd < 0)
		return -errno;
	do {
		n = read(fd, buf, sizeof(buf) - 1);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	if (str_eq(buf, "max")) {
		*ret = UINT64_MAX;
		return 0;
	}
	return parse_u64(buf, 0, UINT64_MAX, ret);
}

/*
 * The temporary file beside the real one has a fixed name, so that the next save takes over
 * what a killed one left; writers of one file take turns by its lock. Returns the open file.
 */
static int open_tmp(int dir, const char *tmp, mode_t mode)
{
	for (;;) {
		_fd_ int fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, mode);
		struct stat mine, there;
		int r = fd < 0 ? -errno : flock_wait(fd, LOCK_EX, FLOCK_BRIEF_MS);

		if (r < 0 || fstat(fd, &mine) < 0)
			return r < 0 ? r : -errno;
		/* The writer before us renamed the file away while we waited: make another. */
		if (fstatat(dir, tmp, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
		    there.st_ino == mine.st_ino)
			return TAKE_FD(fd);
	}
}

static int save_and_rename(int dir, const char *tmp, const char *name, const char *text,
			   mode_t mode)
{
	_fd_ int fd = open_tmp(dir, tmp, mode);
	int r;

	if (fd < 0)
		return fd;
	r = ftruncate(fd, 0) < 0 ? -errno : fs_write_all(fd, text, strlen(text));
	if (!r && (fchmod(fd, mode) < 0 || fsync(fd) < 0 || renameat(dir, tmp, dir, name) < 0))
		r = -errno;
	if (r < 0)
		(void)unlinkat(dir, tmp, 0);
	return r;
}

static int open_saved(int dfd, const char *path, int *ret_dir, const char **ret_name,
		      char tmp[NAME_MAX + 1])
{
	char parent[PATH_MAX];
	int fd, r = split_path(path, parent, ret_name);

	if (r < 0 || str_fmt(tmp, NAME_MAX + 1, ".%.200s.tmp", *ret_name) < 0)
		return -EINVAL;
	fd = openat(dfd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_dir = fd;
	return 0;
}

static int save(int dfd, const char *path, const char *text, mode_t mode, bool durable,
		struct err *e)
{
	char tmp[NAME_MAX + 1];
	_fd_ int dir = -1;
	const char *name;
	struct stat st;
	int r = open_saved(dfd, path, &dir, &name, tmp);

	if (!r && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(st.st_mode))
		return err_set(e, EINVAL, 0, "save %s: exists and is not a regular file", path);
	if (!r)
		r = save_and_rename(dir, tmp, name, text, mode);
	if (!r && durable && fsync(dir) < 0)
		r = -errno;
	if (r < 0) {
		errno = -r;
		return err_sys(e, "save %s", path);
	}
	return 0;
}

int fs_save_at(int dfd, const char *path, const char *text, mode_t mode, struct err *e)
{
	return save(dfd, path, text, mode, true, e);
}

int fs_save_early_at(int dfd, const char *path, const char *text, mode_t mode, struct err *e)
{
	return save(dfd, path, text, mode, false, e);
}

void fs_unlink_saved(int dfd, const char *path)
{
	char tmp[NAME_MAX + 1];
	_fd_ int dir = -1;
	const char *name;

	if (open_saved(dfd, path, &dir, &name, tmp) < 0)
		return;
	(void)unlinkat(dir, name, 0);
	(void)unlinkat(dir, tmp, 0);
}

int fs_mkdir_p(int dfd, const char *path, mode_t mode, struct err *e)
{
	char part[PATH_MAX];
	char *p;

	if (str_fmt(part, sizeof(part), "%s", path) < 0)
		return err_set(e, ENAMETOOLONG, 0, "make directory %s: name too long", path);
	for (p = part + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		if (mkdirat(dfd, part, 0755) < 0 && errno != EEXIST)
			return err_sys(e, "make directory %s", part);
	}
	if (mkdirat(dfd, part, mode) < 0 && errno != EEXIST)
		return err_sys(e, "make directory %s", part);
	return 0;
}

int fs_open_dir(int dfd, const char *path, int *ret, struct err *e)
{
	int fd = openat(dfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "open directory %s", path);
	*ret = fd;
	return 0;
}

/*
 * A tenant can nest directories deeper than we have descriptors, or stack. What lies too deep is
 * lifted into the directory that is to be removed, and is one more thing in that.
 */
#define REMOVE_DEPTH 100

struct removal {
	dev_t dev;
	int top;
	unsigned depth, lifted;
};

static int remove_at(struct removal *rm, int dfd, const char *name);

static int remove_children(struct removal *rm, int dfd)
{
	int copy = openat(dfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_dir_ DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *de;
	int r;

	if (!d) {
		r = -errno;
		if (copy >= 0)
			(void)close(copy);
		return r;
	}
	while ((errno = 0, de = readdir(d))) {
		if (str_eq(de->d_name, ".") || str_eq(de->d_name, ".."))
			continue;
		r = remove_at(rm, dfd, de->d_name);
		if (r < 0)
			return r;
	}
	return -errno;
}

static int lift(struct removal *rm, int dfd, const char *name)
{
	char at_top[32];
	int r;

	do {
		(void)str_fmt(at_top, sizeof(at_top), ".lifted-%u", rm->lifted++);
		r = renameat2(dfd, name, rm->top, at_top, RENAME_NOREPLACE);
	} while (r < 0 && errno == EEXIST);     /* of a removal that was killed */
	return r < 0 ? -errno : 0;
}

/* What was lifted meanwhile may have been read past. */
static int remove_top(struct removal *rm, int fd)
{
	unsigned before;
	int r;

	rm->top = fd;
	do {
		before = rm->lifted;
		r = remove_children(rm, fd);
	} while (!r && rm->lifted != before);
	return r;
}

static int remove_at(struct removal *rm, int dfd, const char *name)
{
	_fd_ int fd = -1;
	struct stat st;
	int r;

	if (unlinkat(dfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	fd = openat(dfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != rm->dev)
		return -EBUSY;                  /* something is mounted here: not ours to empty */
	if (rm->depth >= REMOVE_DEPTH)
		return lift(rm, dfd, name);
	r = rm->depth++ ? remove_children(rm, fd) : remove_top(rm, fd);
	rm->depth--;
	if (r < 0)
		return r;
	return unlinkat(dfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

int fs_remove_tree(int dfd, const char *path, struct err *e)
{
	struct removal rm = { .top = -1 };
	char parent[PATH_MAX];
	_fd_ int dir = -1;
	const char *name;
	struct stat st;
	int r = split_path(path, parent, &name);

	if (r < 0)
		return err_set(e, -r, 0, "remove %s: bad path", path);
	dir = openat(dfd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? 0 : err_sys(e, "remove %s", path);
	if (fstat(dir, &st) < 0)
		return err_sys(e, "remove %s", path);
	rm.dev = st.st_dev;
	r = remove_at(&rm, dir, name);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "remove %s", path);
	}
	return 0;
}

int fs_write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int fs_pread_all(int fd, void *buf, size_t len, off_t off)
{
	char *p = buf;

	while (len) {
		ssize_t n = pread(fd, p, len, off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		p += n;
		off += n;
		len -= (size_t)n;
	}
	return 0;
}
