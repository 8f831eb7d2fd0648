/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Limits of a pool where the kernel leaves a part of them to us: see pool_is_flat. A VE obeys the
 * lower of its own limit and the pool's. When the pool's changes, a limit of the VE's own has to
 * be told from the pool's old one, which it may obey: below that it is its own, saved or not;
 * else its own is what its config says.
 */
#include <stdlib.h>

#include "util/cleanup.h"
#include "ve/apply.h"
#include "ve/pool.h"

bool pool_is_flat(const struct inst *in)
{
	return in->cg.v1[CG_CPU] >= 0 || in->cg.v1[CG_IO] >= 0;
}

void pool_bound(const struct ve_conf *pool, struct ve_bound *ret)
{
	*ret = (struct ve_bound){ .cpu = pool->cpulimit };
	for (unsigned i = 0; i < 2; i++) {
		ret->io[CG_IO_BPS][i] = pool->iolimit_way[i] ? pool->iolimit_way[i] : pool->iolimit;
		ret->io[CG_IO_IOPS][i] =
			pool->iopslimit_way[i] ? pool->iopslimit_way[i] : pool->iopslimit;
	}
}

static void own_cpu(struct ve *ve, const struct ve_bound *was)
{
	uint64_t now;

	if (effective_cpu_quota(ve, NULL, &now) < 0 || (was->cpu && (!now || now >= was->cpu)))
		return;
	ve->conf.cpulimit = now;
	ve->conf.cpus = 0;
}

static void own_rates(struct ve *ve, enum cg_io what, const struct ve_bound *was)
{
	struct cg_rate now = { .dev = (dev_t)ve->state.disk_dev, .what = what };
	struct ve_conf *c = &ve->conf;
	uint64_t *both = what == CG_IO_BPS ? &c->iolimit : &c->iopslimit;
	uint64_t *way = what == CG_IO_BPS ? c->iolimit_way : c->iopslimit_way;

	if (cg_get_io(&ve->in->cg, ve->cg, &now) < 0)
		return;
	for (unsigned i = 0; i < 2; i++) {
		uint64_t bound = was->io[what][i];

		if (!bound || now.value[i] < bound)
			way[i] = now.value[i] == CG_NONE ? 0 : now.value[i];
		else if (!way[i])
			way[i] = *both;
	}
	*both = 0;
}

static int push_one(struct ve *pool, uint32_t id, const struct param *p, const struct ve_bound *was,
		    struct err *e)
{
	char place[CG_PLACE_LEN], name[VE_NAME_LEN];
	struct ve ve;
	int r = ve_open(&ve, pool->in, id, NULL, e);

	if (r < 0)
		return r;
	/* one that is being started or stopped at this moment has no init to hold back */
	if (ve.state.phase == PH_RUNNING && pool_of_place(ve.cg, place, name)) {
		if (p->apply == apply_cpu_quota)
			own_cpu(&ve, was);
		else
			own_rates(&ve, p->apply == apply_iolimit ? CG_IO_BPS : CG_IO_IOPS, was);
		pool_bound(&pool->conf, &ve.bound);
		r = p->apply(&ve, p, e);
	}
	ve_close(&ve);
	return r < 0 ? err_wrap(e, "VE %u", id) : 0;
}

int pool_push(struct ve *pool, const struct param *p, const struct ve_bound *was, struct err *e)
{
	_free_ uint32_t *ids = NULL;
	size_t n = 0;
	int r = 0;

	if (cg_members(&pool->in->cg, pool->cg, &ids, &n) < 0)
		return 0;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = push_one(pool, ids[i], p, was, e);
	return r;
}
