/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rates of a VE's link. The rate out is NETRATE_OUT, or that of vz's RATE where RATEBOUND makes
 * it a cap (without RATEBOUND it is a guarantee, which one link per VE has no use for).
 */
#include "netns/shape.h"
#include "util/str.h"
#include "ve/apply.h"
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
	struct net_spec net;

	(void)p;
	plan_net(ve, &ve->conf.ips, &net);
	return shape_set(net.host_name, &net.shape, e);
}

static int effective(const struct ve *ve, struct shape *ret)
{
	struct err ignored = ERR_INIT;
	struct net_spec net;

	plan_net(ve, &ve->conf.ips, &net);
	return shape_get(net.host_name, ret, &ignored);
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
