/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What would become of each row of a `set`, and why, before anything is touched. Order: what the
 * table says, what this host lacks, what the value contradicts, what the kernel would make of it.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>

#include "util/exits.h"
#include "util/str.h"
#include "util/sys-proc.h"
#include "ve/addrs.h"
#include "ve/apply.h"
#include "ve/links.h"
#include "ve/plan.h"
#include "ve/ptypes.h"
#include "ve/refuse.h"
#include "ve/set-impl.h"
#include "ve/vm.h"

const char *const set_link_rows[3] = { "IP_ADDRESS", "NETWORK", "NETIF" };

/* A limit below what is in use: what becomes of that. Only a dry run asks; others just try. */
static enum set_outcome judge_use(struct set *s, const struct param *p, char *why, size_t size)
{
	uint64_t used, to;

	if (!s->running || !p->used || !param_number(p, &s->to, &to) ||
	    p->used(&s->ve, p, &used) < 0 || used <= to)
		return SET_DONE;
	(void)str_fmt(why, size, "in use: %" PRIu64 "%s%s", used, p->below ? ": " : "",
		      p->below ? p->below : "");
	return p->below ? SET_DONE : SET_IMPOSSIBLE;
}

struct ve *set_wanted(const struct set *s, struct ve *ret)
{
	*ret = s->ve;
	for (size_t i = 0; i < ARRAY_SIZE(set_link_rows); i++) {
		const struct param *p = param_by_key(set_link_rows[i]);

		param_copy(p, &ret->conf, conf_has(&s->to, p) ? &s->to : &s->old);
	}
	return ret;
}

/* Addresses that somebody has, networks that do not exist. One to be chosen is not looked for. */
static enum set_outcome judge_links(struct set *s, char *why, size_t size)
{
	struct err e = ERR_INIT;
	struct links links, now;
	struct ve ve;
	struct links_want w = links_of_conf(set_wanted(s, &ve)), old = links_of_state(&ve);
	int r = links_plan(&ve, &w, &links, &e);

	links_plan_undo(&ve, &old, &now);
	if (r == 0 && s->running && s->ve.state.vm && !links_same(&now, &links) &&
	    !vm_can_plug(&s->ve, why, size))
		return SET_IMPOSSIBLE;
	for (unsigned i = 0; r == 0 && i < links.n; i++)
		for (unsigned k = links.ips[i].n; k-- > 0;)
			if (!links.ips[i].a[k].family)
				links.ips[i].a[k] = links.ips[i].a[--links.ips[i].n];
	if (r == 0)
		r = addrs_check(&ve, &links, &e);
	if (r == 0)
		return SET_DONE;
	(void)str_fmt(why, size, "%.200s", e.msg);
	return SET_IMPOSSIBLE;
}

/* A pool that is not there, or full. */
static enum set_outcome judge_pool(struct set *s, char *why, size_t size)
{
	struct err e = ERR_INIT;

	if (pool_check(s->ve.in, s->to.pool, s->ve.id, &e) == 0)
		return SET_DONE;
	(void)str_fmt(why, size, "%.200s", e.msg);
	return SET_IMPOSSIBLE;
}

/* A hard limit of processes that run. */
static bool cannot_raise(struct set *s, const struct param *p)
{
	uint64_t now, to;

	return s->running && (p->flags & P_INHERIT) && !proc_has_cap(CAP_SYS_RESOURCE) &&
	       param_number(p, &s->to, &to) && param_effective(&s->ve, p, &now) == 0 && to > now;
}

/* What is decided by the table alone; SET_DONE: the rest has to be asked. */
static enum set_outcome judge_by_table(struct set *s, const struct param *p, char *why, size_t size)
{
	if ((p->flags & P_STOPPED) && s->running) {
		(void)str_fmt(why, size, "VE %u is running; stop it first", s->ve.id);
		return param_same(p, &s->old, &s->to) ? SET_SAME : SET_IMPOSSIBLE;
	}
	if (p->flags & P_STORED) {
		(void)str_fmt(why, size, "kept for vzctl's clients; this kernel has no such limit");
		return SET_WITHOUT_EFFECT;
	}
	if ((p->flags & P_CREATE) && !(p->live && p->live(&s->ve))) {
		(void)str_fmt(why, size, "fixed when the VE is created");
		if (param_same(p, &s->old, &s->to))
			return SET_SAME;
		if (!(p->flags & P_MOOT))
			return SET_IMPOSSIBLE;
		param_copy(p, &s->to, &s->old);         /* what is saved stays what is so */
		return SET_WITHOUT_EFFECT;
	}
	if ((p->flags & P_GUEST) && s->ve.state.suspended && !param_same(p, &s->old, &s->to)) {
		(void)str_fmt(why, size, "VE %u is suspended; resume it first, or stop --fast gives its "
			      "memory up", s->ve.id);
		return SET_IMPOSSIBLE;
	}
	if (!(p->flags & (s->vm ? P_VM : P_CT))) {
		(void)str_fmt(why, size, "%s", s->vm ? "a virtual machine has no such setting"
						   : "for virtual machines only");
		return SET_IMPOSSIBLE;
	}
	if (!s->ve.is_pool && plan_boots_disk(&s->old) && refuse_own_disk(p, why, size))
		return SET_IMPOSSIBLE;
	return SET_DONE;
}

int judge_kind(const struct ve *ve, const struct ve_conf *to, char *why, size_t size)
{
	if (!plan_boots_disk(&ve->conf) || str_eq(to->kind, "vm"))
		return SET_DONE;
	(void)str_fmt(why, size, "its disk has an operating system of its own, no root of a container");
	return SET_IMPOSSIBLE;
}

/* The value that a VE without the row has: what a host lacks is not missed for it. */
static bool is_usual(const struct set *s, const struct param *p)
{
	const struct ve plain = { .in = s->ve.in, .lock = -1, .pidfd = -1 };
	uint64_t to;

	return p->wanted && param_number(p, &s->to, &to) && to == p->wanted(&plain, p);
}

static enum set_outcome judge(struct set *s, const struct param *p, char *why, size_t size)
{
	enum set_outcome by_table = judge_by_table(s, p, why, size);
	const char *lacks;

	if (by_table != SET_DONE)
		return by_table;
	lacks = param_lacks(&s->ve, p);
	if (lacks && !is_usual(s, p)) {
		(void)str_fmt(why, size, "%s", lacks);
		return SET_IMPOSSIBLE;
	}
	if (p->type == &ptype_pool && judge_pool(s, why, size) == SET_IMPOSSIBLE)
		return SET_IMPOSSIBLE;
	if (p->type == &ptype_pool && str_eq(s->to.pool, s->old.pool))
		return SET_SAME;
	if (conf_has(&s->change->to, p) && refuse_row(p, &s->to, why, size))
		return SET_IMPOSSIBLE;
	if (cannot_raise(s, p)) {
		(void)str_fmt(why, size, "this host may not raise it while the VE runs "
			      "(CAP_SYS_RESOURCE); with --save it takes effect at the next start");
		return s->flags & SET_SAVE ? SET_AT_RESTART : SET_IMPOSSIBLE;
	}
	if (p->judge) {
		int r = p->judge(&s->ve, &s->to, why, size);

		if (r != SET_DONE)
			return (enum set_outcome)r;
	}
	if ((p->flags & P_RESTART) && s->running) {
		(void)str_fmt(why, size, "takes effect at the next start");
		return SET_AT_RESTART;
	}
	if (param_same(p, &s->old, &s->to))
		return SET_SAME;
	if (!(s->flags & SET_DRY_RUN))
		return SET_DONE;
	return p->apply == apply_links ? judge_links(s, why, size) : judge_use(s, p, why, size);
}

int set_judge(struct set *s, struct err *e)
{
	for (size_t i = 0; i < n_params; i++) {
		const struct param *p = &params[i];
		int exit = s->ve.state.suspended ? VZ_RUNNING : p->exit ? p->exit : VZ_NO_KERNEL_SUPPORT;
		struct set_line *l;

		if (!conf_has(&s->to, p) || s->rep->n == ARRAY_SIZE(s->rep->line))
			continue;
		l = &s->rep->line[s->rep->n++];
		l->param = p;
		/* Long values are cut in the report, never in the config. */
		(void)param_format(p, &s->old, false, l->from, sizeof(l->from));
		(void)param_format(p, &s->to, false, l->to, sizeof(l->to));
		l->outcome = judge(s, p, l->why, sizeof(l->why));
		if (l->outcome == SET_IMPOSSIBLE && !(s->flags & SET_DRY_RUN))
			return err_set(e, EOPNOTSUPP, exit, "--%s: %s", param_word(p), l->why);
	}
	return 0;
}
