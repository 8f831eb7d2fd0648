/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rollout: a channel's VEs to another version. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>

#include "cli/options.h"
#include "cli/out.h"
#include "util/str.h"
#include "ve/rollout.h"

struct display {
	struct cli *c;
	struct progress p;
};

/* A line per VE where it is asked for or went wrong; on a terminal a count that moves. */
static void told(void *arg, const struct rollout *r, const struct rollout_ve *v)
{
	struct display *d = arg;
	char line[160];

	(void)str_fmt(line, sizeof(line), "%zu of %zu: %zu ok, %zu failed, %zu back",
		      r->n - rollout_count(r, RO_TODO), r->n, rollout_count(r, RO_OK),
		      rollout_count(r, RO_FAILED), rollout_count(r, RO_UNDONE));
	if (*v->why)
		out_warn(d->c, "CT %u %s: %s", v->id, rollout_word(v->outcome), v->why);
	progress_line(&d->p, line);
}

static void report_json(struct json_out *j, const struct rollout *r)
{
	size_t i;

	json_object(j);
	json_kstr(j, "channel", r->channel);
	json_kstr(j, "to", r->to);
	json_kstr(j, "was", r->was);
	json_kstr(j, "phase", r->phase);
	json_kstr(j, "check", *r->check ? r->check : NULL);
	json_ku64(j, "canary", r->canary);
	json_ku64(j, "max_failures", r->max_failures);
	for (i = RO_TODO; i <= RO_STUCK; i++)
		json_ku64(j, rollout_word((enum rollout_outcome)i),
			  rollout_count(r, (enum rollout_outcome)i));
	json_key(j, "ves");
	json_array(j);
	for (i = 0; i < r->n; i++) {
		json_object(j);
		json_ku64(j, "ctid", r->ve[i].id);
		json_kstr(j, "outcome", rollout_word(r->ve[i].outcome));
		json_kbool(j, "canary", i < r->canary);
		json_kstr(j, "from", r->ve[i].from);
		json_kstr(j, "why", *r->ve[i].why ? r->ve[i].why : NULL);
		json_end(j);
	}
	json_end(j);
	json_end(j);
}

static void report_text(const struct rollout *r)
{
	size_t i;

	out_printf("rollout of %s to %.12s: %s\n", r->channel, r->to, r->phase);
	out_printf("%zu VEs, %zu of them the canary: ", r->n, r->canary);
	out_printf("%zu ok, %zu failed, %zu back, %zu stuck, %zu not touched\n",
		   rollout_count(r, RO_OK), rollout_count(r, RO_FAILED),
		   rollout_count(r, RO_UNDONE), rollout_count(r, RO_STUCK),
		   rollout_count(r, RO_TODO));
	for (i = 0; i < r->n; i++) {
		if (!*r->ve[i].why)
			continue;
		out_printf("CT %u %s: ", r->ve[i].id, rollout_word(r->ve[i].outcome));
		out_safe(r->ve[i].why);
		out_printf("\n");
	}
}

static int report(const struct cli *c, const struct rollout *r, struct err *e)
{
	struct json_out *j;

	if (!c->json) {
		if (!c->quiet)
			report_text(r);
		return 0;
	}
	j = json_new(true);
	report_json(j, r);
	return out_json(j, e);
}

int cmd_rollout(struct cli *c, const struct args *a, struct err *e)
{
	struct display d = { .c = c };
	struct rollout_opts o = {
		.channel = a->words[0], .to = a->to, .check = a->check, .canary = a->canary,
		.check_ms = (int)a->check_ms, .parallel = (unsigned)a->parallel,
		.max_failures = (unsigned)a->max_failures, .force = a->force,
		.dry_run = a->dry_run, .undo = a->undo, .tell = told, .arg = &d,
	};
	struct rollout r = { .n = 0 };
	struct err ignored = ERR_INIT;
	int res;

	progress_init(&d.p, c);
	res = a->status ? rollout_load(&c->in, o.channel, &r, e) : ve_rollout(&c->in, &o, &r, e);
	progress_done(&d.p);
	/* What became of each is worth saying just when something went wrong. */
	if (res >= 0)
		res = report(c, &r, e);
	else if (r.n && e->eno == ECANCELED && report(c, &r, &ignored) < 0)
		err_clear(&ignored);
	rollout_free(&r);
	return res;
}
