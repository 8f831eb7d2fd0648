/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files with several names. The first copy also gets a name in the directory `files`, its inode's
 * number at the source; the next name of the same inode is made a link of that. So the memory
 * needed does not grow with what a tenant has made, and no path is ever resolved.
 *
 * Order. Ids, then mode (chown(2) clears set-user-id bits), then attributes (it clears capabilities,
 * too), then times; a directory's own after all that is below it.
 */
#include "util/sys-tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/str.h"
#include "util/sys-fs.h"

#define NAMES_MAX 65536         /* of the attributes of one file: XATTR_LIST_MAX of the kernel */

struct walk {
	const struct tree_copy *c;
	uint64_t done;
	dev_t dev;
	char *names, *value;            /* buffers of NAMES_MAX, XATTR_SIZE_MAX */
};

/* One thing to copy: the name is the same in both directories. */
struct item {
	int from, to;
	const char *name;
	struct stat st;
};

static int failed(const struct item *i, const char *what, struct err *e)
{
	return err_sys(e, "copy %.100s: %s", str_has_control(i->name) ? "?" : i->name, what);
}

/* The only names for things that cannot be opened; the last part is not followed by l*xattr(2). */
static int path_of(int dir, const char *name, char dst[NAME_MAX + 64])
{
	return str_fmt(dst, NAME_MAX + 64, "/proc/self/fd/%d/%s", dir, name);
}

static int copy_attrs(struct walk *w, const struct item *i, struct err *e)
{
	char from[NAME_MAX + 64], to[NAME_MAX + 64];
	ssize_t n;

	if (path_of(i->from, i->name, from) < 0 || path_of(i->to, i->name, to) < 0)
		return err_set(e, ENAMETOOLONG, 0, "copy a file: its name is too long");
	n = llistxattr(from, w->names, NAMES_MAX);
	if (n < 0)
		return errno == EOPNOTSUPP ? 0 : failed(i, "list its attributes", e);
	for (const char *name = w->names; name < w->names + n; name += strlen(name) + 1) {
		ssize_t len = lgetxattr(from, name, w->value, XATTR_SIZE_MAX);

		if (len < 0 || lsetxattr(to, name, w->value, (size_t)len, 0) < 0)
			return failed(i, name, e);
	}
	return 0;
}

static int copy_meta(struct walk *w, const struct item *i, struct err *e)
{
	const struct timespec times[2] = { i->st.st_atim, i->st.st_mtim };
	int r;

	if (fchownat(i->to, i->name, i->st.st_uid, i->st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return failed(i, "give it its owner", e);
	if (!S_ISLNK(i->st.st_mode) && fchmodat(i->to, i->name, i->st.st_mode & 07777, 0) < 0)
		return failed(i, "give it its mode", e);
	r = copy_attrs(w, i, e);
	if (!r && utimensat(i->to, i->name, times, AT_SYMLINK_NOFOLLOW) < 0)
		r = failed(i, "give it its times", e);
	return r;
}

static void key_of(const struct item *i, char dst[24])
{
	(void)str_fmt(dst, 24, "%" PRIu64, (uint64_t)i->st.st_ino);
}

static int copy_data(struct walk *w, const struct item *i, struct err *e)
{
	_fd_ int from = -1, to = -1;
	struct stat now;
	int r;

	from = openat(i->from, i->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (from < 0 || fstat(from, &now) < 0)
		return failed(i, "open it", e);
	if (!S_ISREG(now.st_mode) || now.st_ino != i->st.st_ino)
		return err_set(e, EBUSY, 0, "copy a tree: it is being changed");
	to = openat(i->to, i->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return failed(i, "make it", e);
	r = now.st_size ? copy_sparse(from, to, NULL, e) : 0;
	w->done += (uint64_t)now.st_blocks * 512;
	if (w->c->w && w->c->w->tell)
		w->c->w->tell(w->c->w->arg, w->done < w->c->bytes ? w->done : w->c->bytes,
			      w->c->bytes);
	return r;
}

static int copy_link(const struct item *i, struct err *e)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(i->from, i->name, target, sizeof(target) - 1);

	if (n < 0)
		return failed(i, "read the link", e);
	target[n] = '\0';
	return symlinkat(target, i->to, i->name) < 0 ? failed(i, "make the link", e) : 0;
}

/* 1: it was one more name of what is copied already. */
static int make_item(struct walk *w, const struct item *i, struct err *e)
{
	char key[24];

	key_of(i, key);
	if (i->st.st_nlink > 1) {
		if (linkat(w->c->files, key, i->to, i->name, 0) == 0)
			return 1;
		if (errno != ENOENT)
			return failed(i, "make the link", e);
	}
	if (S_ISREG(i->st.st_mode))
		return copy_data(w, i, e);
	if (S_ISLNK(i->st.st_mode))
		return copy_link(i, e);
	return mknodat(i->to, i->name, i->st.st_mode & (S_IFMT | 0600), i->st.st_rdev) < 0 ?
		       failed(i, "make it", e) : 0;
}

static int copy_file(struct walk *w, const struct item *i, struct err *e)
{
	char key[24];
	int r = make_item(w, i, e);

	if (r)
		return r < 0 ? r : 0;
	r = copy_meta(w, i, e);
	key_of(i, key);
	if (!r && i->st.st_nlink > 1 && linkat(i->to, i->name, w->c->files, key, 0) < 0)
		r = failed(i, "note the link", e);
	return r;
}

static int copy_below(struct walk *w, int from, int to, unsigned depth, struct err *e);

static int copy_dir(struct walk *w, const struct item *i, unsigned depth, struct err *e)
{
	_fd_ int from = -1, to = -1;
	int r;

	if (depth == TREE_DEPTH)
		return err_set(e, ELOOP, 0, "copy a tree: it is more than %d directories deep",
			       TREE_DEPTH);
	if (i->st.st_dev != w->dev)
		return err_set(e, EXDEV, 0, "copy a tree: something is mounted in it");
	if (mkdirat(i->to, i->name, 0700) < 0)
		return failed(i, "make it", e);
	r = fs_open_dir(i->from, i->name, &from, e);
	if (!r)
		r = fs_open_dir(i->to, i->name, &to, e);
	if (!r)
		r = copy_below(w, from, to, depth + 1, e);
	return r < 0 ? r : copy_meta(w, i, e);
}

static int copy_below(struct walk *w, int from, int to, unsigned depth, struct err *e)
{
	int copy = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	_dir_ DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct item i = { .from = from, .to = to };
	const struct dirent *de;

	if (!d)
		return err_sys(e, "copy a tree: read a directory");
	while (!r && (errno = 0, de = readdir(d))) {
		if (str_eq(de->d_name, ".") || str_eq(de->d_name, ".."))
			continue;
		i.name = de->d_name;
		if (fstatat(from, de->d_name, &i.st, AT_SYMLINK_NOFOLLOW) < 0)
			r = failed(&i, "look at it", e);
		else
			r = S_ISDIR(i.st.st_mode) ? copy_dir(w, &i, depth, e) : copy_file(w, &i, e);
	}
	if (!r && errno)
		r = err_sys(e, "copy a tree: read a directory");
	return r;
}

int tree_copy(const struct tree_copy *c, struct err *e)
{
	_free_ char *names = malloc(NAMES_MAX), *value = malloc(XATTR_SIZE_MAX);
	struct walk w = { .c = c, .names = names, .value = value };
	struct item top = { .from = c->from, .to = c->to, .name = "." };
	int r;

	if (!names || !value)
		return err_set(e, ENOMEM, 0, "copy a tree: out of memory");
	if (fstat(c->from, &top.st) < 0)
		return err_sys(e, "copy a tree");
	w.dev = top.st.st_dev;
	r = copy_below(&w, c->from, c->to, 0, e);
	return r < 0 ? r : copy_meta(&w, &top, e);
}
