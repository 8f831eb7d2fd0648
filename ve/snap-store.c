/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/snap-store.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/json.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/plan.h"

#define INFO_MAX 65536

int snap_open(const struct ve *ve, bool make, int *ret_dir, struct err *e)
{
	_fd_ int private = -1;
	int r = plan_private(ve, &private, e);

	if (r < 0)
		return r;
	if (make && mkdirat(private, "snapshots", 0700) < 0 && errno != EEXIST)
		return err_sys(e, "make the snapshots of VE %u", ve->id);
	return fs_open_dir(private, "snapshots", ret_dir, e);
}

static void path_in(const char *name, const char *file, char dst[128])
{
	(void)str_fmt(dst, 128, "%.60s/%.60s", name, file);
}

/* ---- info.json ---- */

int snap_load(int dir, const char *name, struct snapshot *ret, struct err *e)
{
	struct snapshot s = { 0 };
	_free_ char *text = NULL;
	struct json_val *v;
	char path[128];
	size_t len;
	int r;

	path_in(name, "info.json", path);
	r = fs_read_at(dir, path, INFO_MAX, &text, &len, e);
	if (!r)
		r = json_parse(text, len, path, &v, e);
	if (r < 0)
		return r;
	(void)str_fmt(s.uuid, sizeof(s.uuid), "%s", json_get_str(v, "uuid", ""));
	(void)str_fmt(s.parent, sizeof(s.parent), "%s", json_get_str(v, "parent", ""));
	(void)str_fmt(s.name, sizeof(s.name), "%s", json_get_str(v, "name", ""));
	(void)str_fmt(s.description, sizeof(s.description), "%s", json_get_str(v, "description", ""));
	(void)str_fmt(s.ostemplate, sizeof(s.ostemplate), "%s", json_get_str(v, "ostemplate", ""));
	(void)str_fmt(s.template, sizeof(s.template), "%s", json_get_str(v, "template", ""));
	s.created = json_get_u64(v, "created", 0);
	json_val_free(v);
	*ret = s;
	return 0;
}

int snap_save(int dir, const char *name, const struct snapshot *s, struct err *e)
{
	struct json_out *j = json_new(true);
	const char *text;
	char path[128];
	int r;

	json_object(j);
	json_kstr(j, "uuid", s->uuid);
	json_kstr(j, "parent", s->parent);
	json_kstr(j, "name", s->name);
	json_kstr(j, "description", s->description);
	json_kstr(j, "ostemplate", s->ostemplate);
	json_kstr(j, "template", s->template);
	json_ku64(j, "created", s->created);
	json_end(j);
	r = json_finish(j, &text, e);
	path_in(name, "info.json", path);
	if (!r)
		r = fs_save_at(dir, path, text, 0600, e);
	json_free(j);
	return r;
}

const char *snap_disk(const struct ve *ve)
{
	const struct storage_backend *b = plan_backend(&ve->conf);

	return (b ? b : storage_find(""))->file;
}

/* ---- all of them ---- */

static int oldest_first(const void *a, const void *b)
{
	const struct snapshot *x = a, *y = b;

	if (x->created != y->created)
		return x->created < y->created ? -1 : 1;
	return strcmp(x->uuid, y->uuid);
}

static bool exists(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* One whose info cannot be read has still a disk: it is listed by what its name says. */
static void load_listed(int dir, const char *uuid, const char *current, struct snapshot *s)
{
	struct err ignored = ERR_INIT;

	*s = (struct snapshot){ 0 };
	if (snap_load(dir, uuid, s, &ignored) < 0)
		err_clear(&ignored);
	(void)str_fmt(s->uuid, sizeof(s->uuid), "%s", uuid);
	s->current = str_eq(uuid, current);
}

int snap_all(int dir, struct snapshot **ret, size_t *ret_n, struct err *e)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	_free_ struct snapshot *all = NULL;
	char uuid[UUID_LEN + 1], current[UUID_LEN + 1];
	struct dirent *de;
	size_t n = 0;

	if (!d)
		return err_sys(e, "list snapshots");
	snap_current(dir, current);
	while ((de = readdir(d))) {
		struct snapshot *more;

		if (uuid_parse(de->d_name, uuid) < 0 || !str_eq(uuid, de->d_name))
			continue;
		more = reallocarray(all, n + 1, sizeof(*all));
		if (!more)
			return err_set(e, ENOMEM, 0, "list snapshots: out of memory");
		all = more;
		load_listed(dir, uuid, current, &all[n++]);
	}
	if (n)
		qsort(all, n, sizeof(*all), oldest_first);
	*ret = TAKE_PTR(all);
	*ret_n = n;
	return 0;
}

static int not_found(const char *text, struct err *e)
{
	return err_set(e, ENOENT, VZ_BAD_VALUE, "snapshot \"%.60s\" does not exist",
		       str_has_control(text) ? "?" : text);
}

int snap_find(int dir, const char *text, struct snapshot *ret, struct err *e)
{
	_free_ struct snapshot *all = NULL;
	const struct snapshot *hit = NULL;
	char uuid[UUID_LEN + 1] = "";
	size_t n;
	int r = snap_all(dir, &all, &n, e);

	if (r < 0)
		return r;
	(void)uuid_parse(text, uuid);
	for (size_t i = 0; i < n; i++) {
		if (!str_eq(all[i].uuid, uuid) && (*uuid || !*text || !str_eq(all[i].name, text)))
			continue;
		if (hit)
			return err_set(e, EINVAL, VZ_BAD_VALUE,
				       "snapshot \"%.60s\": several have this name; give the UUID", text);
		hit = &all[i];
	}
	if (!hit)
		return not_found(text, e);
	*ret = *hit;
	return 0;
}

/* ---- current ---- */

void snap_current(int dir, char ret[UUID_LEN + 1])
{
	struct err ignored = ERR_INIT;
	_free_ char *text = NULL;

	*ret = '\0';
	if (fs_read_at(dir, "current", UUID_LEN + 2, &text, NULL, &ignored) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	(void)uuid_parse(text, ret);
}

int snap_set_current(int dir, const char *uuid, struct err *e)
{
	char text[UUID_LEN + 2];

	if (!*uuid) {
		fs_unlink_saved(dir, "current");
		return 0;
	}
	(void)str_fmt(text, sizeof(text), "%s\n", uuid);
	return fs_save_at(dir, "current", text, 0600, e);
}

/* ---- making one ---- */

static int copy_conf(const struct ve *ve, int new, struct err *e)
{
	_free_ char *text = NULL;
	char path[64];
	int r;

	(void)str_fmt(path, sizeof(path), "conf/%u.conf", ve->id);
	r = fs_read_at(ve->in->etc, path, INFO_MAX, &text, NULL, e);
	return r < 0 ? r : fs_save_at(new, "ve.conf", text, 0600, e);
}

int snap_begin(const struct ve *ve, int dir, struct snapshot *s, bool with_conf, int *ret_new,
	       struct err *e)
{
	_fd_ int new = -1;
	int r = *s->uuid ? 0 : uuid_make(s->uuid);

	if (r < 0)
		return err_set(e, -r, 0, "make a UUID: %s", strerror(-r));
	if (exists(dir, s->uuid))
		return err_set(e, EEXIST, VZ_SNAP_CREATE, "snapshot %s exists already", s->uuid);
	snap_current(dir, s->parent);
	s->created = (uint64_t)time(NULL);
	(void)str_fmt(s->ostemplate, sizeof(s->ostemplate), "%s", ve->conf.ostemplate);
	(void)str_fmt(s->template, sizeof(s->template), "%s", ve->conf.template);
	if (mkdirat(dir, SNAP_NEW, 0700) < 0)
		return err_sys(e, "make a snapshot of VE %u", ve->id);
	r = fs_open_dir(dir, SNAP_NEW, &new, e);
	if (!r)
		r = snap_save(dir, SNAP_NEW, s, e);
	if (!r && with_conf)
		r = copy_conf(ve, new, e);
	if (!r)
		*ret_new = TAKE_FD(new);
	return r;
}

int snap_finish(int dir, const struct snapshot *s, struct err *e)
{
	if (renameat2(dir, SNAP_NEW, dir, s->uuid, RENAME_NOREPLACE) < 0 || fsync(dir) < 0)
		return err_sys(e, "name snapshot %s", s->uuid);
	return 0;
}
