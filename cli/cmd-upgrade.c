/* SPDX-License-Identifier: GPL-2.0-or-later */
/* outdated, upgrade. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/ids.h"
#include "cli/options.h"
#include "cli/out.h"
#include "cli/xalloc.h"
#include "templates/diff.h"
#include "templates/store.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/conf.h"
#include "ve/upgrade.h"

/* ---- outdated ---- */

/* What lies between two versions; counted once, however many VEs stand there. */
struct gap {
	char from[65], to[65];
	struct pkg_change *change;
	size_t n_changes, n_files;
};

struct behind {
	uint32_t id;
	char name[64], channel[128];
	size_t gap;
};

struct outdated {
	struct store store;
	struct gap *gap;
	size_t n_gaps;
	struct behind *ve;
	size_t n;
};

static bool count_file(void *arg, const char *path)
{
	(void)path;
	++*(size_t *)arg;
	return true;
}

static int measure(const struct store *s, struct gap *g, struct err *e)
{
	_fd_ int old = -1, new = -1;
	int r = store_mount(s, g->from, false, &old, e);

	if (r >= 0)
		r = store_mount(s, g->to, false, &new, e);
	if (r >= 0)
		r = diff_packages(old, new, &g->change, &g->n_changes, e);
	return r < 0 ? r : diff_files(old, new, count_file, &g->n_files, e);
}

static int find_gap(struct outdated *o, const char *from, const char *to, size_t *ret,
		    struct err *e)
{
	struct gap g = { .n_files = 0 };
	size_t i;
	int r;

	for (i = 0; i < o->n_gaps; i++)
		if (str_eq(o->gap[i].from, from) && str_eq(o->gap[i].to, to))
			break;
	*ret = i;
	if (i < o->n_gaps)
		return 0;
	(void)str_fmt(g.from, sizeof(g.from), "%s", from);
	(void)str_fmt(g.to, sizeof(g.to), "%s", to);
	r = measure(&o->store, &g, e);
	if (r < 0)
		return r;
	o->gap = xrealloc(o->gap, o->n_gaps + 1, sizeof(*o->gap));
	o->gap[o->n_gaps++] = g;
	return 0;
}

/* A VE of a broken config or a channel that is gone is behind nothing. */
static int look_at(struct cli *c, struct outdated *o, uint32_t id, struct err *e)
{
	_free_ struct ve_conf *conf = xcalloc(1, sizeof(*conf));
	struct err ignored = ERR_INIT;
	struct template now;
	struct behind b = { .id = id };
	int r;

	if (conf_load(&c->in, id, conf, &ignored) < 0 || !*conf->ostemplate ||
	    store_find(&o->store, conf->ostemplate, &now, &ignored) < 0 ||
	    str_eq(now.digest, conf->template))
		return 0;
	(void)str_fmt(b.name, sizeof(b.name), "%s", conf->name);
	(void)str_fmt(b.channel, sizeof(b.channel), "%s", conf->ostemplate);
	r = find_gap(o, conf->template, now.digest, &b.gap, e);
	if (r < 0)
		return err_wrap(e, "VE %u", id);
	o->ve = xrealloc(o->ve, o->n + 1, sizeof(*o->ve));
	o->ve[o->n++] = b;
	return 0;
}

static void changes_json(struct json_out *j, const struct pkg_change *p, size_t n)
{
	size_t i;

	json_key(j, "packages");
	json_array(j);
	for (i = 0; i < n; i++) {
		json_object(j);
		json_kstr(j, "name", p[i].name);
		json_kstr(j, "from", *p[i].from ? p[i].from : NULL);
		json_kstr(j, "to", *p[i].to ? p[i].to : NULL);
		json_end(j);
	}
	json_end(j);
}

static int outdated_json(const struct outdated *o, struct err *e)
{
	struct json_out *j = json_new(o->n != 0);
	size_t i;

	json_array(j);
	for (i = 0; i < o->n; i++) {
		const struct gap *g = &o->gap[o->ve[i].gap];

		json_object(j);
		json_ku64(j, "ctid", o->ve[i].id);
		json_kstr(j, "name", *o->ve[i].name ? o->ve[i].name : NULL);
		json_kstr(j, "channel", o->ve[i].channel);
		json_kstr(j, "from", g->from);
		json_kstr(j, "to", g->to);
		json_ku64(j, "files", g->n_files);
		changes_json(j, g->change, g->n_changes);
		json_end(j);
	}
	json_end(j);
	return out_json(j, e);
}

static int outdated_text(const struct outdated *o)
{
	size_t i, k;

	if (o->n)
		out_printf("%10s %-20s %-12s %-12s %8s %s\n", "CTID", "CHANNEL", "FROM", "TO", "FILES",
			   "PACKAGES");
	for (i = 0; i < o->n; i++) {
		const struct gap *g = &o->gap[o->ve[i].gap];

		out_printf("%10u %-20s %.12s %.12s %8zu %zu", o->ve[i].id, o->ve[i].channel, g->from,
			   g->to, g->n_files, g->n_changes);
		for (k = 0; k < g->n_changes && k < 3; k++)
			out_printf("%s%s %s", k ? ", " : ": ", g->change[k].name,
				   *g->change[k].to ? g->change[k].to : "removed");
		out_printf("%s\n", g->n_changes > 3 ? ", ..." : "");
	}
	return 0;
}

static void outdated_done(struct outdated *o)
{
	size_t i;

	for (i = 0; i < o->n_gaps; i++)
		free(o->gap[i].change);
	free(o->gap);
	free(o->ve);
	store_close(&o->store);
}

int cmd_outdated(struct cli *c, const struct args *a, struct err *e)
{
	struct outdated o = { .store = STORE_INIT };
	struct args some = { .n_ids = 0 };
	size_t i;
	int r = store_open(c->in.lib, c->in.run, &o.store, e);

	if (r >= 0 && !a->n_words)
		r = ids_add_all(c, &some, e);
	for (i = 0; r >= 0 && i < a->n_words; i++)
		r = ids_add(c, &some, a->words[i], e);
	for (i = 0; r >= 0 && i < some.n_ids; i++)
		r = look_at(c, &o, some.ids[i], e);
	if (r >= 0)
		r = c->json ? outdated_json(&o, e) : outdated_text(&o);
	free(some.ids);
	outdated_done(&o);
	return r;
}

/* ---- upgrade ---- */

static void report_json(struct json_out *j, uint32_t id, const struct upgrade_report *rep)
{
	size_t i;

	json_object(j);
	json_ku64(j, "ctid", id);
	json_kstr(j, "from", rep->from);
	json_kstr(j, "to", rep->to);
	json_kbool(j, "same", rep->same);
	json_kstr(j, "method", rep->packages ? "packages" : "swap");
	changes_json(j, rep->change, rep->n_changes);
	json_key(j, "files");
	json_array(j);
	for (i = 0; i < rep->n; i++) {
		json_object(j);
		json_kstr(j, "path", rep->file[i].path);
		json_kbool(j, "hides", rep->file[i].code);
		json_end(j);
	}
	json_end(j);
	json_end(j);
}

static void report_text(uint32_t id, const struct upgrade_report *rep)
{
	size_t i;

	out_printf("CT %u: from %.12s to %.12s, %s; packages that differ: %zu\n", id, rep->from,
		   rep->to, rep->packages ? "by its package manager, after a snapshot" :
		   "by one restart", rep->n_changes);
	for (i = 0; i < rep->n; i++) {
		out_printf("%s ", rep->file[i].code ? "hides " : "stays ");
		out_safe(rep->file[i].path);
		out_printf("\n");
	}
}

static int upgrade_one(struct cli *c, const struct args *a, uint32_t id, struct err *e)
{
	struct upgrade_opts o = {
		.to = a->to, .check = a->check, .check_ms = (int)a->check_ms,
		.keep_s = (a->keep_ms + 999) / 1000, .force = a->force, .dry_run = a->dry_run,
	};
	struct upgrade_report rep;
	struct json_out *j;
	int r = ve_upgrade(&c->in, id, &o, &rep, e);

	if (r < 0)
		return r;
	if (c->json && a->n_ids == 1) {
		j = json_new(true);
		report_json(j, id, &rep);
		r = out_json(j, e);
	} else if (rep.same) {
		inst_say(&c->in, "CT %u is on version %.12s already", id, rep.to);
	} else if (o.dry_run && !c->json) {
		report_text(id, &rep);
	} else {
		inst_say(&c->in, "CT %u is on version %.12s; --undo goes back", id, rep.to);
	}
	upgrade_report_free(&rep);
	return r;
}

static int confirm_one(struct cli *c, const struct args *a, uint32_t id, struct err *e)
{
	(void)a;
	return ve_upgrade_confirm(&c->in, id, e);
}

static int undo_one(struct cli *c, const struct args *a, uint32_t id, struct err *e)
{
	(void)a;
	return ve_upgrade_undo(&c->in, id, 0, e);
}

int cmd_upgrade(struct cli *c, const struct args *a, struct err *e)
{
	struct err bad = ERR_INIT;
	int r;

	if (a->confirm + a->undo + a->dry_run > 1 || ((a->confirm || a->undo) && (a->to || a->check)))
		return err_set(e, EINVAL, VZ_BAD_OPTION,
			       "upgrade: --confirm, --undo, --dry-run and --to exclude each other");
	if (a->confirm || a->undo)
		return ids_each(c, a, a->undo ? undo_one : confirm_one, e);
	if (!c->json || a->n_ids != 1)
		return ids_each(c, a, upgrade_one, e);
	/* The report of one VE is the document; ids_each would add its own. */
	r = upgrade_one(c, a, a->ids[0], &bad);
	if (r < 0)
		*e = bad;
	return r;
}
