/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * --dry-run of the verbs that move a VE from one state to another: what they would do to it, and
 * with which number they would refuse. Rows say for each verb in which states it has nothing to do
 * and in which it refuses; a reason beyond the state (no memory, a bad config) shows only when
 * the verb is run.
 */
#include "cli/dry-run.h"

#include <stdlib.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/out.h"
#include "cli/xalloc.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/ve.h"

enum { STOPPED = 1, MOUNTED = 2, RUNNING = 4, PAUSED = 8, SUSPENDED = 16, UP = RUNNING | PAUSED };

static const struct {
	const char *verb, *would;
	unsigned idle;                          /* states in which there is nothing to do */
	struct {
		unsigned states;
		int exit;
	} refused[2];
} rules[] = {
	{ "start", "started", 0, { { UP, VZ_RUNNING } } },
	{ "stop", "stopped", STOPPED | SUSPENDED, { { 0 } } },
	{ "restart", "stopped and started", 0, { { 0 } } },
	{ "destroy", "removed with all its data", 0, { { UP, VZ_RUNNING }, { MOUNTED, VZ_MOUNTED } } },
	{ "mount", "mounted", MOUNTED | UP, { { SUSPENDED, VZ_RUNNING } } },
	{ "umount", "unmounted", 0, { { UP, VZ_RUNNING }, { STOPPED | SUSPENDED, VZ_NOT_MOUNTED } } },
	{ "pause", "paused", PAUSED, { { STOPPED | MOUNTED | SUSPENDED, VZ_NOT_RUNNING } } },
	{ "unpause", "let go on", RUNNING, { { STOPPED | MOUNTED | SUSPENDED, VZ_NOT_RUNNING } } },
	{ "suspend", "suspended", SUSPENDED, { { STOPPED | MOUNTED, VZ_NOT_RUNNING } } },
	{ "resume", "let go on", 0, { { STOPPED | MOUNTED | RUNNING, VZ_RESUME } } },
};

static unsigned state_of(const struct ve_status *s)
{
	if (s->state.suspended)
		return SUSPENDED;
	if (s->state.phase == PH_RUNNING)
		return s->state.paused ? PAUSED : RUNNING;
	return s->state.phase == PH_MOUNTED ? MOUNTED : STOPPED;
}

/* The number with which the rule's verb would refuse, or 0. */
static int refusal(const struct args *a, size_t rule, const struct ve_status *s)
{
	bool starts = str_eq(rules[rule].verb, "start") || str_eq(rules[rule].verb, "restart");

	if (!s->exists)
		return VZ_NO_CONF;
	if (str_eq(rules[rule].verb, "suspend") && !str_eq(s->conf.kind, "vm"))
		return VZ_SUSPEND;
	for (size_t i = 0; i < ARRAY_SIZE(rules[rule].refused); i++)
		if (rules[rule].refused[i].states & state_of(s))
			return rules[rule].refused[i].exit;
	if (starts && !s->conf_ok)
		return VZ_BAD_CONF;
	return starts && s->conf.disabled && !a->force ? VZ_DISABLED : 0;
}

static void tell(struct json_out *j, size_t rule, const struct ve_status *s, int exit)
{
	bool idle = rules[rule].idle & state_of(s);

	if (j) {
		json_object(j);
		json_ku64(j, "ctid", s->id);
		json_kstr(j, "status", s->exists ? state_word(&s->state) : "deleted");
		json_kstr(j, "would", exit ? "refuse" : idle ? "nothing" : rules[rule].verb);
		json_ku64(j, "exit", (uint64_t)exit);
		json_end(j);
	} else if (exit) {
		out_printf("CT %u: %s would be refused (%d): it is %s%s\n", s->id, rules[rule].verb, exit,
			   s->exists ? state_word(&s->state) : "not there",
			   exit == VZ_DISABLED ? ", and disabled" : exit == VZ_BAD_CONF ?
			   ", and its config is no good" : "");
	} else if (idle) {
		out_printf("CT %u: nothing to do: it is %s\n", s->id, state_word(&s->state));
	} else {
		out_printf("CT %u: would be %s\n", s->id, rules[rule].would);
	}
}

/* With --all those that would be refused are passed over, as by the verb itself. */
static int each(struct cli *c, const struct args *a, size_t rule, struct json_out *j, struct err *e)
{
	struct ve_status *s = xcalloc(1, sizeof(*s));
	int r = 0, exit, first = 0;

	for (size_t i = 0; i < a->n_ids && r >= 0; i++) {
		r = ve_status(&c->in, a->ids[i], 0, s, e);
		if (r < 0)
			break;
		exit = refusal(a, rule, s);
		if (exit && a->all && exit != VZ_BAD_CONF && !str_eq(rules[rule].verb, "destroy"))
			continue;
		tell(j, rule, s, exit);
		first = first ? first : exit;
	}
	free(s);
	return r < 0 ? r : first;
}

int dry_run(struct cli *c, const struct args *a, const char *verb, struct err *e)
{
	struct json_out *j = c->json ? json_new(true) : NULL;
	size_t rule = 0;
	int r, w;

	while (!str_eq(rules[rule].verb, verb))
		rule++;
	if (j)
		json_array(j);
	r = each(c, a, rule, j, e);
	if (j)
		json_end(j);
	w = out_result(j, r, e);
	return w < 0 ? w : r;
}
