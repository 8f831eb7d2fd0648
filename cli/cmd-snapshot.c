/* SPDX-License-Identifier: GPL-2.0-or-later */
/* snapshot create, list, switch, delete, mount, umount. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "cli/options.h"
#include "cli/out.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/uuid.h"
#include "ve/snapshot.h"

static void copied(void *arg, uint64_t done, uint64_t all)
{
	char line[80];

	(void)str_fmt(line, sizeof(line), "copied %llu of %llu MiB",
		      (unsigned long long)(done >> 20), (unsigned long long)(all >> 20));
	progress_line(arg, line);
}

static struct snap_opts opts_of(const struct args *a, struct progress *p)
{
	return (struct snap_opts){
		.uuid = a->id, .name = a->name, .description = a->description,
		.skip_config = a->skip_config, .memory = !a->skip_suspend, .skip_resume = a->skip_resume,
		.freeze_ms = (int)a->freeze_ms, .progress = copied, .arg = p,
	};
}

/* ---- list ---- */

static void date(uint64_t seconds, char dst[32])
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(dst, 32, "%Y-%m-%d %H:%M:%S", &tm))
		(void)str_fmt(dst, 32, "-");
}

static void braced(const char *uuid, char *dst, size_t size)
{
	(void)str_fmt(dst, size, *uuid ? "{%s}" : "%s", uuid);
}

static void get_parent(const struct snapshot *s, char *dst, size_t size)
{
	braced(s->parent, dst, size);
}

static void get_current(const struct snapshot *s, char *dst, size_t size)
{
	(void)str_fmt(dst, size, "%s", s->current ? "*" : "");
}

static void get_uuid(const struct snapshot *s, char *dst, size_t size)
{
	braced(s->uuid, dst, size);
}

static void get_date(const struct snapshot *s, char *dst, size_t size)
{
	char text[32];

	date(s->created, text);
	(void)str_fmt(dst, size, "%s", text);
}

static void get_name(const struct snapshot *s, char *dst, size_t size)
{
	(void)str_fmt(dst, size, "%s", s->name);
}

static void get_description(const struct snapshot *s, char *dst, size_t size)
{
	(void)str_fmt(dst, size, "%s", s->description);
}

static void get_size(const struct snapshot *s, char *dst, size_t size)
{
	(void)str_fmt(dst, size, "%llu", (unsigned long long)s->allocated);
}

static void get_memory(const struct snapshot *s, char *dst, size_t size)
{
	(void)str_fmt(dst, size, "%llu", (unsigned long long)s->memory);
}

/* vzctl's columns in vzctl's order, and what it lacks. */
static const struct snap_column {
	const char *name, *header;
	int width;
	bool usual;
	void (*get)(const struct snapshot *s, char *dst, size_t size);
} snap_columns[] = {
	{ "parent_uuid", "PARENT_UUID", 38, true, get_parent },
	{ "current", "C", 1, true, get_current },
	{ "uuid", "UUID", 38, true, get_uuid },
	{ "date", "DATE", 19, true, get_date },
	{ "name", "NAME", 0, true, get_name },
	{ "size", "SIZE", 12, false, get_size },
	{ "memory", "MEMORY", 12, false, get_memory },
	{ "description", "DESCRIPTION", 0, false, get_description },
};

struct choice {
	const struct snap_column *col[16];
	unsigned n;
};

static const struct snap_column *find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(snap_columns); i++)
		if (str_eq(snap_columns[i].name, name))
			return &snap_columns[i];
	return NULL;
}

static int choose(const char *list, struct choice *ret, struct err *e)
{
	char word[32] = "";
	size_t i;
	int r;

	for (i = 0; !list && i < ARRAY_SIZE(snap_columns); i++)
		if (snap_columns[i].usual)
			ret->col[ret->n++] = &snap_columns[i];
	while (list && (r = str_word(&list, word, sizeof(word))) != 0) {
		const struct snap_column *col = r < 0 ? NULL : find(word);

		if (!col)
			return err_set(e, EINVAL, VZ_BAD_VALUE, "-o: unknown column \"%.30s\" (-L lists them)",
				       word);
		if (ret->n == ARRAY_SIZE(ret->col))
			return err_set(e, EINVAL, VZ_BAD_VALUE, "-o: too many columns");
		ret->col[ret->n++] = col;
	}
	return 0;
}

static void print_line(const struct choice *c, const struct snapshot *s)
{
	unsigned i;

	for (i = 0; i < c->n; i++) {
		int width = i + 1 < c->n ? c->col[i]->width : 0;
		char text[300], cell[300];

		if (s)
			c->col[i]->get(s, text, sizeof(text));
		else
			(void)str_fmt(text, sizeof(text), "%s", c->col[i]->header);
		(void)str_fmt(cell, sizeof(cell), "%-*s%s", width, text, i + 1 < c->n ? " " : "");
		out_safe(cell);
	}
	out_printf("\n");
}

static void snapshot_json(struct json_out *j, const struct snapshot *s)
{
	json_object(j);
	json_kstr(j, "uuid", s->uuid);
	json_kstr(j, "parent_uuid", *s->parent ? s->parent : NULL);
	json_kbool(j, "current", s->current);
	json_kstr(j, "name", s->name);
	json_kstr(j, "description", s->description);
	json_kstr(j, "template", s->template);
	json_ku64(j, "created", s->created);
	json_ku64(j, "allocated", s->allocated);
	json_ku64(j, "memory", s->memory);
	json_end(j);
}

/* Only the one asked for, where one is. */
static int narrow(const char *uuid, struct snapshot *all, size_t *n, struct err *e)
{
	char plain[UUID_LEN + 1] = "";
	size_t i;

	if (!uuid)
		return 0;
	(void)uuid_parse(uuid, plain);
	for (i = 0; i < *n; i++) {
		if (!str_eq(all[i].uuid, plain) && !str_eq(all[i].name, uuid))
			continue;
		all[0] = all[i];
		*n = 1;
		return 0;
	}
	return err_set(e, ENOENT, VZ_BAD_VALUE, "snapshot \"%.60s\" does not exist",
		       str_has_control(uuid) ? "?" : uuid);
}

static int list_json(const struct snapshot *all, size_t n, struct err *e)
{
	struct json_out *j = json_new(n != 0);
	size_t i;

	json_array(j);
	for (i = 0; i < n; i++)
		snapshot_json(j, &all[i]);
	json_end(j);
	return out_json(j, e);
}

int cmd_snapshot_list(struct cli *c, const struct args *a, struct err *e)
{
	_free_ struct snapshot *all = NULL;
	struct choice choice = { .n = 0 };
	size_t i, n = 0;
	int r = choose(a->columns, &choice, e);

	if (r < 0)
		return r;
	for (i = 0; a->fields && i < ARRAY_SIZE(snap_columns); i++)
		out_printf("%-15s %s\n", snap_columns[i].name, snap_columns[i].header);
	if (a->fields)
		return 0;
	r = ve_snapshot_list(&c->in, a->ids[0], &all, &n, e);
	if (r >= 0)
		r = narrow(a->id, all, &n, e);
	if (r < 0)
		return r;
	if (c->json)
		return list_json(all, n, e);
	if (!a->no_header)
		print_line(&choice, NULL);
	for (i = 0; i < n; i++)
		print_line(&choice, &all[i]);
	return 0;
}

/* ---- the others ---- */

static int need_id(const struct args *a, struct err *e)
{
	return a->id ? 0 : err_set(e, EINVAL, VZ_FEW_PARAMS, "--id is missing: which snapshot?");
}

static int print_one(struct cli *c, const struct snapshot *s, struct err *e)
{
	struct json_out *j;

	if (!c->json)
		return 0;
	j = json_new(true);
	snapshot_json(j, s);
	return out_json(j, e);
}

int cmd_snapshot(struct cli *c, const struct args *a, struct err *e)
{
	struct progress p;
	struct snap_opts o = opts_of(a, &p);
	struct snapshot s;
	int r;

	progress_init(&p, c);
	r = ve_snapshot(&c->in, a->ids[0], &o, &s, e);
	progress_done(&p);
	return r < 0 ? r : print_one(c, &s, e);
}

int cmd_snapshot_switch(struct cli *c, const struct args *a, struct err *e)
{
	struct progress p;
	struct snap_opts o = opts_of(a, &p);
	struct snapshot back;
	int r = need_id(a, e);

	if (r < 0)
		return r;
	progress_init(&p, c);
	r = ve_snapshot_switch(&c->in, a->ids[0], &o, &back, e);
	progress_done(&p);
	return r < 0 ? r : print_one(c, &back, e);
}

int cmd_snapshot_delete(struct cli *c, const struct args *a, struct err *e)
{
	int r = need_id(a, e);

	return r < 0 ? r : ve_snapshot_delete(&c->in, a->ids[0], a->id, e);
}

int cmd_snapshot_mount(struct cli *c, const struct args *a, struct err *e)
{
	int r = need_id(a, e);

	if (r >= 0 && !a->target)
		r = err_set(e, EINVAL, VZ_FEW_PARAMS, "--target is missing: mount it where?");
	return r < 0 ? r : ve_snapshot_mount(&c->in, a->ids[0], a->id, a->target, e);
}

int cmd_snapshot_umount(struct cli *c, const struct args *a, struct err *e)
{
	int r = need_id(a, e);

	return r < 0 ? r : ve_snapshot_umount(&c->in, a->ids[0], a->id, e);
}
