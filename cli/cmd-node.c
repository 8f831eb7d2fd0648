/* SPDX-License-Identifier: GPL-2.0-or-later */
/* node: what the host has, promised and used, and how many more VEs of a plan fit. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/options.h"
#include "cli/out.h"
#include "util/str.h"
#include "ve/node.h"

static const struct {
	const char *name, *unit;
	uint64_t scale;
} resources[NODE_MAX] = {
	[NODE_MEMORY] = { "memory", "MiB", 1 << 20 },
	[NODE_CPU] = { "cpu", "%", 1 },
	[NODE_DISK] = { "disk", "GiB", 1 << 30 },
	[NODE_PROCESSES] = { "processes", "", 1 },
};

/* The resource that is used up first; the table's order decides between equals. */
static unsigned tightest(const struct node *n)
{
	unsigned best = 0, i;

	for (i = 1; i < NODE_MAX; i++)
		if (node_fits(&n->res[i]) < node_fits(&n->res[best]))
			best = i;
	return best;
}

static void pools_json(struct json_out *j, const struct node *n)
{
	json_key(j, "pools");
	json_array(j);
	for (size_t i = 0; i < n->n_pools; i++) {
		const struct node_pool *p = &n->pools[i];

		json_object(j);
		json_kstr(j, "name", p->name);
		json_ku64(j, "ves", p->ves);
		json_ku64(j, "running", p->running);
		for (unsigned k = 0; k < NODE_MAX; k++)
			if (k != NODE_DISK)
				json_known(j, resources[k].name, p->want[k] ? p->want[k] : UINT64_MAX);
		json_end(j);
	}
	json_end(j);
}

static int json(const struct node *n, const char *plan, struct err *e)
{
	struct json_out *j = json_new(true);
	unsigned i, end = tightest(n);
	uint64_t fits = node_fits(&n->res[end]);

	json_object(j);
	json_ku64(j, "ves", n->ves);
	json_ku64(j, "running", n->running);
	for (i = 0; i < NODE_MAX; i++) {
		const struct node_res *r = &n->res[i];

		json_key(j, resources[i].name);
		json_object(j);
		json_ku64(j, "has", r->has);
		json_ku64(j, "promised", r->promised);
		json_ku64(j, "used", r->used);
		json_ku64(j, "unlimited", r->unlimited);
		if (i == NODE_CPU) {
			json_ku64(j, "guaranteed", n->guaranteed);
			json_ku64(j, "can_guarantee", n->can_guarantee);
		}
		if (i == NODE_MEMORY) {
			json_ku64(j, "guaranteed", n->ram_guaranteed);
			json_ku64(j, "can_guarantee", n->can_guarantee_ram);
		}
		json_known(j, "sample", r->sample ? r->sample : UINT64_MAX);
		json_known(j, "fits", node_fits(r));
		json_end(j);
	}
	pools_json(j, n);
	json_kstr(j, "plan", plan);
	json_known(j, "fits", fits);
	json_kstr(j, "ends_it", fits == UINT64_MAX ? NULL : resources[end].name);
	json_end(j);
	return out_json(j, e);
}

static void amount(unsigned what, uint64_t v)
{
	char text[40];

	(void)str_fmt(text, sizeof(text), "%" PRIu64 "%s%s", v / resources[what].scale,
		      *resources[what].unit ? " " : "", resources[what].unit);
	out_printf(" %12s", text);
}

/* What of the promises above are pools'. */
static void pools_text(const struct node *n)
{
	for (size_t i = 0; i < n->n_pools; i++) {
		const struct node_pool *p = &n->pools[i];

		out_printf("%spool %s: %u VEs, %u running, promised", i ? "" : "\n", p->name, p->ves,
			   p->running);
		for (unsigned k = 0; k < NODE_MAX; k++) {
			if (!p->want[k])
				continue;
			out_printf(" %s", resources[k].name);
			amount(k, p->want[k]);
		}
		out_printf("\n");
	}
}

static void text(const struct node *n, const char *plan)
{
	unsigned i, end = tightest(n);
	uint64_t fits = node_fits(&n->res[end]);

	out_printf("%u VEs, %u running\n%-10s %12s %12s %12s %12s\n", n->ves, n->running, "", "has",
		   "promised", "used", "unlimited");
	for (i = 0; i < NODE_MAX; i++) {
		const struct node_res *r = &n->res[i];

		out_printf("%-10s", resources[i].name);
		amount(i, r->has);
		amount(i, r->promised);
		amount(i, r->used);
		out_printf(" %12u\n", r->unlimited);
	}
	if (n->guaranteed)
		out_printf("\n%" PRIu64 " %% of a CPU are guaranteed, of %" PRIu64
			   " %% that can be to VEs that run\n", n->guaranteed, n->can_guarantee);
	if (n->ram_guaranteed)
		out_printf("\n%" PRIu64 " MiB of memory are guaranteed, of %" PRIu64
			   " MiB that can be to VEs that run\n", n->ram_guaranteed >> 20,
			   n->can_guarantee_ram >> 20);
	pools_text(n);
	out_printf("\nPlan ");
	out_safe(plan);
	if (fits == UINT64_MAX) {
		out_printf(" has no limits: nothing to count\n");
		return;
	}
	out_printf(": %" PRIu64 " more fit; %s ends it (", fits, resources[end].name);
	for (i = 0; i < NODE_MAX; i++) {
		if (node_fits(&n->res[i]) == UINT64_MAX)
			out_printf("%s%s: no limit", i ? ", " : "", resources[i].name);
		else
			out_printf("%s%s: %" PRIu64, i ? ", " : "", resources[i].name,
				   node_fits(&n->res[i]));
	}
	out_printf(")\n");
}

int cmd_node(struct cli *c, const struct args *a, struct err *e)
{
	const char *plan = a->change.applyconfig ? a->change.applyconfig : c->in.conf.configfile;
	struct node n;
	int r = node_read(&c->in, plan, &n, e);

	if (r < 0)
		return r;
	if (c->json)
		r = json(&n, plan, e);
	else
		text(&n, plan);
	node_done(&n);
	return r;
}
