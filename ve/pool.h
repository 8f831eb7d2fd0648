/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pools: limits that several VEs share. A pool is a config, etc/berth/pools/NAME.conf, with rows
 * of the parameter table (P_POOL), and while one of its VEs runs a control group that theirs lie
 * in. It is worked on as a struct ve that has no number: the same rows, the same `set`.
 *
 * Who is in a pool, running or not, is told by claims var/lib/berth/pool/NAME/ID, so that nothing
 * looks through all VEs. Under the pool's lock a claim is made and the config that names the
 * pool saved; a claim whose config says otherwise was left by a kill and counts for nothing.
 */
#pragma once

#include "ve/ve.h"

#define POOL_WAIT_MS 10000      /* for its lock */

/* As ve_open: verb NULL takes no lock. -ENOENT when there is none of the name. */
MUST_CHECK int pool_open(struct ve *ret, struct inst *in, const char *name, const char *verb,
			 struct err *e);

MUST_CHECK int pool_create(struct inst *in, const char *name, const struct ve_change *c,
			   struct err *e);
/* -EBUSY names VEs that are in it. */
MUST_CHECK int pool_delete(struct inst *in, const char *name, struct err *e);
/* As ve_set with SET_SAVE: what a pool has is always saved. */
MUST_CHECK int pool_set(struct inst *in, const char *name, const struct ve_change *c,
			unsigned flags, struct set_report *ret, struct err *e);

/* Names of all pools in order, freed by the caller as one block. */
typedef char pool_name[VE_NAME_LEN];
MUST_CHECK int pool_list(const struct inst *in, pool_name **ret, size_t *ret_n, struct err *e);
/* VEs that are in it by their configs, in order; the caller frees *ret. */
MUST_CHECK int pool_ves(const struct inst *in, const char *name, uint32_t **ret, size_t *ret_n,
			struct err *e);

/* Write the rows of c into the config. */
MUST_CHECK int pool_save(const struct inst *in, const char *name, const struct ve_conf *c,
			 struct err *e);
/* Why the VE could not join, as an error. */
MUST_CHECK int pool_check(const struct inst *in, const char *name, uint32_t id, struct err *e);
/*
 * Join and leave. "" is no pool. Joining refuses a pool that is not there, or full. The config
 * has to say so before *ret_lock is closed.
 */
MUST_CHECK int pool_claim(struct inst *in, const char *name, uint32_t id, int *ret_lock,
			  struct err *e);
/* The same for who holds the lock. */
MUST_CHECK int pool_claim_locked(const struct inst *in, const char *name, uint32_t id,
				 struct err *e);
void pool_release(const struct inst *in, const char *name, uint32_t id);

/* Split "pool-gold/101" into "pool-gold" and "gold"; false where the VE is in none. */
bool pool_of_place(const char *place, char ret_place[CG_PLACE_LEN], char ret_name[VE_NAME_LEN]);

/*
 * True where the kernel leaves a part of a pool's limits to us (cgroup v1): it takes no CPU quota
 * above that of the parent instead of making it void, and I/O rates do not bind what is below.
 * There the limits of each VE are kept below those of the pool.
 */
bool pool_is_flat(const struct inst *in);
void pool_bound(const struct ve_conf *pool, struct ve_bound *ret);
/*
 * Make the running VEs of a pool obey the row's new bound, each below a limit of its own. was:
 * the bound that they have obeyed, to tell a limit of their own from it.
 */
MUST_CHECK int pool_push(struct ve *pool, const struct param *p, const struct ve_bound *was,
			 struct err *e);
