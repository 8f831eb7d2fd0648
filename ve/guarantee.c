/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guaranteed CPU and memory: the admission check. The promises are those of running VEs, as the kernel has
 * them; those in configs of stopped ones are told by `berth node`. A part of the host is kept
 * for itself: its services, and what the kernel does for all.
 */
#include "ve/guarantee.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/apply.h"
#include "ve/lock.h"
#include "ve/refuse.h"

#define HOST_KEEPS 10           /* percent */

uint64_t guarantee_node(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return (uint64_t)(n > 0 ? n : 1) * 100;
}

uint64_t guarantee_most(const struct inst *in)
{
	uint64_t all = guarantee_node(), most = all * (100 - HOST_KEEPS) / 100, kept;

	return cg_sure_most(&in->cg, all, &kept) == 0 && kept < most ? kept : most;
}

/* What is wrong with the config's own numbers, or NULL. */
static const char *contradiction(const struct ve *ve)
{
	uint64_t cap = wanted_cpu_quota(ve, NULL);

	if (*ve->conf.pool)
		return "a VE in a pool has no guarantee of its own";
	return cap && ve->conf.cpuguarantee > cap ? "is above its cpulimit" : NULL;
}

int guarantee_admit(const struct ve *ve, uint64_t has, struct err *e)
{
	uint64_t want = ve->conf.cpuguarantee, most = guarantee_most(ve->in), total = 0;
	const char *why = contradiction(ve);
	int r = cg_sure_total(&ve->in->cg, &total);

	if (r < 0)
		return err_set(e, -r, VZ_SET_CPU, "read what is guaranteed: no cpu controller");
	if (why)
		return err_set(e, EINVAL, VZ_SET_CPU, "guarantee %" PRIu64 " %% of a CPU to VE %u: %s",
			       want, ve->id, why);
	total -= has < total ? has : total;
	if (total + want <= most || want < has)
		return 0;
	return err_set(e, ENOSPC, VZ_NO_RESOURCES,
		       "guarantee %" PRIu64 " %% of a CPU to VE %u: the host can promise %" PRIu64
		       ", others that run have %" PRIu64 ": %" PRIu64 " is left", want, ve->id, most,
		       total, most > total ? most - total : 0);
}

int effective_cpuguarantee(struct ve *ve, const struct param *p, uint64_t *ret)
{
	(void)p;
	*ret = 0;
	return str_starts(ve->cg, CG_SURE) ? cg_sure_get(&ve->in->cg, ve->cg, ret) : 0;
}

/* At start the node was made with it. */
int apply_cpuguarantee(struct ve *ve, const struct param *p, struct err *e)
{
	_fd_ int lock = -1;
	uint64_t has = 0;
	int r;

	if (!str_starts(ve->cg, CG_SURE))
		return 0;
	r = effective_cpuguarantee(ve, p, &has);
	if (r == 0 && has == ve->conf.cpuguarantee)
		return 0;
	r = lock_take_guarantee(ve->in, &lock, e);
	if (!r)
		r = guarantee_admit(ve, has, e);
	return r < 0 ? r : cg_sure_set(&ve->in->cg, ve->cg, ve->conf.cpuguarantee,
				       guarantee_node(), e);
}

int judge_cpuguarantee(const struct ve *ve, const struct ve_conf *to, char *why, size_t size)
{
	bool has = str_starts(ve->cg, CG_SURE);
	uint64_t most = guarantee_most(ve->in);
	struct ve want = *ve;
	const char *bad;

	want.conf.cpuguarantee = to->cpuguarantee;
	if (conf_has(to, param_by_key("POOL")))
		param_copy(param_by_key("POOL"), &want.conf, to);
	if (conf_has(to, param_by_key("CPULIMIT")))
		param_copy(param_by_key("CPULIMIT"), &want.conf, to);
	bad = to->cpuguarantee ? contradiction(&want) : NULL;
	if (bad)
		(void)str_fmt(why, size, "%s", bad);
	else if (to->cpuguarantee > most)
		(void)str_fmt(why, size, "the host can promise %" PRIu64 " in all", most);
	if (*why)
		return SET_IMPOSSIBLE;
	if (ve->state.phase != PH_RUNNING || has == (to->cpuguarantee != 0))
		return SET_DONE;
	(void)str_fmt(why, size, "takes effect at the next start: a guaranteed VE has its control "
		      "group elsewhere");
	return SET_AT_RESTART;
}

/* ---- memory ---- */

uint64_t most_guaranteed_ram(void)
{
	return most_memory() / 100 * (100 - HOST_KEEPS);
}

/* The kernel counts whole pages. */
uint64_t wanted_ram_guarantee(const struct ve *ve, const struct param *p)
{
	(void)p;
	return ve->conf.ram_guarantee - ve->conf.ram_guarantee % (uint64_t)sysconf(_SC_PAGESIZE);
}

/* The account may be too high after a crash: count anew before anybody is refused. */
static int admit_ram(const struct ve *ve, uint64_t has, struct err *e)
{
	uint64_t want = wanted_ram_guarantee(ve, NULL), most = most_guaranteed_ram(), total;
	const struct cg_host *h = &ve->in->cg;

	total = cg_protect_total(h) - has;
	if (total <= most && want <= most - total)
		return 0;
	cg_protect_recount(h);
	total = cg_protect_total(h) - has;
	if (total <= most && want <= most - total)
		return 0;
	return err_set(e, ENOSPC, VZ_NO_RESOURCES,
		       "guarantee %" PRIu64 " MiB to VE %u: the host can promise %" PRIu64
		       " MiB, others that run have %" PRIu64 ": %" PRIu64 " is left", want >> 20,
		       ve->id, most >> 20, total >> 20, most > total ? (most - total) >> 20 : 0);
}

int apply_ram_guarantee(struct ve *ve, const struct param *p, struct err *e)
{
	uint64_t has = 0, want = wanted_ram_guarantee(ve, p);
	_fd_ int lock = -1;
	int r;

	(void)effective_ram_guarantee(ve, p, &has);
	if (has == want)
		return 0;
	r = lock_take_guarantee(ve->in, &lock, e);
	if (!r && want > has)
		r = admit_ram(ve, has, e);
	return r < 0 ? r : cg_protect_set(&ve->in->cg, ve->cg, want, e);
}

int effective_ram_guarantee(struct ve *ve, const struct param *p, uint64_t *ret)
{
	(void)p;
	return cg_protect_get(&ve->in->cg, ve->cg, ret);
}

const char *lacks_ram_guarantee(struct ve *ve, const struct param *p)
{
	(void)p;
	return cg_protect_lacks(&ve->in->cg);
}

void guarantee_drop_ram(struct ve *ve)
{
	struct err e = ERR_INIT;
	_fd_ int lock = -1;
	uint64_t has = 0;
	int r;

	if (effective_ram_guarantee(ve, NULL, &has) < 0 || !has)
		return;
	r = lock_take_guarantee(ve->in, &lock, &e);
	if (!r)
		r = cg_protect_set(&ve->in->cg, ve->cg, 0, &e);
	if (r < 0)
		log_warn(&ve->in->log, "%s (counted as promised until somebody needs it)", e.msg);
}
