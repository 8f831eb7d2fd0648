/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stat: what VEs use and what held them back, for people and as JSON. */
#include "cli/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/options.h"
#include "cli/out.h"
#include "cli/xalloc.h"
#include "util/exits.h"
#include "ve/apply.h"

static const char *const resources[CG_PRESSURES] = {
	[CG_PRESSURE_CPU] = "cpu",
	[CG_PRESSURE_MEMORY] = "memory",
	[CG_PRESSURE_IO] = "io",
};

/* ---- JSON ---- */

void json_known(struct json_out *j, const char *key, uint64_t v)
{
	json_key(j, key);
	if (v == UINT64_MAX)
		json_null(j);
	else
		json_u64(j, v);
}

static void object(struct json_out *j, const char *key)
{
	json_key(j, key);
	json_object(j);
}

void stat_json(struct json_out *j, const struct cg_stat *s)
{
	object(j, "cpu");
	json_known(j, "usage_usec", s->cpu_usec);
	json_known(j, "throttled_usec", s->throttled_usec);
	json_known(j, "nr_throttled", s->nr_throttled);
	json_end(j);
	object(j, "memory");
	json_known(j, "current", s->mem_current);
	json_known(j, "max", s->mem_max);
	json_known(j, "swap_current", s->swap_current);
	json_known(j, "oom", s->oom_kills);
	json_end(j);
	object(j, "io");
	json_known(j, "rbytes", s->rbytes);
	json_known(j, "wbytes", s->wbytes);
	json_known(j, "rios", s->rios);
	json_known(j, "wios", s->wios);
	json_end(j);
	object(j, "pids");
	json_known(j, "current", s->pids_current);
	json_known(j, "max", s->pids_max);
	json_end(j);
}

static void percent_json(struct json_out *j, const char *key, uint64_t hundredths)
{
	json_key(j, key);
	json_double(j, (double)hundredths / 100);
}

static void stall_json(struct json_out *j, const char *key, const struct cg_stall *s)
{
	object(j, key);
	percent_json(j, "avg10", s->avg10);
	percent_json(j, "avg60", s->avg60);
	percent_json(j, "avg300", s->avg300);
	json_ku64(j, "total", s->total_usec);
	json_end(j);
}

static void pressure_json(struct json_out *j, const struct ve_usage *u)
{
	unsigned i;

	object(j, "pressure");
	for (i = 0; i < CG_PRESSURES; i++) {
		if (!u->has_pressure[i])
			continue;
		object(j, resources[i]);
		stall_json(j, "some", &u->pressure[i].some);
		if (u->pressure[i].has_full)
			stall_json(j, "full", &u->pressure[i].full);
		json_end(j);
	}
	json_end(j);
}

static void network_json(struct json_out *j, const struct ve_usage *u)
{
	unsigned i;

	json_key(j, "network");
	json_array(j);
	for (i = 0; i < u->n_net; i++) {
		const struct net_counters *c = &u->net[i].counters;

		json_object(j);
		json_kstr(j, "name", u->net[i].name);
		json_ku64(j, "rx_bytes", c->rx_bytes);
		json_ku64(j, "rx_packets", c->rx_packets);
		json_ku64(j, "tx_bytes", c->tx_bytes);
		json_ku64(j, "tx_packets", c->tx_packets);
		json_end(j);
	}
	json_end(j);
}

static void one_json(const struct ve_status *s, const struct ve_usage *u, struct json_out *j)
{
	json_object(j);
	json_ku64(j, "ctid", s->id);
	json_kstr(j, "status", state_word(&s->state));
	json_kstr(j, "pool", *s->conf.pool ? s->conf.pool : NULL);
	if (s->running) {
		stat_json(j, &u->cg);
		network_json(j, u);
		pressure_json(j, u);
	}
	json_end(j);
}

/* ---- text ---- */

static void label(const char *name)
{
	out_printf("  %-10s ", name);
}

static void size(uint64_t v)
{
	if (v == UINT64_MAX)
		out_printf("?");
	else
		out_printf("%.1f MiB", (double)v / (1 << 20));
}

static void of_limit(uint64_t v, bool bytes)
{
	if (v == UINT64_MAX)
		return;
	out_printf(" of ");
	if (bytes)
		size(v);
	else
		out_printf("%" PRIu64, v);
}

/* The one question a slow VE's owner asks: was it the limit? */
static void cpu_text(struct cli *c, const struct ve_status *s, const struct cg_stat *st)
{
	struct ve *ve = xcalloc(1, sizeof(*ve));
	struct err ignored = ERR_INIT;
	uint64_t limit = 0;

	label("cpu");
	out_printf("%.2f s used", (double)st->cpu_usec / 1e6);
	if (ve_open(ve, &c->in, s->id, NULL, &ignored) >= 0) {
		(void)param_effective(ve, param_by_key("CPULIMIT"), &limit);
		ve_close(ve);
	}
	free(ve);
	if (st->throttled_usec != UINT64_MAX && st->nr_throttled)
		out_printf(", held back by its limit for %.2f s in %" PRIu64 " periods",
			   (double)st->throttled_usec / 1e6, st->nr_throttled);
	if (limit)
		out_printf(" (limit: %" PRIu64 " %% of one CPU)", limit);
	out_printf("\n");
}

static void memory_text(const struct cg_stat *st)
{
	label("memory");
	size(st->mem_current);
	of_limit(st->mem_max, true);
	if (st->swap_current != UINT64_MAX) {
		out_printf(", swap ");
		size(st->swap_current);
	}
	if (st->oom_kills && st->oom_kills != UINT64_MAX)
		out_printf(", %" PRIu64 " killed for lack of it", st->oom_kills);
	out_printf("\n");
}

static void io_text(const struct cg_stat *st)
{
	label("io");
	if (st->rbytes == UINT64_MAX) {
		out_printf("?\n");
		return;
	}
	out_printf("read ");
	size(st->rbytes);
	out_printf(" in %" PRIu64 ", written ", st->rios);
	size(st->wbytes);
	out_printf(" in %" PRIu64 " operations\n", st->wios);
}

static void network_text(const struct ve_usage *u)
{
	unsigned i;

	for (i = 0; i < u->n_net; i++) {
		label(u->net[i].name);
		out_printf("received ");
		size(u->net[i].counters.rx_bytes);
		out_printf(", sent ");
		size(u->net[i].counters.tx_bytes);
		out_printf("\n");
	}
}

static void pressure_text(const struct ve_usage *u)
{
	unsigned i;

	for (i = 0; i < CG_PRESSURES; i++) {
		const struct cg_pressure *p = &u->pressure[i];

		if (!u->has_pressure[i])
			continue;
		label(i ? "" : "waited");
		out_printf("for %-6s %5.1f %% of the last 10 s, %5.1f %% of 60 s, %.2f s in all\n",
			   resources[i], (double)p->some.avg10 / 100, (double)p->some.avg60 / 100,
			   (double)p->some.total_usec / 1e6);
	}
}

static void one_text(struct cli *c, const struct ve_status *s, const struct ve_usage *u)
{
	out_printf("CT %u", s->id);
	if (*s->conf.name) {
		out_printf(" ");
		out_safe(s->conf.name);
	}
	out_printf(": %s\n", state_word(&s->state));
	if (!s->running)
		return;
	if (*s->conf.pool) {
		label("pool");
		out_safe(s->conf.pool);
		out_printf("\n");
	}
	cpu_text(c, s, &u->cg);
	memory_text(&u->cg);
	io_text(&u->cg);
	label("processes");
	out_printf("%" PRIu64, u->cg.pids_current == UINT64_MAX ? 0 : u->cg.pids_current);
	of_limit(u->cg.pids_max, false);
	out_printf("\n");
	network_text(u);
	pressure_text(u);
}

int cmd_stat(struct cli *c, const struct args *a, struct err *e)
{
	struct json_out *j = c->json ? json_new(true) : NULL;
	struct ve_status *s = xcalloc(1, sizeof(*s));
	bool many = a->all || a->n_ids != 1;
	struct ve_usage u;
	size_t i;
	int r = 0;

	if (j && many)
		json_array(j);
	for (i = 0; i < a->n_ids && r >= 0; i++) {
		r = ve_status(&c->in, a->ids[i], 0, s, e);
		if (r >= 0 && !s->exists)
			r = err_set(e, ENOENT, VZ_NO_CONF, "VE %u does not exist", s->id);
		if (r < 0)
			break;
		if (s->running)
			ve_read_usage(&c->in, s->id, &s->state, &u);
		if (j)
			one_json(s, &u, j);
		else
			one_text(c, s, &u);
	}
	if (j && many)
		json_end(j);
	free(s);
	return out_result(j, r, e);
}
