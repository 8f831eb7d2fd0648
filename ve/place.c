/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pool's lock is held wherever its node comes or goes or its limits change; a VE's own lock
 * is always taken before it. The limits of a pool count as in force when its node has a VE's in
 * it: they are written before the first of these is made, so a start that is killed in between
 * leaves a node that the next one fills in.
 */
#include "ve/place.h"

#include <errno.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/apply.h"
#include "ve/guarantee.h"
#include "ve/lock.h"
#include "ve/pool.h"

static int make_pool(struct ve *pool, struct err *e)
{
	_free_ uint32_t *ids = NULL;
	size_t n = 0;
	int r;

	if (cg_members(&pool->in->cg, pool->cg, &ids, &n) == 0 && n)
		return 0;
	r = cg_create_pool(&pool->in->cg, pool->cg, e);
	if (!r)
		r = apply_limits(pool, e);
	if (r < 0) {
		cg_destroy_pool(&pool->in->cg, pool->cg);
		return err_wrap(e, "pool %s", pool->conf.name);
	}
	return 0;
}

static int make_in_pool(struct ve *ve, struct err *e)
{
	struct ve pool;
	int r = pool_open(&pool, ve->in, ve->conf.pool, "start", e);

	if (r < 0)
		return err_wrap(e, "VE %u", ve->id);
	(void)str_fmt(ve->cg, sizeof(ve->cg), "%s/%u", pool.cg, ve->id);
	(void)str_fmt(ve->state.place, sizeof(ve->state.place), "%s", ve->cg);
	r = pool_claim_locked(ve->in, ve->conf.pool, ve->id, e);
	if (!r)
		r = state_save(ve->in, ve->id, &ve->state, e);
	if (!r)
		r = make_pool(&pool, e);
	if (!r)
		r = cg_create(&ve->in->cg, ve->cg, (uid_t)ve->conf.local_uid,
			      (gid_t)ve->conf.local_uid, e);
	ve_close(&pool);
	return r;
}

/* The lock is held until the guarantee is in force: nobody else may be promised the same. */
static int make_guaranteed(struct ve *ve, struct err *e)
{
	_fd_ int lock = -1;
	int r = lock_take_guarantee(ve->in, &lock, e);

	if (!r)
		r = guarantee_admit(ve, 0, e);
	if (r < 0)
		return r;
	(void)str_fmt(ve->cg, sizeof(ve->cg), CG_SURE "%u", ve->id);
	(void)str_fmt(ve->state.place, sizeof(ve->state.place), "%s", ve->cg);
	r = state_save(ve->in, ve->id, &ve->state, e);
	if (!r)
		r = cg_create(&ve->in->cg, ve->cg, (uid_t)ve->conf.local_uid,
			      (gid_t)ve->conf.local_uid, e);
	return r < 0 ? r : cg_sure_set(&ve->in->cg, ve->cg, ve->conf.cpuguarantee,
				       guarantee_node(), e);
}

int place_make(struct ve *ve, struct err *e)
{
	if (*ve->conf.pool && ve->conf.cpuguarantee)
		return err_set(e, EINVAL, VZ_SET_CPU, "VE %u: CPUGUARANTEE in a pool", ve->id);
	if (*ve->conf.pool)
		return make_in_pool(ve, e);
	if (ve->conf.cpuguarantee)
		return make_guaranteed(ve, e);
	return cg_create(&ve->in->cg, ve->cg, (uid_t)ve->conf.local_uid, (gid_t)ve->conf.local_uid,
			 e);
}

int place_remove(struct ve *ve, struct err *e)
{
	char pool[CG_PLACE_LEN], name[VE_NAME_LEN];
	_fd_ int lock = -1;
	int r;

	guarantee_drop_ram(ve);
	if (str_starts(ve->cg, CG_SURE) && lock_take_guarantee(ve->in, &lock, e) < 0) {
		log_warn(&ve->in->log, "%s (what it had is shared by the others)", e->msg);
		err_clear(e);
	}
	if (pool_of_place(ve->cg, pool, name) &&
	    lock_take_pool(ve->in, name, "stop", POOL_WAIT_MS, &lock, e) < 0) {
		log_warn(&ve->in->log, "%s (its empty node may stay)", e->msg);
		err_clear(e);
	}
	r = cg_destroy(&ve->in->cg, ve->cg, e);
	if (str_starts(ve->cg, CG_SURE))
		cg_sure_removed(&ve->in->cg, guarantee_node());
	else if (lock >= 0)
		cg_destroy_pool(&ve->in->cg, pool);
	return r;
}

int place_bound(struct ve *ve, int *ret_lock, struct err *e)
{
	char place[CG_PLACE_LEN], name[VE_NAME_LEN];
	struct ve pool;
	int r;

	*ret_lock = -1;
	if (!pool_of_place(ve->cg, place, name) || !pool_is_flat(ve->in))
		return 0;
	r = pool_open(&pool, ve->in, name, "set", e);
	if (r < 0)
		return r;
	pool_bound(&pool.conf, &ve->bound);
	*ret_lock = TAKE_FD(pool.lock);
	ve_close(&pool);
	return 0;
}
