/* SPDX-License-Identifier: GPL-2.0-or-later */
/* apply: make VEs what a fleet file says (cli/fleet.h). What would change is shown first. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/fleet.h"
#include "cli/ids.h"
#include "cli/options.h"
#include "cli/out.h"
#include "cli/xalloc.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/sys-fs.h"

#define FILE_MAX (1 << 20)

struct totals {
	size_t create, set, start, stop, destroy;
};

static bool idle(const struct fleet_item *it)
{
	return !it->create && !it->set && !it->start && !it->stop && !it->destroy;
}

static void tell(struct cli *c, const struct fleet_item *it, const struct set_report *rep)
{
	if (c->json)
		return;
	if (it->create)
		out_printf("+ CT %u: create from %s\n", it->id,
			   *it->want.to.ostemplate ? it->want.to.ostemplate : "the default template");
	if (it->set) {
		out_printf("~ CT %u:\n", it->id);
		set_report_text(c, rep);
	}
	if (it->stop)
		out_printf("< CT %u: stop\n", it->id);
	if (it->start)
		out_printf("> CT %u: start\n", it->id);
	if (it->destroy)
		out_printf("- CT %u: destroy with all its data\n", it->id);
}

static void item_json(struct json_out *j, const struct fleet_item *it, const struct set_report *rep)
{
	unsigned i;

	json_object(j);
	json_ku64(j, "ctid", it->id);
	json_kbool(j, "create", it->create);
	json_kbool(j, "start", it->start);
	json_kbool(j, "stop", it->stop);
	json_kbool(j, "destroy", it->destroy);
	json_key(j, "set");
	json_array(j);
	for (i = 0; i < rep->n; i++) {
		json_object(j);
		json_kstr(j, "name", rep->line[i].param->json);
		json_kstr(j, "from", *rep->line[i].from ? rep->line[i].from : NULL);
		json_kstr(j, "to", *rep->line[i].to ? rep->line[i].to : NULL);
		json_end(j);
	}
	json_end(j);
	json_end(j);
}

static int plan_all(struct cli *c, struct fleet *f, struct totals *t, struct json_out *j, struct err *e)
{
	_free_ struct set_report *rep = xcalloc(1, sizeof(*rep));
	size_t i;
	int r = 0;

	for (i = 0; i < f->n && r >= 0; i++) {
		struct fleet_item *it = &f->item[i];

		r = fleet_plan(&c->in, it, rep, e);
		if (r < 0 || idle(it))
			continue;
		t->create += it->create;
		t->set += it->set;
		t->start += it->start;
		t->stop += it->stop;
		t->destroy += it->destroy;
		if (j)
			item_json(j, it, rep);
		else
			tell(c, it, rep);
	}
	return r;
}

static size_t sum(const struct totals *t)
{
	return t->create + t->set + t->start + t->stop + t->destroy;
}

static bool confirmed(void)
{
	char first = 0, ch = 0;
	ssize_t n;

	(void)fprintf(stderr, "Do this? [y/N] ");
	(void)fflush(stderr);
	while ((n = read(STDIN_FILENO, &ch, 1)) == 1 && ch != '\n')
		if (!first)
			first = ch;
	return first == 'y' || first == 'Y';
}

static int apply_one(struct cli *c, const struct args *a, uint32_t id, struct err *e)
{
	size_t i;

	for (i = 0; i < a->fleet->n; i++)
		if (a->fleet->item[i].id == id)
			return fleet_apply(&c->in, &a->fleet->item[i], e);
	return 0;
}

static int apply_all(struct cli *c, const struct args *a, struct fleet *f, struct err *e)
{
	_free_ struct id_result *all = xcalloc(f->n + 1, sizeof(*all));
	_free_ uint32_t *ids = xcalloc(f->n + 1, sizeof(*ids));
	struct args with = *a;
	size_t i, n = 0;
	int r;

	for (i = 0; i < f->n; i++)
		if (!idle(&f->item[i]))
			ids[n++] = f->item[i].id;
	with.ids = ids;
	with.n_ids = n;
	with.fleet = f;
	c->in.say = NULL;
	r = n ? ids_run(c, &with, apply_one, (unsigned)a->parallel, all, e) : 0;
	return r < 0 ? r : ids_report(c, all, n, e);
}

static int show_plan(struct cli *c, const struct args *a, struct fleet *f, struct totals *t,
		     struct err *e)
{
	struct json_out *j = c->json && a->plan ? json_new(true) : NULL;
	int r;

	if (j)
		json_array(j);
	r = plan_all(c, f, t, j, e);
	if (j) {
		json_end(j);
		return r < 0 ? r : out_json(j, e);
	}
	if (r >= 0 && !c->json && !sum(t))
		out_printf("Nothing to do: everything is as %s says.\n", a->words[0]);
	else if (r >= 0 && !c->json)
		out_printf("%zu to create, %zu to change, %zu to start, %zu to stop, %zu to destroy.\n",
			   t->create, t->set, t->start, t->stop, t->destroy);
	return r;
}

int cmd_apply(struct cli *c, const struct args *a, struct err *e)
{
	struct fleet f = { NULL, 0 };
	struct totals t = { 0 };
	_free_ char *text = NULL;
	size_t len;
	int r = fs_read_at(AT_FDCWD, a->words[0], FILE_MAX, &text, &len, e);

	if (r >= 0)
		r = fleet_parse(text, len, a->words[0], &f, e);
	if (r >= 0)
		r = show_plan(c, a, &f, &t, e);
	if (r >= 0 && !a->plan && sum(&t)) {
		if (a->yes || (isatty(STDIN_FILENO) && confirmed()))
			r = apply_all(c, a, &f, e);
		else
			r = err_set(e, ECANCELED, VZ_SYSTEM, "apply: not confirmed, nothing done; --yes does it");
	}
	fleet_done(&f);
	return r;
}
