/* SPDX-License-Identifier: GPL-2.0-or-later */
/* set: what it was told, and what became of each parameter. */
#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>

#include "cli/columns.h"
#include "cli/ids.h"
#include "cli/options.h"
#include "cli/out.h"
#include "cli/xalloc.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/ptypes.h"
#include "ve/ve.h"

static bool change_is_empty(const struct ve_change *ch)
{
	return !ch->to.set[0] && !ch->to.set[1] && !ch->ip_del.n && !ch->ip_del_all &&
	       netif_change_empty(&ch->netif) && !ch->userpasswd && !ch->applyconfig;
}

static int check_args(const struct args *a, struct err *e)
{
	bool restart = a->setmode && str_eq(a->setmode, "restart");

	if (a->setmode && !restart && !str_eq(a->setmode, "ignore"))
		return err_set(e, EINVAL, VZ_BAD_VALUE,
			       "--setmode: \"%.40s\" is neither restart nor ignore", a->setmode);
	if (restart && !a->save)
		return err_set(e, EINVAL, VZ_BAD_OPTION, "--setmode restart: needs --save");
	if (a->force && !a->save)
		return err_set(e, EINVAL, VZ_BAD_OPTION, "--force: needs --save");
	if (a->reset_ub && !change_is_empty(&a->change))
		return err_set(e, EINVAL, VZ_BAD_OPTION, "--reset-ub: stands alone");
	if (!a->reset_ub && !a->save && change_is_empty(&a->change))
		return err_set(e, EINVAL, VZ_FEW_PARAMS, "set: nothing to set");
	return 0;
}

/* What --reset-ub asks for: every limit of the config, as if it were given now. */
static int limits_of_config(struct cli *c, uint32_t id, struct ve_change *ret, struct err *e)
{
	struct ve_status *s = xcalloc(1, sizeof(*s));
	size_t i;
	int r = ve_status(&c->in, id, 0, s, e);

	if (r >= 0 && !s->running)
		r = err_set(e, ESRCH, VZ_NOT_RUNNING, "CT %u is not running", id);
	for (i = 0; r >= 0 && i < n_params; i++)
		if (params[i].flags & P_LIVE && params[i].type->number &&
		    conf_has(&s->conf, &params[i]) && !(params[i].flags & P_SAVE))
			param_copy(&params[i], &ret->to, &s->conf);
	free(s);
	return r;
}

static const char *outcome_word(enum set_outcome o)
{
	switch (o) {
	case SET_SAME:
		return "unchanged";
	case SET_DONE:
		return "live";
	case SET_AT_RESTART:
		return "at restart";
	case SET_WITHOUT_EFFECT:
		return "without effect";
	case SET_IMPOSSIBLE:
		return "impossible";
	}
	return "";
}

/* The member `changes`. */
void set_report_json(struct json_out *j, const struct set_report *rep)
{
	unsigned i;

	json_key(j, "changes");
	json_array(j);
	for (i = 0; i < rep->n; i++) {
		const struct set_line *l = &rep->line[i];

		json_object(j);
		json_kstr(j, "name", l->param->json);
		json_kstr(j, "key", l->param->key);
		json_kstr(j, "from", *l->from ? l->from : NULL);
		json_kstr(j, "to", *l->to ? l->to : NULL);
		json_kstr(j, "outcome", outcome_word(l->outcome));
		json_kstr(j, "why", *l->why ? l->why : NULL);
		json_end(j);
	}
	json_end(j);
}

static void report_json(struct json_out *j, const struct args *a, uint32_t id,
			const struct set_report *rep)
{
	json_object(j);
	json_ku64(j, "ctid", id);
	json_kbool(j, "running", rep->running);
	json_kbool(j, "saved", rep->saved);
	json_kbool(j, "dry_run", a->dry_run);
	set_report_json(j, rep);
	json_end(j);
}

void set_report_text(const struct cli *c, const struct set_report *rep)
{
	unsigned i;

	for (i = 0; i < rep->n; i++) {
		const struct set_line *l = &rep->line[i];
		_free_ char *from = cell_people(l->param, l->from);
		_free_ char *to = cell_people(l->param, l->to);

		if (c->worker_of)
			out_printf("CT %u: ", c->worker_of);
		out_printf("%s: ", l->param->json);
		out_safe(from);
		out_printf(" -> ");
		out_safe(to);
		out_printf(": %s", outcome_word(l->outcome));
		if (*l->why) {
			out_printf(" (");
			out_safe(l->why);
			out_printf(")");
		}
		out_printf("\n");
	}
	if (!rep->n)
		out_printf("No changes in CT configuration\n");
}

/* Rows that wait for a restart; the names of the first few for the warning. */
static unsigned waiting(const struct cli *c, const struct args *a, uint32_t id,
			const struct set_report *rep)
{
	unsigned i, n = 0;

	for (i = 0; i < rep->n; i++) {
		const struct set_line *l = &rep->line[i];

		if (l->outcome == SET_WITHOUT_EFFECT && c->verbose)
			out_warn(c, "--%s: kept, has no effect", param_word(l->param));
		if (l->outcome != SET_AT_RESTART || !rep->running)
			continue;
		n++;
		if (!a->setmode)
			out_warn(c, "--%s: takes effect when CT %u is restarted", param_word(l->param),
				 id);
	}
	return n;
}

static void say_ips(struct cli *c, const struct ve_change *ch)
{
	char text[IPADDR_STRLEN], list[VE_MAX_IPS * IPADDR_STRLEN] = "";
	size_t len = 0;
	unsigned i;

	if (ch->ip_del_all)
		inst_say(&c->in, "Deleting all IP addresses");
	for (i = 0; i < ch->ip_del.n && !ch->ip_del_all; i++) {
		format_ip(&ch->ip_del.a[i], text);
		len += (size_t)str_fmt(list + len, sizeof(list) - len, "%s%s", i ? " " : "", text);
	}
	if (len)
		inst_say(&c->in, "Deleting IP address(es): %s", list);
	for (i = 0, len = 0; i < ch->to.ips.n; i++) {
		if (!ch->to.ips.a[i].family)    /* chosen, and said then */
			continue;
		format_ip(&ch->to.ips.a[i], text);
		len += (size_t)str_fmt(list + len, sizeof(list) - len, "%s%s", len ? " " : "", text);
	}
	if (len)
		inst_say(&c->in, "Adding IP address(es): %s", list);
}

/* vzctl's texts for what has changed on the running VE, in its order. */
static void say_applied(struct cli *c, const struct args *a, const struct set_report *rep)
{
	static const struct {
		const char *key, *text;
	} cpu[] = {
		{ "CPULIMIT", "Setting CPU limit" },
		{ "CPUUNITS", "Setting CPU units" },
		{ "CPUS", "Setting CPUs" },
	};
	bool ubc = false;
	unsigned i, k;

	for (i = 0; i < rep->n; i++)
		ubc |= rep->line[i].param->exit == VZ_SET_UBC;
	if (ubc)
		inst_say(&c->in, "UB limits were set successfully");
	say_ips(c, &a->change);
	for (k = 0; k < ARRAY_SIZE(cpu); k++)
		for (i = 0; i < rep->n; i++)
			if (str_eq(rep->line[i].param->key, cpu[k].key))
				inst_say(&c->in, "%s: %s", cpu[k].text, rep->line[i].to);
}

static void say_saved(struct cli *c, const struct args *a, uint32_t id,
		      const struct set_report *rep)
{
	if (rep->saved)
		inst_say(&c->in, "CT configuration saved to %s/etc/berth/conf/%u.conf", c->in.root,
			 id);
	else if (rep->n && !a->reset_ub)
		inst_say(&c->in, "WARNING: Settings were not saved to config (use --save flag)");
}

static int restart(struct cli *c, uint32_t id, struct err *e)
{
	struct start_opts start = { 0 };
	struct stop_opts stop = { 0 };
	int r = ve_stop(&c->in, id, &stop, e);

	return r < 0 ? r : ve_start(&c->in, id, &start, e);
}

/* j: where reports go with -j, or NULL. */
static int finish(struct cli *c, const struct args *a, uint32_t id, const struct set_report *rep,
		  struct json_out *j, struct err *e)
{
	unsigned n = waiting(c, a, id, rep);

	if (j) {
		report_json(j, a, id, rep);
		return 0;
	}
	if (a->dry_run) {
		set_report_text(c, rep);
		return 0;
	}
	if (rep->running)
		say_applied(c, a, rep);
	say_saved(c, a, id, rep);
	if (n && a->setmode && str_eq(a->setmode, "restart"))
		return restart(c, id, e);
	return 0;
}

static int set_one(struct cli *c, const struct args *a, uint32_t id, struct json_out *j,
		   struct err *e)
{
	unsigned flags = (a->save ? SET_SAVE : 0U) | (a->dry_run ? SET_DRY_RUN : 0U) |
			 (a->force ? SET_FORCE : 0U);
	_free_ struct ve_change *change = xcalloc(1, sizeof(*change));
	_free_ struct set_report *rep = xcalloc(1, sizeof(*rep));
	int r = 0;

	*change = a->change;
	if (a->reset_ub)
		r = limits_of_config(c, id, change, e);
	if (r >= 0)
		r = ve_set(&c->in, id, change, flags, rep, e);
	if (r >= 0)
		r = finish(c, a, id, rep, j, e);
	else if (a->dry_run && rep->n && !c->json)
		set_report_text(c, rep);
	return r;
}

static int set_text(struct cli *c, const struct args *a, uint32_t id, struct err *e)
{
	return set_one(c, a, id, NULL, e);
}

/* Of a VE that failed there is no report, but an entry that says why. */
static int set_json(struct cli *c, const struct args *a, struct err *e)
{
	struct json_out *j = json_new(true);
	struct err first = ERR_INIT;
	size_t i, failed = 0;
	int r;

	json_array(j);
	for (i = 0; i < a->n_ids; i++) {
		struct err one = ERR_INIT;

		if (set_one(c, a, a->ids[i], j, &one) >= 0)
			continue;
		json_object(j);
		json_ku64(j, "ctid", a->ids[i]);
		json_kstr(j, "error", one.msg);
		json_ku64(j, "exit", (uint64_t)(one.exit ? one.exit : VZ_SYSTEM));
		json_end(j);
		first = failed++ ? first : one;
	}
	json_end(j);
	r = out_json(j, e);
	if (r >= 0 && failed)
		return err_set(e, first.eno, first.exit, "%zu of %zu failed", failed, a->n_ids);
	return r;
}

/* What belongs to one VE alone. */
static int check_many(const struct args *a, struct err *e)
{
	static const char *const keys[] = { "IP_ADDRESS", "NAME" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		const struct param *p = param_by_key(keys[i]);

		if (conf_has(&a->change.to, p))
			return err_set(e, EINVAL, VZ_BAD_OPTION, "--%s: takes one VE, not several",
				       p->opt);
	}
	return 0;
}

int cmd_set(struct cli *c, const struct args *a, struct err *e)
{
	struct json_out *j;
	int r = check_args(a, e);

	if (r >= 0 && !a->reset_ub && change_is_empty(&a->change)) {
		inst_say(&c->in, "No changes in CT configuration, not saving");
		return 0;
	}
	if (r >= 0 && a->n_ids != 1)
		r = check_many(a, e);
	if (r < 0)
		return r;
	if (!c->json)
		return ids_each(c, a, set_text, e);
	if (a->n_ids != 1)
		return set_json(c, a, e);
	j = json_new(true);
	r = set_one(c, a, a->ids[0], j, e);
	return out_result(j, r, e);
}
