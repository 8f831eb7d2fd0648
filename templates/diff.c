/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/diff.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/str.h"

#define DEPTH_MAX 64            /* of directories; a system's files lie within a dozen */

/* ---- files ---- */

static bool same_link(int a, int b, const char *name)
{
	char ta[PATH_MAX], tb[PATH_MAX];
	ssize_t na = readlinkat(a, name, ta, sizeof(ta)), nb = readlinkat(b, name, tb, sizeof(tb));

	return na >= 0 && na == nb && !memcmp(ta, tb, (size_t)na);
}

static int open_file(int dir, const char *name)
{
	return openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static bool same_content(int a, int b, const char *name)
{
	_fd_ int fa = open_file(a, name), fb = open_file(b, name);
	char ba[32768], bb[32768];

	if (fa < 0 || fb < 0)
		return false;
	for (;;) {
		ssize_t n = read(fa, ba, sizeof(ba));

		if (n < 0 || read(fb, bb, sizeof(bb)) != n)
			return false;
		if (n == 0)
			return true;
		if (memcmp(ba, bb, (size_t)n) != 0)
			return false;
	}
}

bool diff_same(int a, int b, const char *name)
{
	bool in_a, in_b;
	struct stat sa, sb;

	in_a = a >= 0 && fstatat(a, name, &sa, AT_SYMLINK_NOFOLLOW) == 0;
	in_b = b >= 0 && fstatat(b, name, &sb, AT_SYMLINK_NOFOLLOW) == 0;
	if (!in_a || !in_b)
		return in_a == in_b;
	if (sa.st_mode != sb.st_mode || sa.st_uid != sb.st_uid || sa.st_gid != sb.st_gid)
		return false;
	if (S_ISLNK(sa.st_mode))
		return same_link(a, b, name);
	if (S_ISREG(sa.st_mode))
		return sa.st_size == sb.st_size && same_content(a, b, name);
	return S_ISDIR(sa.st_mode) || sa.st_rdev == sb.st_rdev;
}

int diff_enter(int dir, const char *name)
{
	return dir < 0 ? -1 :
	       openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

struct walk {
	diff_fn *fn;
	void *arg;
	char path[PATH_MAX];
	size_t len;
	bool ended;
};

static int walk_dir(struct walk *w, int old, int new, unsigned depth, struct err *e);

static int visit(struct walk *w, int old, int new, const char *name, unsigned depth,
		 struct err *e)
{
	_fd_ int a = -1, b = -1;
	size_t len = w->len;
	int n, r = 0;

	n = str_fmt(w->path + len, sizeof(w->path) - len, "/%s", name);
	if (n < 0)
		return 0;               /* longer than any path that can be opened */
	w->len += (size_t)n;
	if (!diff_same(old, new, name))
		w->ended = !w->fn(w->arg, w->path);
	a = diff_enter(old, name);
	b = diff_enter(new, name);
	if (!w->ended && a >= 0 && b >= 0)
		r = walk_dir(w, a, b, depth + 1, e);
	w->len = len;
	w->path[len] = '\0';
	return r;
}

/* Entries of one directory; `also` are those in the other one that have been visited. */
static int visit_entries(struct walk *w, int list, int also, const int pair[2], struct err *e,
			 unsigned depth)
{
	int fd = openat(list, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	if (!d)
		return err_sys(e, "read directory %s", w->path);
	while (!r && !w->ended && (de = readdir(d))) {
		if (str_eq(de->d_name, ".") || str_eq(de->d_name, "..") ||
		    (also >= 0 && faccessat(also, de->d_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0))
			continue;
		r = visit(w, pair[0], pair[1], de->d_name, depth, e);
	}
	return r;
}

static int walk_dir(struct walk *w, int old, int new, unsigned depth, struct err *e)
{
	const int pair[2] = { old, new };
	int r;

	if (depth > DEPTH_MAX)
		return 0;
	r = visit_entries(w, old, -1, pair, e, depth);
	return r < 0 || w->ended ? r : visit_entries(w, new, old, pair, e, depth);
}

int diff_files(int old, int new, diff_fn *fn, void *arg, struct err *e)
{
	struct walk w = { .fn = fn, .arg = arg };

	return walk_dir(&w, old, new, 0, e);
}
