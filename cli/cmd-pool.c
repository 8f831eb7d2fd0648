/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pool create, set, delete, list, show. */
#include "cli/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/columns.h"
#include "cli/options.h"
#include "cli/out.h"
#include "cli/xalloc.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/parse.h"
#include "ve/apply.h"
#include "ve/pool.h"

/* All there is to tell of one. */
struct view_pool {
	struct ve pool;
	uint32_t *ves, *running;        /* by their configs; in its node */
	size_t n_ves, n_running;
	struct cg_stat stat;            /* when one runs */
};

static int look(struct cli *c, const char *name, struct view_pool *ret, struct err *e)
{
	struct err ignored = ERR_INIT;
	int r = pool_open(&ret->pool, &c->in, name, NULL, e);

	if (r < 0)
		return r;
	r = pool_ves(&c->in, name, &ret->ves, &ret->n_ves, e);
	(void)cg_members(&c->in.cg, ret->pool.cg, &ret->running, &ret->n_running);
	if (!ret->n_running || cg_read_stat(&c->in.cg, ret->pool.cg, &ret->stat, &ignored) < 0)
		memset(&ret->stat, 0xff, sizeof(ret->stat));
	return r;
}

static void done(struct view_pool *v)
{
	ve_close(&v->pool);
	free(v->ves);
	free(v->running);
	free(v);
}

static void numbers(struct json_out *j, const char *key, const uint32_t *ids, size_t n)
{
	json_key(j, key);
	json_array(j);
	for (size_t i = 0; i < n; i++)
		json_u64(j, ids[i]);
	json_end(j);
}

static void limits_json(struct json_out *j, struct view_pool *v)
{
	json_key(j, "config");
	json_object(j);
	for (size_t i = 0; i < n_params; i++) {
		struct cell cell;

		if (!conf_has(&v->pool.conf, &params[i]))
			continue;
		cell_param(&params[i], &v->pool.conf, &cell);
		json_key(j, params[i].json);
		cell_json(j, &cell);
		cell_done(&cell);
	}
	json_end(j);
	json_key(j, "effective");
	json_object(j);
	for (size_t i = 0; v->n_running && i < n_params; i++) {
		uint64_t now;

		if (param_is_of(&params[i], true) && param_effective(&v->pool, &params[i], &now) >= 0)
			json_known(j, params[i].json, now == U64_UNLIMITED ? UINT64_MAX : now);
	}
	json_end(j);
}

static void pool_json(struct json_out *j, struct view_pool *v)
{
	json_object(j);
	json_kstr(j, "name", v->pool.conf.name);
	numbers(j, "ves", v->ves, v->n_ves);
	numbers(j, "running", v->running, v->n_running);
	limits_json(j, v);
	stat_json(j, &v->stat);
	json_end(j);
}

/* "1024 MiB", or - where nothing is known or limited. */
static void mib(uint64_t v)
{
	if (v >= U64_UNLIMITED)
		out_printf(" %9s", "-");
	else
		out_printf(" %9" PRIu64, v >> 20);
}

static void header(void)
{
	out_printf("%-16s %5s %7s %9s %9s %6s %10s %9s %9s\n", "POOL", "VES", "RUNNING", "USED-MiB",
		   "RAM-MiB", "CPU%", "CPU-s", "PROCESSES", "NUMPROC");
}

static void line(const struct view_pool *v)
{
	const struct ve_conf *c = &v->pool.conf;

	out_printf("%-16s %5zu %7zu", c->name, v->n_ves, v->n_running);
	mib(v->stat.mem_current);
	mib(c->ram ? c->ram : UINT64_MAX);
	if (c->cpulimit)
		out_printf(" %6" PRIu64, c->cpulimit);
	else
		out_printf(" %6s", "-");
	if (v->stat.cpu_usec == UINT64_MAX)
		out_printf(" %10s %9s", "-", "-");
	else
		out_printf(" %10.2f %9" PRIu64, (double)v->stat.cpu_usec / 1e6,
			   v->stat.pids_current == UINT64_MAX ? 0 : v->stat.pids_current);
	if (c->numproc && c->numproc < U64_UNLIMITED)
		out_printf(" %9" PRIu64 "\n", c->numproc);
	else
		out_printf(" %9s\n", "-");
}

static void ids_text(const char *what, const uint32_t *ids, size_t n)
{
	out_printf("%-12s", what);
	for (size_t i = 0; i < n; i++)
		out_printf(" %u", ids[i]);
	out_printf("%s\n", n ? "" : " -");
}

static void show_text(struct view_pool *v)
{
	char text[4096];

	header();
	line(v);
	ids_text("VEs:", v->ves, v->n_ves);
	ids_text("running:", v->running, v->n_running);
	for (size_t i = 0; i < n_params; i++) {
		const struct param *p = &params[i];
		uint64_t now;

		if (!conf_has(&v->pool.conf, p) ||
		    param_format(p, &v->pool.conf, false, text, sizeof(text)) < 0)
			continue;
		out_printf("%s: ", p->json);
		out_safe(text);
		if (v->n_running && !param_obeyed(&v->pool, p, &now))
			out_printf(" (in force: %" PRIu64 ")", now);
		out_printf("\n");
	}
}

int cmd_pool_show(struct cli *c, const struct args *a, struct err *e)
{
	struct view_pool *v = xcalloc(1, sizeof(*v));
	struct json_out *j;
	int r;

	v->pool.lock = v->pool.pidfd = -1;
	r = look(c, a->words[0], v, e);
	if (r >= 0 && c->json) {
		j = json_new(true);
		pool_json(j, v);
		r = out_json(j, e);
	} else if (r >= 0) {
		show_text(v);
	}
	done(v);
	return r;
}

static int each(struct cli *c, const char *name, struct json_out *j, struct err *e)
{
	struct view_pool *v = xcalloc(1, sizeof(*v));
	int r;

	v->pool.lock = v->pool.pidfd = -1;
	r = look(c, name, v, e);
	if (r >= 0 && j)
		pool_json(j, v);
	else if (r >= 0)
		line(v);
	done(v);
	return r;
}

int cmd_pool_list(struct cli *c, const struct args *a, struct err *e)
{
	struct json_out *j;
	_free_ pool_name *names = NULL;
	size_t n = 0;
	int r = pool_list(&c->in, &names, &n, e);

	(void)a;
	j = c->json ? json_new(n != 0) : NULL;
	if (j)
		json_array(j);
	else if (r >= 0)
		header();
	for (size_t i = 0; i < n && r >= 0; i++)
		r = each(c, names[i], j, e);
	if (j)
		json_end(j);
	return out_result(j, r, e);
}

int cmd_pool_create(struct cli *c, const struct args *a, struct err *e)
{
	int r = pool_create(&c->in, a->words[0], &a->change, e);

	if (r >= 0)
		inst_say(&c->in, "Pool %s was created", a->words[0]);
	return r;
}

int cmd_pool_set(struct cli *c, const struct args *a, struct err *e)
{
	_free_ struct set_report *rep = xcalloc(1, sizeof(*rep));
	struct json_out *j;
	int r;

	if (!a->change.to.set[0] && !a->change.to.set[1])
		return err_set(e, EINVAL, VZ_FEW_PARAMS, "pool set: nothing to set");
	r = pool_set(&c->in, a->words[0], &a->change, a->dry_run ? SET_DRY_RUN : 0, rep, e);
	if (r < 0)
		return r;
	if (!c->json) {
		if (a->dry_run)
			set_report_text(c, rep);
		else
			inst_say(&c->in, "Pool %s was changed%s", a->words[0],
				 rep->running ? "" : "; none of its VEs runs");
		return 0;
	}
	j = json_new(true);
	json_object(j);
	json_kstr(j, "pool", a->words[0]);
	json_kbool(j, "running", rep->running);
	json_kbool(j, "saved", rep->saved);
	json_kbool(j, "dry_run", a->dry_run);
	set_report_json(j, rep);
	json_end(j);
	return out_json(j, e);
}

int cmd_pool_delete(struct cli *c, const struct args *a, struct err *e)
{
	int r = 0;

	for (unsigned i = 0; i < a->n_words && r >= 0; i++) {
		r = pool_delete(&c->in, a->words[i], e);
		if (r >= 0)
			inst_say(&c->in, "Pool %s was deleted", a->words[i]);
	}
	return r;
}
