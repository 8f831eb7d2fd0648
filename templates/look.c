/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/look.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "templates/unpack.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"

#define LIST_MAX (_LOOK_MAX * (sizeof(struct look_head) + LOOK_TEXT_MAX))
#define YAML_OUT_MAX (16u << 20)

void look_free(struct look *l)
{
	for (size_t i = 0; i < _LOOK_MAX; i++)
		free(l->a[i].text);
	*l = (struct look){ 0 };
}

/* ---- berth-unpack ---- */

/* A run that makes no image: what it has to say is in a list, *ret of *ret_len bytes. */
static int run(const char *program, enum unpack_kind kind, int fd, int scratch, size_t max,
	       char **ret, size_t *ret_len, struct err *e)
{
	_fd_ int list = memfd_create("list", MFD_CLOEXEC);
	struct unpack u = { .program = program, .kind = kind, .sources = &fd, .n_sources = 1,
			    .max_size = max, .max_files = 1, .scratch = scratch, .image = list,
			    .list = list };
	struct unpack_report rep;
	int r;

	if (list < 0)
		return err_sys(e, "make a list in memory");
	r = unpack_run(&u, &rep, e);
	if (!r && lseek(list, 0, SEEK_SET) < 0)
		r = err_sys(e, "read the list");
	return r < 0 ? r : fs_read_fd(list, "what the archive holds", max, ret, ret_len, e);
}

static int broken(struct err *e)
{
	return err_set(e, EIO, VZ_BAD_TEMPLATE, "read archive: what was found in it is no list");
}

/* One entry of the list, as of a stranger. Returns the bytes it takes. */
static int64_t take(struct look *l, const char *p, size_t left, struct err *e)
{
	struct look_head h;
	struct look_one *one;

	if (left < sizeof(h))
		return broken(e);
	memcpy(&h, p, sizeof(h));
	if (h.what >= _LOOK_MAX || h.len > LOOK_TEXT_MAX || h.len > left - sizeof(h) ||
	    memchr(h.base, '\0', sizeof(h.base)) == NULL || str_has_c0(h.base) ||
	    memchr(p + sizeof(h), '\0', h.len))
		return broken(e);
	one = &l->a[h.what];
	if (one->there)
		return broken(e);
	one->text = look_rows[h.what].read ? strndup(p + sizeof(h), h.len) : NULL;
	if (look_rows[h.what].read && !one->text)
		return err_set(e, ENOMEM, 0, "read archive: out of memory");
	one->there = true;
	one->uid = h.uid;
	one->gid = h.gid;
	one->len = h.len;
	memcpy(one->base, h.base, sizeof(one->base));
	return (int64_t)(sizeof(h) + h.len);
}

int look_archive(const char *program, int fd, int scratch, struct look *ret, struct err *e)
{
	_free_ char *list = NULL;
	struct look l = { 0 };
	size_t len = 0;
	int64_t n = 0;
	int r = run(program, UNPACK_LOOK, fd, scratch, LIST_MAX, &list, &len, e);

	if (!r && lseek(fd, 0, SEEK_SET) < 0)
		r = err_sys(e, "read archive again");
	for (size_t at = 0; !r && at < len; at += (size_t)n) {
		n = take(&l, list + at, len - at, e);
		if (n < 0)
			r = (int)n;
	}
	if (r < 0) {
		look_free(&l);
		return r;
	}
	*ret = l;
	return 0;
}

int look_yaml(const char *program, const char *text, size_t len, int scratch, char **ret,
	      size_t *ret_len, struct err *e)
{
	_fd_ int fd = memfd_create("yaml", MFD_CLOEXEC);
	_free_ char *list = NULL;
	size_t n = 0;
	int r;

	if (fd < 0 || pwrite(fd, text, len, 0) != (ssize_t)len)
		return err_sys(e, "read YAML");
	r = run(program, UNPACK_YAML, fd, scratch, YAML_OUT_MAX, &list, &n, e);
	if (r < 0)
		return r;
	if (n && list[n - 1])
		return broken(e);
	*ret = TAKE_PTR(list);
	*ret_len = n;
	return 0;
}

/* ---- directories ---- */

static int read_one(int dir, const char *path, struct look_one *one, bool read, struct err *e)
{
	_fd_ int fd = -1;
	struct stat st;
	int r = fs_open_in_root(dir, path, O_RDONLY, 0, S_IFREG, &fd, e);

	if (r == -ENOENT || r == -ENOTDIR) {
		err_clear(e);           /* it is something else then */
		return 0;
	}
	if (r < 0)
		return err_exit(e, VZ_BAD_CONF);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat %s", path);
	if (read)
		r = fs_read_fd(fd, path, LOOK_TEXT_MAX, &one->text, &one->len, e);
	if (!r && one->text && strlen(one->text) != one->len)
		r = err_set(e, EINVAL, VZ_BAD_CONF, "read %s: a config with a NUL in it", path);
	if (r < 0)
		return err_exit(e, VZ_BAD_CONF);
	one->there = true;
	one->uid = st.st_uid;
	one->gid = st.st_gid;
	return 0;
}

/* Where a root may lie in a directory: it is one, or LXC's and Incus's, or OpenVZ 7's. */
static int find_root(int dir, struct look_one *one, struct err *e)
{
	static const char *const bases[] = { "", "rootfs", "fs" };
	char path[64];
	int r = 0;

	for (size_t i = 0; !r && !one->there && i < ARRAY_SIZE(bases); i++) {
		(void)str_fmt(path, sizeof(path), "%s%s%s", bases[i], *bases[i] ? "/" : "",
			      look_rows[LOOK_ROOT].name);
		r = read_one(dir, path, one, false, e);
		(void)str_fmt(one->base, sizeof(one->base), "%s", bases[i]);
	}
	return r;
}

int look_directory(int dir, struct look *ret, struct err *e)
{
	struct look l = { 0 };
	int r = find_root(dir, &l.a[LOOK_ROOT], e);

	for (size_t i = LOOK_ROOT + 1; !r && i < _LOOK_MAX; i++)
		r = read_one(dir, look_rows[i].whole ? look_rows[i].whole : look_rows[i].name,
			     &l.a[i], look_rows[i].read, e);
	if (!r && !l.a[LOOK_BACKUP].there)      /* as it lies in their storage, not in an export */
		r = read_one(dir, "backup.yaml", &l.a[LOOK_BACKUP], true, e);
	if (r < 0) {
		look_free(&l);
		return r;
	}
	*ret = l;
	return 0;
}
