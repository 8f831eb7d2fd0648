/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/cli.h"

#include <stdlib.h>

#include "cli/columns.h"
#include "cli/options.h"
#include "cli/out.h"
#include "cli/xalloc.h"
#include "ve/apply.h"

/* The one line that panels split at blanks: five fixed words, and "suspended". */
static void status_line(const struct ve_status *s)
{
	out_printf("CTID %u %s %s %s%s\n", s->id, s->exists ? "exist" : "deleted",
		   s->mounted || s->running ? "mounted" : "unmounted",
		   s->running ? "running" : "down", s->state.suspended ? " suspended" : "");
}

static void config_json(struct json_out *j, const struct ve_conf *conf)
{
	size_t i;

	json_key(j, "config");
	json_object(j);
	for (i = 0; i < n_params; i++) {
		struct cell cell;

		if (!params[i].json || !conf_has(conf, &params[i]))
			continue;
		cell_param(&params[i], conf, &cell);
		json_key(j, params[i].json);
		cell_json(j, &cell);
		cell_done(&cell);
	}
	json_end(j);
}

/* What the kernel says it enforces now, for the rows that can be asked. */
static int effective_json(struct cli *c, uint32_t id, struct json_out *j, struct err *e)
{
	struct ve *ve = xcalloc(1, sizeof(*ve));
	size_t i;
	int r = ve_open(ve, &c->in, id, NULL, e);

	json_key(j, "effective");
	json_object(j);
	for (i = 0; r >= 0 && i < n_params; i++) {
		uint64_t v;

		if (param_effective(ve, &params[i], &v) >= 0)
			json_known(j, params[i].json, v == U64_UNLIMITED ? UINT64_MAX : v);
	}
	json_end(j);
	json_key(j, "differs");
	json_array(j);
	for (i = 0; r >= 0 && i < n_params; i++)
		if (!param_obeyed(ve, &params[i], &(uint64_t){ 0 }))
			json_str(j, params[i].json);
	json_end(j);
	if (r >= 0)
		ve_close(ve);
	free(ve);
	return r;
}

static void usage_json(struct json_out *j, const struct ve_status *s)
{
	json_key(j, "usage");
	json_object(j);
	stat_json(j, &s->stat);
	json_key(j, "disk");
	json_object(j);
	json_known(j, "size", s->disk.size);
	json_known(j, "used", s->disk.used);
	json_known(j, "avail", s->disk.avail);
	json_known(j, "inodes", s->disk.inodes);
	json_known(j, "inodes_used", s->disk.inodes_used);
	json_end(j);
	json_end(j);
}

static void machine_json(struct json_out *j, const struct ve_state *s)
{
	json_kstr(j, "accel", s->accel);
	json_kstr(j, "machine", s->machine);
	json_ku64(j, "ram_max", s->ram_max);
	json_ku64(j, "cpus_max", s->cpus_max);
}

static int object(struct cli *c, const struct ve_status *s, struct json_out *j, struct err *e)
{
	int r = 0;

	json_object(j);
	json_ku64(j, "ctid", s->id);
	json_kstr(j, "status", s->exists ? state_word(&s->state) : "deleted");
	json_kbool(j, "exists", s->exists);
	json_kbool(j, "mounted", s->mounted);
	json_kbool(j, "running", s->running);
	if (s->exists) {
		json_kstr(j, "config_error", s->conf_ok ? NULL : s->conf_error);
		config_json(j, &s->conf);
	}
	if (s->running) {
		json_ku64(j, "pid", (uint64_t)s->state.pid);
		json_ku64(j, "started", s->state.started);
		if (s->state.vm)
			machine_json(j, &s->state);
		json_ku64(j, "uid_base", s->state.uid_base);
		json_kbool(j, "keeper", s->keeper);
		r = effective_json(c, s->id, j, e);
		usage_json(j, s);
	}
	json_end(j);
	return r;
}

int status_json(struct cli *c, uint32_t id, struct json_out *j, struct err *e)
{
	struct ve_status *s = xcalloc(1, sizeof(*s));
	int r = ve_status(&c->in, id, STATUS_STAT | STATUS_DISK | STATUS_KEEPER, s, e);

	if (r >= 0)
		r = object(c, s, j, e);
	free(s);
	return r;
}

static int all_json(struct cli *c, const struct args *a, struct err *e)
{
	struct json_out *j = json_new(true);
	bool many = a->all || a->n_ids != 1;
	size_t i;
	int r = 0;

	if (many)
		json_array(j);
	for (i = 0; i < a->n_ids && r >= 0; i++)
		r = status_json(c, a->ids[i], j, e);
	if (many)
		json_end(j);
	return out_result(j, r, e);
}

int cmd_status(struct cli *c, const struct args *a, struct err *e)
{
	struct ve_status *s;
	size_t i;
	int r = 0;

	if (c->json)
		return all_json(c, a, e);
	s = xcalloc(1, sizeof(*s));
	for (i = 0; i < a->n_ids && r >= 0; i++) {
		r = ve_status(&c->in, a->ids[i], 0, s, e);
		if (r >= 0)
			status_line(s);
	}
	free(s);
	return r;
}
