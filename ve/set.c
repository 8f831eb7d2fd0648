/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `set` is a transaction. The wanted config is computed and judged row by row first; what
 * cannot be enforced refuses the whole. Then rows are applied in the order of the table, each
 * written and read back by what enforces it; the first failure puts back all that were touched,
 * the failed one included. Only then is anything saved.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/step.h"
#include "util/str.h"
#include "ve/addrs.h"
#include "ve/apply.h"
#include "ve/conf.h"
#include "ve/events.h"
#include "ve/guest.h"
#include "ve/keep.h"
#include "ve/links.h"
#include "ve/netlock.h"
#include "ve/place.h"
#include "ve/plan.h"
#include "ve/pool.h"
#include "ve/ptypes.h"
#include "ve/refuse.h"
#include "ve/registry.h"
#include "ve/set-impl.h"
#include "ve/traffic.h"
#include "ve/vm.h"

/* Addresses: what is there, less the deletions, plus the additions, in that order. */
static int final_ips(struct set *s, struct err *e)
{
	const struct param *p = param_by_key("IP_ADDRESS");
	const struct ve_change *c = s->change;
	int r;

	if ((!conf_has(&c->to, p) && !c->ip_del.n && !c->ip_del_all) || netif_change_is_for(&c->netif))
		return 0;
	r = netif_change_ips(&s->old.ips, c, &s->to.ips, e);
	if (r == 0)
		conf_mark(&s->to, p, true);
	return r;
}

/* Links: likewise, from the links there are. What --ifname names is not the first link's. */
static int final_links(struct set *s, struct err *e)
{
	struct ve_conf c = s->old;
	int r = netif_apply(&c, s->change, e);

	if (r < 0 || (netif_change_empty(&s->change->netif)))
		return r;
	if (netif_change_is_for(&s->change->netif)) {
		conf_mark(&s->to, param_by_key("IP_ADDRESS"), false);
		conf_mark(&s->to, param_by_key("NETWORK"), false);
	}
	param_copy(param_by_key("NETIF"), &s->to, &c);
	return 0;
}

/* True when one of the rows to change is put in force by the same function as p. */
static bool is_part_of_change(const struct set *s, const struct param *p)
{
	for (size_t i = 0; i < n_params; i++)
		if (params[i].apply == p->apply && conf_has(&s->to, &params[i]))
			return true;
	return false;
}

/* Parts of a setting that are in force without being saved: keep them, whatever else is set. */
static void read_parts(struct set *s)
{
	struct ve saved = s->ve;

	for (size_t i = 0; s->running && i < n_params; i++) {
		uint64_t now;

		if (!(params[i].flags & P_PART) || !is_part_of_change(s, &params[i]) ||
		    param_obeyed(&saved, &params[i], &now))
			continue;
		memcpy((char *)&s->ve.conf + params[i].off, &now, sizeof(now));
		conf_mark(&s->ve.conf, &params[i], true);
	}
}

/* What the VE obeys now: its config, over it what the kernel says of the rows at hand. */
static void read_old(struct set *s)
{
	s->old = s->ve.conf;
	if (!s->running)
		return;
	s->old.ips = s->ve.state.ips;
	memcpy(s->old.network, s->ve.state.network, sizeof(s->old.network));
	conf_mark(&s->old, param_by_key("NETWORK"), *s->old.network);
	memcpy(s->old.netif, s->ve.state.netif, sizeof(s->old.netif));
	conf_mark(&s->old, param_by_key("NETIF"), *s->old.netif);
	if (cg_get_cpus(&s->ve.in->cg, s->ve.cg, s->old.cpumask, sizeof(s->old.cpumask)) == 0)
		conf_mark(&s->old, param_by_key("CPUMASK"), true);
	for (size_t i = 0; i < n_params; i++) {
		const struct param *p = &params[i];
		uint64_t now;

		if (!conf_has(&s->change->to, p) || !p->type->number ||
		    param_effective(&s->ve, p, &now) < 0)
			continue;
		memcpy((char *)&s->old + p->off, &now, sizeof(now));
		conf_mark(&s->old, p, true);
	}
}

static bool changes_links(const struct set *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(set_link_rows); i++)
		if (conf_has(&s->to, param_by_key(set_link_rows[i])))
			return true;
	return false;
}

/* What the VE has, and what its config gives it, whether it has it or not. */
struct holdings {
	struct links now, saved, to;
};

static int claim_links(struct set *s, struct holdings *h, struct err *e)
{
	struct links_want saved = links_of_conf(&s->ve), w;
	struct ve ve;
	int r;

	links_plan_undo(&s->ve, &saved, &h->saved);
	ve = s->ve;
	param_copy(param_by_key("IP_ADDRESS"), &ve.conf, &s->old);
	param_copy(param_by_key("NETWORK"), &ve.conf, &s->old);
	param_copy(param_by_key("NETIF"), &ve.conf, &s->old);
	w = links_of_conf(&ve);
	links_plan_undo(&ve, &w, &h->now);

	w = links_of_conf(set_wanted(s, &ve));
	r = addrs_choose(&ve, e);
	for (size_t i = 0; r > 0 && i < ARRAY_SIZE(set_link_rows); i++)
		if (conf_has(&s->to, param_by_key(set_link_rows[i])))
			param_copy(param_by_key(set_link_rows[i]), &s->to, &ve.conf);
	links_plan_undo(&ve, &w, &h->to);
	if (r >= 0)
		r = links_plan(&ve, &w, &h->to, e);
	if (r == 0)
		r = addrs_check(&ve, &h->to, e);
	if (r == 0)
		r = links_check_names(&h->now, &h->to, e);
	if (r == 0)
		r = links_probe(&h->now, &h->to, e);
	return r < 0 ? r : addrs_claim(&ve, &h->to, e);
}

static void put_back(struct set *s)
{
	struct ve_conf failed = s->ve.conf;
	struct err ignored = ERR_INIT;

	s->ve.was = &failed;
	for (unsigned i = 0; i < s->rep->n; i++)
		param_copy(s->rep->line[i].param, &s->ve.conf, &s->old);
	while (s->n_done > 0)
		if (param_apply(&s->ve, s->done[--s->n_done], &ignored) < 0)
			log_warn(&s->ve.in->log, "put back: %s", ignored.msg);
	s->ve.was = NULL;
}

static bool is_applied(const struct set_line *l)
{
	return l->outcome == SET_DONE || l->outcome == SET_SAME;
}

static int apply_all(struct set *s, struct err *e)
{
	int r = 0;

	s->ve.was = &s->old;
	/* What the links are without being saved they stay, whatever else of them is set. */
	if (changes_links(s))
		(void)set_wanted(s, &s->ve);
	/* All of them first: a row may be put in force together with others (CPU, I/O). */
	for (unsigned i = 0; i < s->rep->n; i++)
		if (is_applied(&s->rep->line[i]))
			param_copy(s->rep->line[i].param, &s->ve.conf, &s->to);
	/* Last what a host without CAP_SYS_RESOURCE cannot take back. */
	for (unsigned i = 0; !r && i < 2 * s->rep->n; i++) {
		const struct set_line *l = &s->rep->line[i % s->rep->n];

		if (!is_applied(l) || !(l->param->flags & P_INHERIT) != (i < s->rep->n))
			continue;
		s->done[s->n_done++] = l->param;
		r = fault_at("set", param_word(l->param), false, e);
		if (!r)
			r = param_apply(&s->ve, l->param, e);
	}
	s->ve.was = NULL;
	return r;
}

static int check_stopped(struct set *s, struct err *e)
{
	const struct storage_backend *b = plan_backend(&s->old);
	_fd_ int private = -1;
	struct disk_spec spec;
	struct ve want = s->ve;
	int r;

	if (!conf_has(&s->to, param_by_key("DISKSPACE")) &&
	    !(conf_has(&s->to, param_by_key("DISKINODES")) && b->on_host))
		return 0;
	conf_merge(&want.conf, &s->to);
	plan_disk(&want, &spec);
	r = plan_private(&s->ve, &private, e);
	if (!r)
		r = b->resize_offline(private, &spec, e);
	return r < 0 ? err_exit(e, VZ_IMAGE_RESIZE) : 0;
}

static int save(struct set *s, struct err *e)
{
	bool renamed = conf_has(&s->to, param_by_key("NAME")) && !str_eq(s->to.name, s->old.name);
	int r = 0;

	if (s->ve.is_pool) {
		r = pool_save(s->ve.in, s->ve.conf.name, &s->to, e);
		s->rep->saved = r == 0;
		return r;
	}
	/* The VE has both names until the config says which; a kill leaves one too many, not one too few. */
	if (renamed && *s->to.name)
		r = reg_name_take(s->ve.in, s->ve.id, s->to.name, e);
	if (r < 0)
		return r;
	r = conf_save(s->ve.in, s->ve.id, &s->to, e);
	if (renamed)
		reg_name_drop(s->ve.in, s->ve.id, r < 0 ? s->to.name : s->old.name);
	s->rep->saved = r == 0;
	return r;
}

static int check_flags(struct set *s, struct err *e)
{
	if (s->flags & (SET_SAVE | SET_DRY_RUN))
		return 0;
	for (unsigned i = 0; i < s->rep->n; i++)
		if (s->rep->line[i].param->flags & P_SAVE &&
		    !str_eq(param_word(s->rep->line[i].param), "diskspace"))
			return err_set(e, EINVAL, VZ_BAD_OPTION, "--%s is kept in the config only: add --save",
				       param_word(s->rep->line[i].param));
	return 0;
}

static int userpasswd(struct set *s, struct err *e)
{
	_fd_ int root = -1;
	int r;

	if (!s->running)
		return guest_userpasswd_stopped(&s->ve, s->change->userpasswd, e);
	if (s->ve.state.vm)
		return vm_userpasswd(&s->ve, s->change->userpasswd, e);
	r = guest_open_root(&s->ve, &root, e);
	return r < 0 ? r : guest_userpasswd(&s->ve, root, s->change->userpasswd, e);
}

/* Into another pool: claimed before the config says so, released when it no longer does. */
static int save_pool(struct set *s, struct err *e)
{
	_fd_ int lock = -1;
	pool_name old;
	int r;

	memcpy(old, s->saved_pool, sizeof(old));
	if (!conf_has(&s->to, param_by_key("POOL")) || str_eq(old, s->to.pool))
		return save(s, e);
	cleanup_fd(&s->bound);          /* all is in force; it may be the very pool that is joined */
	r = pool_claim(s->ve.in, s->to.pool, s->ve.id, &lock, e);
	if (!r)
		r = save(s, e);
	pool_release(s->ve.in, r < 0 ? s->to.pool : old, s->ve.id);
	return r;
}

static int commit_all(struct set *s, struct err *e)
{
	int r = s->running ? apply_all(s, e) : check_stopped(s, e);

	if (!r && s->change->userpasswd)
		r = userpasswd(s, e);
	if (!r && (s->flags & SET_SAVE))
		r = save_pool(s, e);
	if (r < 0)
		put_back(s);
	return r;
}

/* By the names that links have before a change, and after it. */
static void count_traffic(const struct set *s)
{
	struct err e = ERR_INIT;

	if (conf_has(&s->to, param_by_key("NETIF")) && traffic_fold(s->ve.in, s->ve.id, &e) < 0)
		log_warn(&s->ve.in->log, "%s (counted later)", e.msg);
}

/* Everything between the judgement and the report. */
static int commit(struct set *s, struct err *e)
{
	_fd_ int lock = -1;             /* no network is removed until the config says who is on it */
	struct holdings *h;
	int r;

	if (!changes_links(s))
		return commit_all(s, e);
	h = calloc(1, sizeof(*h));
	if (!h)
		return err_set(e, ENOMEM, 0, "set: out of memory");
	r = netlock_take(s->ve.in, false, &lock, e);
	if (!r)
		r = claim_links(s, h, e);
	if (!r) {
		count_traffic(s);
		r = commit_all(s, e);
		count_traffic(s);
	}
	if (r < 0) {
		addrs_release(&s->ve, &h->to, &h->now);
		(void)!addrs_claim(&s->ve, &h->saved, &(struct err)ERR_INIT);
	} else {
		addrs_release(&s->ve, &h->now, &h->to);
		if (!(s->flags & SET_SAVE)) {
			(void)!addrs_claim(&s->ve, &h->saved, &(struct err)ERR_INIT);
		} else {
			addrs_release(&s->ve, &h->saved, &h->to);
			addrs_drop(&s->ve, &s->change->ip_del, &h->to);
		}
	}
	free(h);
	return r;
}

static int check_whole(struct set *s, struct err *e)
{
	struct ve_conf whole = s->old;

	conf_merge(&whole, &s->to);
	return refuse_conf(s->ve.in, &whole, e);
}

/* A list of marks says something of its own names only; what is too long for both says it all. */
static void add_marks(struct set *s)
{
	for (size_t i = 0; i < n_params; i++) {
		const struct param *p = &params[i];
		struct err ignored = ERR_INIT;
		char old[1024], add[1024], all[2100];
		struct ve_conf one = { 0 };

		if (p->type != &ptype_marks || !conf_has(&s->change->to, p) ||
		    !conf_has(&s->ve.conf, p) ||
		    param_format(p, &s->ve.conf, true, old, sizeof(old)) < 0 ||
		    param_format(p, &s->change->to, true, add, sizeof(add)) < 0)
			continue;
		(void)str_fmt(all, sizeof(all), "%s %s", old, add);
		if (param_parse(p, all, true, &one, &ignored) == 0)
			param_copy(p, &s->to, &one);
	}
}

static int prepare(struct set *s, struct err *e)
{
	struct ve_conf sample = { 0 };
	int r;

	s->running = s->ve.state.phase == PH_RUNNING;
	s->rep->running = s->running;
	if (s->change->applyconfig) {
		r = conf_load_sample(s->ve.in, s->change->applyconfig, &sample, e);
		if (r < 0)
			return err_exit(e, VZ_APPLYCONFIG);
		/* A plan sets sizes; it never says who the VE is. */
		conf_mark(&sample, param_by_key("OSTEMPLATE"), false);
		conf_mark(&sample, param_by_key("HOSTNAME"), false);
		conf_mark(&sample, param_by_key("IP_ADDRESS"), false);
		conf_mark(&sample, param_by_key("NETIF"), false);
		s->to = sample;
	}
	conf_merge(&s->to, &s->change->to);
	add_marks(s);
	read_parts(s);
	read_old(s);
	s->vm = str_eq(conf_has(&s->to, param_by_key("KIND")) ? s->to.kind : s->old.kind, "vm");
	r = final_ips(s, e);
	if (!r)
		r = final_links(s, e);
	if (!r)
		r = set_judge(s, e);
	if (!r)
		r = check_whole(s, e);
	return r ? r : check_flags(s, e);
}

static int run(struct set *s, struct err *e)
{
	int r;

	s->bound = -1;
	s->ve.patience_ms = s->change->patience_ms;
	memcpy(s->saved_pool, s->ve.conf.pool, sizeof(s->saved_pool));
	r = prepare(s, e);
	if (r < 0 || s->flags & SET_DRY_RUN)
		return r;
	if (s->running && !s->ve.is_pool)
		r = place_bound(&s->ve, &s->bound, e);
	if (!r)
		r = commit(s, e);
	cleanup_fd(&s->bound);
	return r;
}

int pool_set(struct inst *in, const char *name, const struct ve_change *c, unsigned flags,
	     struct set_report *ret, struct err *e)
{
	struct set s = { .change = c, .flags = flags | SET_SAVE, .rep = ret };
	int r;

	*ret = (struct set_report){ 0 };
	r = pool_open(&s.ve, in, name, "set", e);
	if (r < 0)
		return r;
	r = run(&s, e);
	ve_close(&s.ve);
	return r;
}

int ve_set(struct inst *in, uint32_t id, const struct ve_change *c, unsigned flags,
	   struct set_report *ret, struct err *e)
{
	struct set s = { .change = c, .flags = flags, .rep = ret };
	int r;

	*ret = (struct set_report){ 0 };
	r = ve_open(&s.ve, in, id, "set", e);
	if (r < 0)
		return r;
	r = run(&s, e);
	if (!r && !(flags & SET_DRY_RUN))
		events_add(in, id, "changed");
	ve_close(&s.ve);
	if (s.running)
		adopt_quietly(in, id);
	return r;
}
