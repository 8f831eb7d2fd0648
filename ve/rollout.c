/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/rollout.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "templates/store.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/parse.h"
#include "util/step.h"
#include "util/str.h"
#include "ve/conf.h"
#include "ve/health.h"
#include "ve/registry.h"
#include "ve/upgrade.h"

#define PARALLEL 8

static int enter(const struct inst *in, struct rollout *r, const char *phase, struct err *e)
{
	(void)str_fmt(r->phase, sizeof(r->phase), "%s", phase);
	return rollout_save(in, r, e);
}

/* ---- the plan ---- */

static int find_version(const struct store *st, const char *name, char ret[65], struct err *e)
{
	struct template t;
	int r = store_find(st, name, &t, e);

	if (!r)
		(void)str_fmt(ret, 65, "%s", t.digest);
	return r;
}

/* Of the channel, and not there yet. */
static bool belongs(const struct inst *in, const struct rollout *r, uint32_t id,
		    char from[65])
{
	struct err ignored = ERR_INIT;
	struct ve_conf conf;

	if (conf_load(in, id, &conf, &ignored) < 0 || !str_eq(conf.ostemplate, r->channel) ||
	    str_eq(conf.template, r->to))
		return false;
	(void)str_fmt(from, 65, "%s", conf.template);
	return true;
}

static bool is_running(const struct inst *in, uint32_t id)
{
	struct ve_state s = VE_STATE_INIT;
	struct err ignored = ERR_INIT;

	return state_load(in, id, &s, NULL, &ignored) == 0 && s.phase == PH_RUNNING;
}

/* Running ones first: they are the canary, for only what runs can show that it works. */
static void gather(const struct inst *in, struct rollout *r, const uint32_t *ids, size_t n)
{
	for (int running = 1; running >= 0; running--)
		for (size_t i = 0; i < n; i++) {
			struct rollout_ve v = { .id = ids[i] };

			if (!belongs(in, r, ids[i], v.from) || is_running(in, ids[i]) != running)
				continue;
			r->ve[r->n++] = v;
		}
}

/* "5%" of them, rounded up, or a number; at least one. */
static int canary_size(const char *text, size_t all, size_t *ret, struct err *e)
{
	char digits[24];
	size_t len = strlen(text);
	bool percent = len && text[len - 1] == '%';
	uint64_t n;

	if (str_fmt(digits, sizeof(digits), "%.*s", (int)(len - percent), text) < 0 ||
	    parse_u64(digits, 1, percent ? 100 : 1000000, &n) < 0)
		return err_set(e, EINVAL, VZ_BAD_VALUE,
			       "--canary \"%.20s\": want a number of VEs or 1%% to 100%%",
			       str_has_control(text) ? "?" : text);
	if (percent)
		n = (all * n + 99) / 100;
	*ret = n < all ? n : all;
	return 0;
}

static int plan(struct inst *in, const struct rollout_opts *o, struct rollout *r, struct err *e)
{
	struct store st = STORE_INIT;
	_free_ uint32_t *ids = NULL;
	size_t n = 0;
	int res = store_open(in->lib, in->run, &st, e);

	(void)str_fmt(r->channel, sizeof(r->channel), "%s", o->channel);
	(void)str_fmt(r->check, sizeof(r->check), "%s", o->check ? o->check : "");
	r->check_ms = o->check_ms;
	r->parallel = o->parallel ? o->parallel : PARALLEL;
	r->max_failures = o->max_failures;
	r->force = o->force;
	if (!res)
		res = find_version(&st, o->channel, r->was, e);
	if (!res)
		res = find_version(&st, o->to, r->to, e);
	store_close(&st);
	if (!res)
		res = reg_list(in, &ids, &n, e);
	if (res < 0)
		return res;
	r->ve = calloc(n + 1, sizeof(*r->ve));
	if (!r->ve)
		return err_set(e, ENOMEM, 0, "plan the rollout: out of memory");
	gather(in, r, ids, n);
	return canary_size(o->canary ? o->canary : "5%", r->n, &r->canary, e);
}

/* ---- the work on one VE ---- */

static int upgrade_one(struct inst *in, const struct rollout *r, const struct rollout_ve *v,
		       struct err *e)
{
	struct upgrade_opts o = {
		.to = r->to, .check = *r->check ? r->check : NULL, .check_ms = r->check_ms,
		.force = r->force, .leader = r->leader,
	};
	struct upgrade_report rep;
	int res;

	if (!reg_exists(in, v->id))
		return 0;               /* destroyed since the plan: it holds nobody up */
	res = ve_upgrade(in, v->id, &o, &rep, e);
	if (!res)
		upgrade_report_free(&rep);
	return res;
}

/*
 * Back, by its own way back where that is of this rollout; after a confirm, or when its time is
 * over, as an upgrade to the version before. What is not on the new version, or not there any more,
 * needs nothing.
 */
static int return_one(struct inst *in, const struct rollout *r, const struct rollout_ve *v,
		      struct err *e)
{
	struct upgrade_opts o = { .to = v->from, .force = true, .leader = r->leader };
	struct upgrade_report rep;
	struct upgrade_state s;
	struct ve_conf conf;
	int res;

	if (!reg_exists(in, v->id))
		return 0;
	res = upgrade_load(in, v->id, &s, e);
	if (res < 0)
		return res;
	if (s.phase != UP_NONE && str_eq(s.to, r->to)) {
		res = ve_upgrade_undo(in, v->id, r->leader, e);
		if (res != -ENOENT)
			return res;
		err_clear(e);           /* the crew of a killed one was just about it */
	}
	res = conf_load(in, v->id, &conf, e);
	if (res < 0 || !str_eq(conf.template, r->to))
		return res;
	res = ve_upgrade(in, v->id, &o, &rep, e);
	if (!res)
		upgrade_report_free(&rep);
	return res;
}

/* ---- forward ---- */

static int forward(struct inst *in, struct rollout *r, const struct rollout_opts *o, size_t first,
		   size_t end, size_t max_bad, struct err *e)
{
	const struct rollout_job job = {
		.first = first, .end = end, .which = RO_TODO, .good = RO_OK, .bad = RO_FAILED,
		.max_bad = max_bad, .work = upgrade_one, .opts = o,
	};

	return rollout_each(in, r, &job, e);
}

static int backward(struct inst *in, struct rollout *r, const struct rollout_opts *o, size_t end,
		    enum rollout_outcome which, struct err *e)
{
	const struct rollout_job job = {
		.end = end, .which = which, .good = RO_UNDONE, .bad = RO_STUCK, .max_bad = r->n,
		.work = return_one, .opts = o,
	};

	return rollout_each(in, r, &job, e);
}

static const struct rollout_ve *first_failed(const struct rollout *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->ve[i].outcome == RO_FAILED)
			return &r->ve[i];
	return NULL;
}

/* The version is no good: those of the canary that took it go back, too. */
static int end_canary(struct inst *in, struct rollout *r, const struct rollout_opts *o,
		      struct err *e)
{
	const struct rollout_ve *bad = first_failed(r);
	int res = backward(in, r, o, r->canary, RO_OK, e);

	if (!res)
		res = enter(in, r, "failed", e);
	return res < 0 ? res : err_set(e, ECANCELED, VZ_WAIT_FAILED,
				       "rollout %s: stopped by the canary, nothing else was touched: %.300s",
				       r->channel, bad ? bad->why : "?");
}

static int end_others(struct inst *in, struct rollout *r, struct err *e)
{
	const struct rollout_ve *bad = first_failed(r);
	size_t n = rollout_count(r, RO_FAILED);
	int res = enter(in, r, "failed", e);

	return res < 0 ? res : err_set(e, ECANCELED, VZ_WAIT_FAILED,
				       "rollout %s: stopped, %zu have failed (--undo takes all back): %.300s",
				       r->channel, n, bad ? bad->why : "?");
}

static int tag(const struct inst *in, const struct rollout *r, const char *version,
	       struct err *e)
{
	struct store st = STORE_INIT;
	int res = store_open(in->lib, in->run, &st, e);

	if (!res)
		res = store_tag(&st, version, r->channel, e);
	store_close(&st);
	return res;
}

static int roll(struct inst *in, struct rollout *r, const struct rollout_opts *o, struct err *e)
{
	size_t failed;
	int res = forward(in, r, o, 0, r->canary, r->canary, e);

	if (res < 0)
		return res;
	failed = rollout_count(r, RO_FAILED);   /* before a kill */
	for (size_t i = 0; i < r->canary; i++)
		if (r->ve[i].outcome == RO_FAILED)
			return end_canary(in, r, o, e);
	res = fault_at("rollout", "canary", false, e);
	if (!res && failed <= r->max_failures)
		res = forward(in, r, o, r->canary, r->n, r->max_failures - failed, e);
	if (res < 0)
		return res;
	if (rollout_count(r, RO_FAILED) > r->max_failures)
		return end_others(in, r, e);
	res = tag(in, r, r->to, e);
	return res < 0 ? res : enter(in, r, "done", e);
}

/* ---- back ---- */

static int undo(struct inst *in, struct rollout *r, const struct rollout_opts *o, struct err *e)
{
	static const enum rollout_outcome from[] = { RO_STUCK, RO_OK, RO_FAILED, RO_TODO };
	struct store st = STORE_INIT;
	char now[65] = "";
	struct err ignored = ERR_INIT;
	int res;

	if (str_eq(r->phase, "undone"))
		return 0;
	res = enter(in, r, "undoing", e);
	if (!res && store_open(in->lib, in->run, &st, &ignored) == 0 &&
	    find_version(&st, r->channel, now, &ignored) == 0 && str_eq(now, r->to))
		res = tag(in, r, r->was, e);
	store_close(&st);
	/* What is on the new version goes back, whatever the log of a killed one knows of it. */
	for (size_t i = 0; !res && i < ARRAY_SIZE(from); i++)
		res = backward(in, r, o, r->n, from[i], e);
	if (res < 0)
		return res;
	if (rollout_count(r, RO_STUCK))
		return err_set(e, ECANCELED, VZ_WAIT_FAILED, "rollout %s: %zu could not go back; call "
			       "--undo again", r->channel, rollout_count(r, RO_STUCK));
	return enter(in, r, "undone", e);
}

/* ---- which of it ---- */

static bool unfinished(const struct rollout *r)
{
	return str_eq(r->phase, "rolling") || str_eq(r->phase, "undoing");
}

/* done: the one on disk went to the same version; what is not there yet begins a new one. */
static int begin(struct inst *in, const struct rollout_opts *o, struct rollout *r, bool done,
		 struct err *e)
{
	struct rollout new = { .lock = r->lock, .leader = r->leader };
	int res = plan(in, o, &new, e);

	if (res < 0 || (done && !new.n)) {
		rollout_free(&new);             /* nothing to do: its record and its way back stay */
		return res;
	}
	rollout_free(r);
	*r = new;
	(void)str_fmt(r->phase, sizeof(r->phase), RO_PLANNED);
	if (o->dry_run)
		return 0;
	res = rollout_create(in, r, e);
	if (!res)
		res = enter(in, r, "rolling", e);
	return res < 0 ? res : roll(in, r, o, e);
}

/* A second try after a stop: those that failed or went back get another chance. */
static int again(struct inst *in, const struct rollout_opts *o, struct rollout *r, struct err *e)
{
	int res = 0;

	for (size_t i = 0; str_eq(r->phase, "failed") && i < r->n && !res; i++) {
		if (r->ve[i].outcome == RO_OK)
			continue;
		r->ve[i].outcome = RO_TODO;
		r->ve[i].why[0] = '\0';
		res = rollout_note(in, r, &r->ve[i], e);
	}
	if (!res)
		res = enter(in, r, "rolling", e);
	return res < 0 ? res : roll(in, r, o, e);
}

static int same_target(struct inst *in, const struct rollout_opts *o, const struct rollout *r,
		       bool *ret, struct err *e)
{
	struct store st = STORE_INIT;
	char to[65] = "";
	int res = store_open(in->lib, in->run, &st, e);

	if (!res && o->to)
		res = find_version(&st, o->to, to, e);
	store_close(&st);
	*ret = !o->to || str_eq(to, r->to);
	return res;
}

static int forth(struct inst *in, const struct rollout_opts *o, struct rollout *r, bool have,
		 struct err *e)
{
	bool same = false;
	int res = have ? same_target(in, o, r, &same, e) : 0;

	if (res < 0)
		return res;
	if (have && unfinished(r) && (!same || str_eq(r->phase, "undoing")))
		return err_set(e, EBUSY, VZ_LOCKED,
			       "rollout %s: one to %.12s is unfinished; end it with \"rollout %s%s\"%s",
			       r->channel, r->to, r->channel,
			       str_eq(r->phase, "undoing") ? " --undo" : "",
			       str_eq(r->phase, "undoing") ? "" : ", or take it back with --undo");
	if (have && same && !o->dry_run && (unfinished(r) || str_eq(r->phase, "failed")))
		return again(in, o, r, e);
	if (!o->to)
		return err_set(e, EINVAL, VZ_FEW_PARAMS, "rollout %s: nothing is unfinished; --to VERSION "
			       "begins one", o->channel);
	return begin(in, o, r, have && same && str_eq(r->phase, "done"), e);
}

int ve_rollout(struct inst *in, const struct rollout_opts *o, struct rollout *ret, struct err *e)
{
	struct rollout r = { .n = 0 };
	_fd_ int lock = -1;
	bool have = false;
	int res = o->check ? health_check_ok(o->check, e) : 0;

	if (!res)
		res = rollout_lock(in, o->channel, &lock, e);
	if (!res) {
		res = rollout_load(in, o->channel, &r, e);
		have = res == 0;
		if (res == -ENOENT && !o->undo) {
			err_clear(e);
			res = 0;
		}
	}
	r.lock = lock;
	r.leader = getpid();
	if (!res)
		res = o->undo ? undo(in, &r, o, e) : forth(in, o, &r, have, e);
	*ret = r;
	return res;
}
