/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rates of a VE's links, each for itself. The rate out is NETRATE_OUT, or that of vz's RATE where RATEBOUND makes
 * it a cap (without RATEBOUND it is a guarantee, which links of one host's own have no use for).
 */
#include <errno.h>

#include "netns/shape.h"
#include "util/str.h"
#include "ve/apply.h"
#include "ve/links.h"
#include "ve/plan.h"
#include "ve/ptypes.h"
#include "ve/quota.h"

void plan_shape(const struct ve *ve, struct shape *ret)
{
	const struct ve_conf *c = &ve->conf;

	*ret = (struct shape){ .in = c->netrate_in, .out = c->netrate_out, .burst = c->netburst };
	if (!ret->out && c->ratebound)
		ret->out = vz_rate_bits(c->rate);
	quota_shape(ve, ret);
	if (ret->closed)
		ret->in = ret->out = SHAPE_MIN;
}

/* The allowance is looked at with its new value, then the rates follow. */
int apply_traffic(struct ve *ve, const struct param *p, struct err *e)
{
	bool changed = false;
	int r = quota_update(ve, &changed, e);

	return r < 0 ? r : apply_netrate(ve, p, e);
}

int apply_netrate(struct ve *ve, const struct param *p, struct err *e)
{
	struct links_want w = links_of_state(ve);
	struct links links;
	int r = 0;

	(void)p;
	links_plan_undo(ve, &w, &links);
	for (unsigned i = 0; i < links.n && r == 0; i++)
		r = shape_set(links.a[i].host_name, &links.a[i].shape, e);
	return r;
}

static int effective(const struct ve *ve, struct shape *ret)
{
	struct err ignored = ERR_INIT;
	struct links_want w = links_of_state(ve);
	struct links links;

	links_plan_undo(ve, &w, &links);
	return links.n ? shape_get(links.a[0].host_name, ret, &ignored) : -ENOENT;
}

int effective_netrate_in(struct ve *ve, const struct param *p, uint64_t *ret)
{
	struct shape now;
	int r = effective(ve, &now);

	(void)p;
	if (r == 0)
		*ret = now.in;
	return r;
}

int effective_netrate_out(struct ve *ve, const struct param *p, uint64_t *ret)
{
	struct shape now;
	int r = effective(ve, &now);

	(void)p;
	if (r == 0)
		*ret = now.out;
	return r;
}

uint64_t wanted_netrate_in(const struct ve *ve, const struct param *p)
{
	struct shape s;

	(void)p;
	plan_shape(ve, &s);
	return s.in;
}

uint64_t wanted_netrate_out(const struct ve *ve, const struct param *p)
{
	struct shape s;

	(void)p;
	plan_shape(ve, &s);
	return s.out;
}

/* ---- caps ---- */

int apply_caps(struct ve *ve, const struct param *p, struct err *e)
{
	struct links_want w = links_of_state(ve);
	struct links links;
	int r = 0;

	(void)p;
	links_plan_undo(ve, &w, &links);
	for (unsigned i = 0; i < links.n && r == 0; i++)
		r = net_cap(&links.a[i], e);
	return r;
}

/* The links' own, where they agree. */
static int effective_cap(struct ve *ve, enum cap cap, uint64_t *ret)
{
	struct err ignored = ERR_INIT;
	struct links_want w = links_of_state(ve);
	struct links links;
	struct caps now = { { 0 } };
	uint64_t n = 0;

	links_plan_undo(ve, &w, &links);
	for (unsigned i = 0; i < links.n; i++) {
		const struct net_spec *s = &links.a[i];

		if (caps_get(s->table, s->host_name, &now, &ignored) < 0)
			return -ignored.eno;
		if (i && now.n[cap] != n)
			return -EMLINK;
		n = now.n[cap];
	}
	*ret = n;
	return links.n ? 0 : -ENOENT;
}

int effective_flow_rate(struct ve *ve, const struct param *p, uint64_t *ret)
{
	(void)p;
	return effective_cap(ve, CAP_FLOWS, ret);
}

int effective_conntrack(struct ve *ve, const struct param *p, uint64_t *ret)
{
	(void)p;
	return effective_cap(ve, CAP_ENTRIES, ret);
}

int effective_mail_rate(struct ve *ve, const struct param *p, uint64_t *ret)
{
	(void)p;
	return effective_cap(ve, CAP_MAIL, ret);
}
