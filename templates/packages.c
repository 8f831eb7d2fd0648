/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Package databases that are text: dpkg's and apk's, paragraphs of "Key: value" lines. They come
 * from a root that may be anybody's: sizes are bounded, words are cut to a plain alphabet.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "templates/diff.h"
#include "util/cleanup.h"
#include "util/str.h"
#include "util/sys-fs.h"

#define DB_MAX (64 << 20)
#define PKG_MAX 100000

static const struct database {
	const char *path, *name, *version;
	const char *status, *installed;         /* a line that says so; NULL: all there are */
} databases[] = {
	{ "var/lib/dpkg/status", "Package: ", "Version: ", "Status: ", "install ok installed" },
	{ "lib/apk/db/installed", "P:", "V:", NULL, NULL },
};

struct pkg {
	char name[96], version[96];
	bool installed;
};

struct pkgs {
	struct pkg *p;
	size_t n, cap;
};

static int begin(struct pkgs *l)
{
	if (l->n == PKG_MAX)
		return -E2BIG;
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 256;
		struct pkg *more = reallocarray(l->p, cap, sizeof(*more));

		if (!more)
			return -ENOMEM;
		l->p = more;
		l->cap = cap;
	}
	l->p[l->n] = (struct pkg){ 0 };
	return 0;
}

/* Version of Debian policy 5.6.12, and of apk: nothing else gets through. */
static void take(char *dst, size_t size, const char *s, size_t len)
{
	if (len >= size || str_fmt(dst, size, "%.*s", (int)len, s) < 0 ||
	    !str_is_word(dst, ".+-:~_"))
		*dst = '\0';
}

static bool has_key(const char *line, size_t len, const char *key)
{
	size_t n = key ? strlen(key) : 0;

	return n && len >= n && !memcmp(line, key, n);
}

static void take_line(const struct database *db, struct pkg *p, const char *line, size_t len)
{
	if (has_key(line, len, db->name))
		take(p->name, sizeof(p->name), line + strlen(db->name), len - strlen(db->name));
	else if (has_key(line, len, db->version))
		take(p->version, sizeof(p->version), line + strlen(db->version),
		     len - strlen(db->version));
	else if (has_key(line, len, db->status))
		p->installed = len == strlen(db->status) + strlen(db->installed) &&
			       has_key(line + strlen(db->status), len - strlen(db->status),
				       db->installed);
}

static int parse(const struct database *db, const char *text, struct pkgs *l)
{
	int r = begin(l);

	for (const char *s = text; !r && *s;) {
		size_t len = strcspn(s, "\n");
		struct pkg *p = &l->p[l->n];

		take_line(db, p, s, len);
		s += len + (s[len] == '\n');
		if (len && *s)
			continue;
		if (*p->name && *p->version && (p->installed || !db->status))
			l->n++;
		r = begin(l);
	}
	return r;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct pkg *)a)->name, ((const struct pkg *)b)->name);
}

/* The first database that is there. */
static int read_packages(int root, struct pkgs *l, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(databases); i++) {
		struct err none = ERR_INIT;
		_free_ char *text = NULL;
		_fd_ int fd = -1;
		int r;

		if (fs_open_in_root(root, databases[i].path, O_RDONLY, 0, S_IFREG, &fd, &none) < 0)
			continue;
		r = fs_read_fd(fd, databases[i].path, DB_MAX, &text, NULL, e);
		if (!r && parse(&databases[i], text, l) < 0)
			r = err_set(e, E2BIG, 0, "read %s: too many packages", databases[i].path);
		if (!r && l->n)
			qsort(l->p, l->n, sizeof(*l->p), by_name);
		return r;
	}
	return 0;
}

static void put(struct pkg_change *c, const char *name, const struct pkg *from,
		const struct pkg *to)
{
	(void)str_fmt(c->name, sizeof(c->name), "%s", name);
	(void)str_fmt(c->from, sizeof(c->from), "%s", from ? from->version : "");
	(void)str_fmt(c->to, sizeof(c->to), "%s", to ? to->version : "");
}

/* Both are sorted: one walk. out has room for all of both. */
static size_t merge(const struct pkgs *a, const struct pkgs *b, struct pkg_change *out)
{
	size_t i = 0, j = 0, n = 0;

	while (i < a->n || j < b->n) {
		const struct pkg *x = i < a->n ? &a->p[i] : NULL, *y = j < b->n ? &b->p[j] : NULL;
		int c = !x ? 1 : !y ? -1 : strcmp(x->name, y->name);

		if (c != 0 || !str_eq(x->version, y->version))
			put(&out[n++], x && c <= 0 ? x->name : y->name, c <= 0 ? x : NULL,
			    c >= 0 ? y : NULL);
		i += c <= 0;
		j += c >= 0;
	}
	return n;
}

int diff_packages(int old, int new, struct pkg_change **ret, size_t *ret_n, struct err *e)
{
	struct pkgs a = { 0 }, b = { 0 };
	struct pkg_change *out = NULL;
	int r = read_packages(old, &a, e);

	if (!r)
		r = read_packages(new, &b, e);
	if (!r)
		out = calloc(a.n + b.n + 1, sizeof(*out));
	if (!r && !out)
		r = err_set(e, ENOMEM, 0, "compare packages: out of memory");
	if (!r) {
		*ret_n = merge(&a, &b, out);
		*ret = out;
	}
	free(a.p);
	free(b.p);
	return r;
}
