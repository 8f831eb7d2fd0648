/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading a directory that somebody else may have filled. Every part is opened from its parent's
 * descriptor without following links; the mount it lies on is ours alone, so nothing is mounted
 * below it. Names are taken in the order of their bytes, so that the same tree makes the same
 * image.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "templates/image.h"
#include "templates/source.h"
#include "templates/tree.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"

#define CHUNK 262144
#define OPEN (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)

struct first {                          /* first name of an inode that has several */
	dev_t dev;
	ino_t ino;
	char path[];
};

struct walk {
	struct source *s;
	void *firsts;                   /* tsearch(3) */
	uint8_t *buf;
	char path[TREE_PATH_MAX + 2];   /* "/a/b"; "" is the root */
};

static int by_inode(const void *a, const void *b)
{
	const struct first *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static const char *rel(const struct walk *w)
{
	return *w->path ? w->path + 1 : ".";
}

static int failed(const struct walk *w, const char *verb, struct err *e)
{
	char shown[200];
	int eno = errno;

	tree_show(rel(w), shown);
	errno = eno;
	return err_sys(e, "%s %s", verb, shown);
}

static int take_xattrs(struct walk *w, int fd, struct inode *in, struct err *e)
{
	char names[8192], value[4096];
	ssize_t n = flistxattr(fd, names, sizeof(names));
	int r = 0;

	if (n < 0 && errno != ENOTSUP)
		return failed(w, "list attributes of", e);
	for (ssize_t at = 0; at < n && r >= 0; at += (ssize_t)strlen(names + at) + 1) {
		ssize_t len = fgetxattr(fd, names + at, value, sizeof(value));

		if (len < 0 && errno == ENODATA)
			continue;
		if (len < 0 && !str_starts(names + at, "user."))
			continue;       /* trusted.*, ours to leave out anyway */
		if (len < 0)
			return failed(w, "read attributes of", e);
		r = tree_xattr(in, names + at, value, (size_t)len, e);
		w->s->rep.xattrs += r == 0;
	}
	return r < 0 ? r : 0;
}

static int take_content(struct walk *w, int fd, struct inode *in, uint64_t size, struct err *e)
{
	struct image *img = &w->s->image;
	int r = image_begin(img, in, size, e);

	while (!r && size) {
		ssize_t n = read(fd, w->buf, size < CHUNK ? (size_t)size : CHUNK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed(w, "read", e);
		if (n == 0)
			return err_set(e, EBUSY, 0, "read %.200s: it shrinks meanwhile", rel(w));
		r = image_data(img, w->buf, (size_t)n, e);
		size -= (uint64_t)n;
	}
	return r < 0 ? r : image_end(img, e);
}

/* Returns 1 when the file is one more name of another, which is made. */
static int take_again(struct walk *w, const struct stat *st, struct err *e)
{
	size_t len = strlen(rel(w)) + 1;
	struct first *f, **found;
	int r;

	if (st->st_nlink < 2)
		return 0;
	f = malloc(sizeof(*f) + len);
	if (!f)
		return err_set(e, ENOMEM, 0, "read directory: out of memory");
	f->dev = st->st_dev;
	f->ino = st->st_ino;
	memcpy(f->path, rel(w), len);
	found = tsearch(f, &w->firsts, by_inode);
	if (found && *found == f)
		return 0;
	free(f);
	if (!found)
		return err_set(e, ENOMEM, 0, "read directory: out of memory");
	r = tree_link(&w->s->tree, rel(w), (*found)->path, e);
	return r < 0 ? r : 1;
}

static struct tree_meta meta_of(const struct stat *st)
{
	return (struct tree_meta){ .mode = st->st_mode, .uid = st->st_uid, .gid = st->st_gid,
				   .mtime = st->st_mtim.tv_sec,
				   .nsec = (uint32_t)st->st_mtim.tv_nsec };
}

static int take_dir(struct walk *w, int fd, const struct stat *st, struct err *e);

static int take_opened(struct walk *w, int at, const char *name, const struct stat *seen,
		       struct err *e)
{
	struct tree_meta m;
	struct inode *in;
	struct stat st;
	int fd = openat(at, name, OPEN | O_CLOEXEC), r;

	if (fd < 0 || fstat(fd, &st) < 0) {
		r = failed(w, "open", e);
		cleanup_fd(&fd);
		return r;
	}
	if ((st.st_mode & S_IFMT) != (seen->st_mode & S_IFMT)) {
		(void)close(fd);
		return err_set(e, EBUSY, 0, "read %.200s: it changes meanwhile", rel(w));
	}
	if (S_ISDIR(st.st_mode))
		return take_dir(w, fd, &st, e);
	m = meta_of(&st);
	r = tree_put(&w->s->tree, rel(w), &m, NULL, &in, e);
	if (!r)
		r = take_xattrs(w, fd, in, e);
	if (!r)
		r = take_content(w, fd, in, (uint64_t)st.st_size, e);
	(void)close(fd);
	return r;
}

static int take_one(struct walk *w, int at, const char *name, struct err *e)
{
	char target[TREE_PATH_MAX + 1];
	struct tree_meta m;
	struct inode *in;
	struct stat st;
	ssize_t n = 0;
	int r;

	if (w->s->drop && str_eq(rel(w), w->s->drop))
		return 0;
	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return failed(w, "stat", e);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode) || S_ISSOCK(st.st_mode)) {
		w->s->rep.devices++;
		return 0;
	}
	r = S_ISDIR(st.st_mode) ? 0 : take_again(w, &st, e);
	if (r)
		return r < 0 ? r : 0;
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
		return take_opened(w, at, name, &st, e);
	if (S_ISLNK(st.st_mode)) {
		n = readlinkat(at, name, target, sizeof(target) - 1);
		if (n < 0)
			return failed(w, "read link", e);
	}
	target[n] = '\0';
	m = meta_of(&st);
	return tree_put(&w->s->tree, rel(w), &m, S_ISLNK(st.st_mode) ? target : NULL, &in, e);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

/* Takes the descriptor over. It is closed before the children are visited only in that order. */
static int read_names(struct walk *w, DIR *d, char ***ret, size_t *ret_n, struct err *e)
{
	char **names = NULL, **more;
	struct dirent *de;
	size_t n = 0;

	while ((errno = 0, de = readdir(d))) {
		if (str_eq(de->d_name, ".") || str_eq(de->d_name, ".."))
			continue;
		more = n & (n - 1) ? names : reallocarray(names, n ? 2 * n : 1, sizeof(*names));
		if (more)
			names = more;
		if (!more || !(names[n] = strdup(de->d_name))) {
			free_names(names, n);
			return err_set(e, ENOMEM, 0, "read directory: out of memory");
		}
		n++;
	}
	if (errno) {
		free_names(names, n);
		return failed(w, "read directory", e);
	}
	if (n)
		qsort(names, n, sizeof(*names), compare);
	*ret = names;
	*ret_n = n;
	return 0;
}

static int take_children(struct walk *w, int fd, char **names, size_t n, struct err *e)
{
	size_t used = strlen(w->path);
	int r = 0;

	for (size_t i = 0; i < n && !r; i++) {
		if (str_fmt(w->path + used, sizeof(w->path) - used, "/%s", names[i]) < 0)
			return err_set(e, ENAMETOOLONG, VZ_BAD_TEMPLATE,
				       "read directory: a path longer than %d bytes", TREE_PATH_MAX);
		r = take_one(w, fd, names[i], e);
		w->path[used] = '\0';
	}
	return r;
}

/* The descriptor is taken over. Depth is bounded by tree_put. */
static int take_dir(struct walk *w, int fd, const struct stat *st, struct err *e)
{
	struct tree_meta m = meta_of(st);
	_dir_ DIR *d = fdopendir(fd);
	struct inode *in;
	char **names = NULL;
	size_t n = 0;
	int r;

	if (!d) {
		r = failed(w, "open directory", e);
		(void)close(fd);
		return r;
	}
	r = tree_put(&w->s->tree, rel(w), &m, NULL, &in, e);
	if (!r)
		r = take_xattrs(w, fd, in, e);
	if (!r)
		r = read_names(w, d, &names, &n, e);
	if (!r)
		r = take_children(w, fd, names, n, e);
	free_names(names, n);
	return r;
}

int source_dir(struct source *s, int fd, struct err *e)
{
	struct walk *w = calloc(1, sizeof(*w));
	int r, top = openat(fd, ".", OPEN | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (w) {
		w->s = s;
		w->buf = malloc(CHUNK);
	}
	if (!w || !w->buf)
		r = err_set(e, ENOMEM, 0, "read directory: out of memory");
	else if (top < 0 || fstat(top, &st) < 0)
		r = err_sys(e, "open directory");
	else
		r = take_dir(w, TAKE_FD(top), &st, e);
	cleanup_fd(&top);
	if (w) {
		tdestroy(w->firsts, free);
		free(w->buf);
	}
	free(w);
	return r;
}
