/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside of berth-unpack: what an archive of another tool's VE is. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "templates/look.h"
#include "templates/source.h"
#include "templates/tree.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"

#define CANDIDATES 32           /* files called config that are looked at */

struct found {
	struct look_head head;
	char *text;
	size_t depth;
};

struct walk {
	struct found a[_LOOK_MAX];
	unsigned tried;
};

static size_t depth_of(const char *path)
{
	size_t n = 0;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

/* Which row the path is one of; base is where. */
static int row_of(const char *path, char base[LOOK_BASE_MAX])
{
	size_t len = strlen(path), n;

	for (int i = 0; i < _LOOK_MAX; i++) {
		const struct look_row *r = &look_rows[i];

		*base = '\0';
		if (r->whole && str_eq(path, r->whole))
			return i;
		n = r->name ? strlen(r->name) : 0;
		if (!n || len < n || !str_eq(path + len - n, r->name) ||
		    (len > n && path[len - n - 1] != '/'))
			continue;
		/* One that lies deeper than a base can be written is not what anybody means. */
		if (len == n || str_fmt(base, LOOK_BASE_MAX, "%.*s", (int)(len - n - 1), path) >= 0)
			return i;
	}
	return -1;
}

static int refuse(const char *path, const char *why, struct err *e)
{
	char shown[200];

	tree_show(path, shown);
	return err_set(e, EINVAL, VZ_BAD_TEMPLATE, "unpack \"%s\": %s", shown, why);
}

/* LXC's alone is called by a name that anything may have. */
static bool is_lxc(const char *text)
{
	return str_starts(text, "lxc.") || strstr(text, "\nlxc.");
}

static int read_text(struct archive *a, const char *path, int64_t size, char **ret, struct err *e)
{
	_free_ char *text = NULL;

	if (size < 0 || size > LOOK_TEXT_MAX)
		return refuse(path, "a config of more than 512 KiB", e);
	text = calloc(1, (size_t)size + 1);
	if (!text)
		return err_set(e, ENOMEM, 0, "read archive: out of memory");
	if (archive_read_data(a, text, (size_t)size) != size)
		return refuse(path, "it is cut off", e);
	if (memchr(text, '\0', (size_t)size))
		return refuse(path, "a config with a NUL in it", e);
	*ret = TAKE_PTR(text);
	return 0;
}

static int keep(struct walk *w, struct archive *a, struct archive_entry *ent, const char *path,
		struct found *new, struct err *e)
{
	struct found *f = &w->a[new->head.what];
	const struct look_row *row = &look_rows[new->head.what];
	int64_t uid = archive_entry_uid(ent), gid = archive_entry_gid(ent);
	int r = 0;

	if (archive_entry_filetype(ent) != S_IFREG || archive_entry_hardlink(ent))
		return row->whole ? refuse(path, "no regular file", e) : 0;
	if (f->depth && row->whole)
		return refuse(path, "it is there twice", e);
	if (f->depth && f->depth <= new->depth)
		return 0;
	if (new->head.what == LOOK_LXC &&
	    (strstr(new->head.base, "rootfs") || w->tried++ >= CANDIDATES))
		return 0;
	if (row->read)
		r = read_text(a, path, archive_entry_size(ent), &new->text, e);
	if (r < 0 || (new->head.what == LOOK_LXC && !is_lxc(new->text)))
		return r;
	new->head.len = new->text ? (uint32_t)strlen(new->text) : 0;
	new->head.uid = uid < 0 || uid > UINT32_MAX ? UINT32_MAX : (uint32_t)uid;
	new->head.gid = gid < 0 || gid > UINT32_MAX ? UINT32_MAX : (uint32_t)gid;
	free(f->text);
	*f = *new;
	new->text = NULL;
	return 0;
}

static int take(void *arg, struct archive *a, struct archive_entry *ent, struct err *e)
{
	const char *path = archive_entry_pathname(ent), *why = NULL;
	struct found new = { .depth = 0 };
	char at[TREE_PATH_MAX + 1];
	int r, row;

	if (!path)
		return err_set(e, EILSEQ, VZ_BAD_TEMPLATE, "unpack: a name that is not UTF-8");
	if (tree_path(path, at, &why) < 0)
		return refuse(path, why, e);
	row = row_of(at, new.head.base);
	if (row < 0)
		return 0;
	new.head.what = (uint32_t)row;
	new.depth = depth_of(at) + 1;
	r = keep(arg, a, ent, at, &new, e);
	free(new.text);
	return r;
}

static int write_found(const struct found *f, int out, struct err *e)
{
	int r;

	if (!f->depth)
		return 0;
	r = fs_write_all(out, &f->head, sizeof(f->head));
	if (!r)
		r = fs_write_all(out, f->text ? f->text : "", f->head.len);
	return r < 0 ? err_set(e, -r, 0, "write what is in the archive: %s", strerror(-r)) : 0;
}

int source_look(int fd, int out, struct err *e)
{
	struct walk *w = calloc(1, sizeof(*w));
	int r = w ? source_each(fd, take, w, e) :
		    err_set(e, ENOMEM, 0, "read archive: out of memory");

	for (size_t i = 0; w && i < _LOOK_MAX; i++) {
		if (!r)
			r = write_found(&w->a[i], out, e);
		free(w->a[i].text);
	}
	free(w);
	return r;
}
