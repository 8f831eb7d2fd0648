/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rates of a VE's disk. Three rows make up one setting: a limit for both directions, and one
 * for reading and for writing that goes before it. The kernel has only two numbers; read_rates
 * turns them into three again, so that a limit that was set without being saved is known to
 * the next change.
 */
#include <errno.h>
#include <string.h>

#include "storage/storage.h"
#include "util/exits.h"
#include "util/sys-blk.h"
#include "ve/apply.h"
#include "ve/plan.h"
#include "ve/pool.h"

#define PRIO_USUAL 4

/* 0 is no limit; in a direction: that of both. */
struct rates {
	uint64_t both, way[2];
};

static const struct rates *configured(const struct ve *ve, enum cg_io what, struct rates *dst)
{
	const struct ve_conf *c = &ve->conf;

	if (what == CG_IO_BPS)
		*dst = (struct rates){ c->iolimit, { c->iolimit_way[0], c->iolimit_way[1] } };
	else
		*dst = (struct rates){ c->iopslimit, { c->iopslimit_way[0], c->iopslimit_way[1] } };
	return dst;
}

/*
 * On v1 the flusher's writes have to be throttled on the device (cgroups/cg-io.c); on one that is
 * shared that would be everybody's.
 */
const char *lacks_io_rate(struct ve *ve, const struct param *p)
{
	const struct storage_backend *b = plan_backend(&ve->conf);

	(void)p;
	if (ve->is_pool || !b || !b->on_host || ve->in->cg.on_v2[CG_IO])
		return NULL;
	return "cgroup v1 cannot tell whose buffered writes to the host's disk are; want "
	       "--layout image, or cgroup v2";
}

bool io_in_root(const struct ve *ve)
{
	const struct inst *in = ve->in;

	return cg_own_disk(&in->cg, (dev_t)ve->state.disk_dev) &&
	       cg_lacks_io_weight(&in->cg, (dev_t)host_disk(in));
}

static int apply(struct ve *ve, enum cg_io what, const struct param *p, struct err *e)
{
	struct cg_rate rate = { .dev = (dev_t)ve->state.disk_dev, .what = what };
	struct ve_bound was = { .cpu = 0 };
	struct rates c;

	if (ve->is_pool && pool_is_flat(ve->in)) {
		if (ve->was)
			pool_bound(ve->was, &was);
		return pool_push(ve, p, &was, e);
	}
	if (lacks_io_rate(ve, p))
		return err_set(e, EOPNOTSUPP, VZ_IO, "%s", lacks_io_rate(ve, p));
	if (!rate.dev)
		return err_set(e, EOPNOTSUPP, VZ_IO, "%s/var/lib/berth lies on no block device",
			       ve->in->root);
	(void)configured(ve, what, &c);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t v = c.way[i] ? c.way[i] : c.both, most = ve->bound.io[what][i];

		if (most && (!v || v > most))
			v = most;
		rate.value[i] = v ? v : CG_NONE;
	}
	return cg_set_io(&ve->in->cg, ve->cg, &rate, e);
}

void io_let_go(struct ve *ve)
{
	struct cg_rate rate = { .dev = (dev_t)ve->state.disk_dev, .value = { CG_NONE, CG_NONE } };
	struct err ignored = ERR_INIT;

	if (!rate.dev || lacks_io_rate(ve, NULL))
		return;
	for (unsigned i = 0; i < 2; i++) {
		rate.what = i ? CG_IO_IOPS : CG_IO_BPS;
		(void)!cg_set_io(&ve->in->cg, ve->cg, &rate, &ignored);
	}
}

/*
 * A direction with a limit of its own in the config keeps it. If none has, the larger number
 * is that of both, and the other direction has its own.
 */
static void three_of_two(const uint64_t now[2], const struct rates *c, struct rates *ret)
{
	bool read_lower = now[0] < now[1];

	*ret = *c;
	if (c->way[0] && c->way[1]) {
		ret->way[0] = now[0];
		ret->way[1] = now[1];
	} else if (c->way[0] || c->way[1]) {
		ret->way[c->way[1] != 0] = now[c->way[1] != 0];
		ret->both = now[c->way[1] == 0];
	} else {
		ret->both = now[read_lower];
		if (now[0] != now[1])
			ret->way[!read_lower] = now[!read_lower];
	}
	for (unsigned i = 0; i < 2; i++)
		if (ret->way[i] == CG_NONE)
			ret->way[i] = 0;
	if (ret->both == CG_NONE)
		ret->both = 0;
}

static int read_rates(struct ve *ve, enum cg_io what, struct rates *ret)
{
	struct cg_rate rate = { .dev = (dev_t)ve->state.disk_dev, .what = what };
	struct rates c;
	int r = ve->is_pool && pool_is_flat(ve->in) ? -EOPNOTSUPP :
		cg_get_io(&ve->in->cg, ve->cg, &rate);

	if (r == 0)
		three_of_two(rate.value, configured(ve, what, &c), ret);
	return r;
}

static int effective(struct ve *ve, enum cg_io what, int way, uint64_t *ret)
{
	struct rates now;
	int r = read_rates(ve, what, &now);

	if (r == 0)
		*ret = way < 0 ? now.both : now.way[way];
	return r;
}

int apply_iolimit(struct ve *ve, const struct param *p, struct err *e)
{
	return apply(ve, CG_IO_BPS, p, e);
}

int apply_iopslimit(struct ve *ve, const struct param *p, struct err *e)
{
	return apply(ve, CG_IO_IOPS, p, e);
}

int effective_iolimit(struct ve *ve, const struct param *p, uint64_t *ret)
{
	(void)p;
	return effective(ve, CG_IO_BPS, -1, ret);
}

int effective_iolimit_read(struct ve *ve, const struct param *p, uint64_t *ret)
{
	(void)p;
	return effective(ve, CG_IO_BPS, 0, ret);
}

int effective_iolimit_write(struct ve *ve, const struct param *p, uint64_t *ret)
{
	(void)p;
	return effective(ve, CG_IO_BPS, 1, ret);
}

int effective_iopslimit(struct ve *ve, const struct param *p, uint64_t *ret)
{
	(void)p;
	return effective(ve, CG_IO_IOPS, -1, ret);
}

int effective_iopslimit_read(struct ve *ve, const struct param *p, uint64_t *ret)
{
	(void)p;
	return effective(ve, CG_IO_IOPS, 0, ret);
}

int effective_iopslimit_write(struct ve *ve, const struct param *p, uint64_t *ret)
{
	(void)p;
	return effective(ve, CG_IO_IOPS, 1, ret);
}

/* ---- the host's disk, and weights on it ---- */

/*
 * The disk that the images of all VEs are on: a rate on it in the pool's node is shared by them,
 * because a loop device reads and writes in the name of who uses it (since 5.13).
 */
uint64_t host_disk(const struct inst *in)
{
	return blk_disk_of(in->lib);
}

const char *lacks_ioprio(struct ve *ve, const struct param *p)
{
	(void)p;
	return cg_lacks_io_weight(&ve->in->cg, (dev_t)host_disk(ve->in));
}

/*
 * At start a weight that counts for nothing at the moment keeps no VE from running: another
 * scheduler may be chosen while it runs. `set` has asked before.
 */
int apply_ioprio(struct ve *ve, const struct param *p, struct err *e)
{
	uint64_t prio = conf_has(&ve->conf, p) ? ve->conf.ioprio : CG_NONE;
	int r = cg_set_io_weight(&ve->in->cg, ve->cg, prio, e);

	if (r != -EOPNOTSUPP || ve->was)
		return r;
	log_warn(&ve->in->log, "%s (the VE starts without)", e->msg);
	err_clear(e);
	return 0;
}

uint64_t wanted_ioprio(const struct ve *ve, const struct param *p)
{
	return conf_has(&ve->conf, p) ? ve->conf.ioprio : PRIO_USUAL;
}

int effective_ioprio(struct ve *ve, const struct param *p, uint64_t *ret)
{
	(void)p;
	return cg_get_io_weight(&ve->in->cg, ve->cg, ret);
}
