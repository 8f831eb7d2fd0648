/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/guestfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/str.h"
#include "util/sys-fs.h"

#define MAX_FILE (1024 * 1024)  /* of hosts, passwd and the like; a tenant may write anything */
#define BLOCK_BEGIN "# BEGIN berth, rewritten at every start"
#define BLOCK_END "# END berth"

void text_free(struct text *t)
{
	free(t->p);
	*t = (struct text)TEXT_INIT;
}

void text_add(struct text *t, const char *s, size_t len)
{
	if (t->len + len + 1 > t->cap) {
		size_t cap = (t->len + len + 1) * 2;
		char *p = realloc(t->p, cap);

		if (!p) {
			t->oom = true;
			return;
		}
		t->p = p;
		t->cap = cap;
	}
	memcpy(t->p + t->len, s, len);
	t->len += len;
	t->p[t->len] = '\0';
}

void text_addf(struct text *t, const char *fmt, ...)
{
	_free_ char *s = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0) {
		s = NULL;
		t->oom = true;
		return;
	}
	text_add(t, s, (size_t)n);
}

const char *line_next(const char **s, size_t *ret_len)
{
	const char *line = *s;

	if (!*line)
		return NULL;
	*ret_len = strcspn(line, "\n");
	*s = line + *ret_len + (line[*ret_len] == '\n');
	return line;
}

bool line_is(const char *line, size_t len, const char *word)
{
	size_t n = strlen(word);

	return len >= n && memcmp(line, word, n) == 0 &&
	       (len == n || strchr(" \t=", line[n]) != NULL);
}

int guest_read(const struct guest_conf *g, const char *rel, char **ret, struct stat *st,
	       struct err *e)
{
	_fd_ int fd = -1;
	size_t len;
	int r = fs_open_in_root(g->root, rel, O_RDONLY, 0, S_IFREG, &fd, e);

	if (r == -ENOENT || r == -ELOOP || r == -EINVAL || r == -ENXIO || r == -ENOTDIR) {
		err_clear(e);
		*ret = strdup("");
		return *ret ? 0 : err_set(e, ENOMEM, 0, "read %s: out of memory", rel);
	}
	if (r < 0)
		return r;
	if (fstat(fd, st) < 0)
		return err_sys(e, "stat %s", rel);
	r = fs_read_fd(fd, rel, MAX_FILE, ret, &len, e);
	return r < 0 ? r : 1;
}

static int put(const struct guest_conf *g, const char *rel, const struct text *t,
	       const struct stat *st, bool durable, struct err *e)
{
	mode_t mode = st ? st->st_mode & 0777 : 0644;
	uid_t uid = st ? st->st_uid : g->uid;
	gid_t gid = st ? st->st_gid : g->gid;

	if (t->oom)
		return err_set(e, ENOMEM, 0, "write %s: out of memory", rel);
	return (durable ? fs_save_in_root : fs_replace_in_root)(g->root, rel, t->p ? t->p : "", mode,
								uid, gid, e);
}

int guest_put(const struct guest_conf *g, const char *rel, const struct text *t,
	      const struct stat *st, struct err *e)
{
	return put(g, rel, t, st, false, e);
}

int guest_save(const struct guest_conf *g, const char *rel, const struct text *t,
	       const struct stat *st, struct err *e)
{
	return put(g, rel, t, st, true, e);
}

static bool line_eq(const char *line, size_t len, const char *s)
{
	return len == strlen(s) && memcmp(line, s, len) == 0;
}

bool guest_block_mark(const char *line, size_t len)
{
	return line_eq(line, len, BLOCK_BEGIN) || line_eq(line, len, BLOCK_END);
}

/* All of s except blocks of ours. A block whose end was cut off ends with the file. */
static void add_without_block(struct text *out, const char *s)
{
	const char *line;
	bool in = false;
	size_t len;

	while ((line = line_next(&s, &len))) {
		if (line_eq(line, len, BLOCK_BEGIN))
			in = true;
		if (!in) {
			text_add(out, line, len);
			text_add(out, "\n", 1);
		}
		if (line_eq(line, len, BLOCK_END))
			in = false;
	}
}

int guest_put_block(const struct guest_conf *g, const char *rel, const char *first,
		    const struct text *block, struct err *e)
{
	_text_ struct text out = TEXT_INIT;
	_free_ char *old = NULL;
	struct stat st;
	int r = guest_read(g, rel, &old, &st, e);

	if (r < 0)
		return r;
	add_without_block(&out, r == 1 ? old : first);
	text_addf(&out, "%s\n%s%s\n", BLOCK_BEGIN, block->p ? block->p : "", BLOCK_END);
	out.oom |= block->oom;
	if (r == 1 && out.p && str_eq(out.p, old))
		return 0;
	return guest_put(g, rel, &out, r == 1 ? &st : NULL, e);
}

bool guest_has(const struct guest_conf *g, const char *rel)
{
	struct err e = ERR_INIT;
	_fd_ int fd = -1;

	return fs_open_in_root(g->root, rel, O_PATH, 0, 0, &fd, &e) == 0;
}

bool guest_readlink(const struct guest_conf *g, const char *dir, const char *name, char *dst,
		    size_t size)
{
	struct err e = ERR_INIT;
	_fd_ int fd = -1;
	ssize_t n;

	if (fs_open_in_root_follow(g->root, dir, O_RDONLY | O_DIRECTORY, S_IFDIR, &fd, &e) < 0)
		return false;
	n = readlinkat(fd, name, dst, size);
	if (n <= 0 || (size_t)n >= size)
		return false;
	dst[n] = '\0';
	return true;
}

int guest_mkdir(const struct guest_conf *g, const char *rel, struct err *e)
{
	return fs_mkdir_in_root(g->root, rel, 0755, g->uid, g->gid, e);
}
