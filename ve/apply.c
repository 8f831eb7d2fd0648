/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "cgroups/cg-oom-policy.h"
#include "runtime/nsenter.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/guest.h"
#include "ve/links.h"
#include "ve/plan.h"
#include "ve/pool.h"
#include "ve/ptypes.h"
#include "ve/vm.h"

#define PAGE 4096

/* ---- rows with a knob ---- */

static bool has_knob(const struct param *p)
{
	return p->cg.v1.file || p->cg.v2.file;
}

/* What "not set", "unlimited" and 0 of a capped row mean to the kernel. */
static uint64_t knob_value(const struct ve *ve, const struct param *p)
{
	uint64_t v = 0;

	if (!conf_has(&ve->conf, p) || !param_number(p, &ve->conf, &v) || v == U64_UNLIMITED)
		return CG_NONE;
	return v;
}

int param_apply(struct ve *ve, const struct param *p, struct err *e)
{
	int r = 0;

	if (ve->state.vm && p->apply_vm)
		r = p->apply_vm(ve, p, e);
	else if (p->apply)
		r = p->apply(ve, p, e);
	else if (has_knob(p))
		r = cg_set(&ve->in->cg, ve->cg,
			   &(struct cg_ask){ &p->cg, knob_value(ve, p), ve->patience_ms }, e);
	if (r < 0) {
		(void)err_wrap(e, "--%s", param_word(p));
		return err_exit(e, p->exit);
	}
	if (p->cg.set == cg_memory_set)
		(void)cg_oom_relieved(&ve->in->cg, ve->cg);
	return 0;
}

/* Rows of the control groups; the rest (disk, addresses, files) has steps of its own at start. */
int apply_limits(struct ve *ve, struct err *e)
{
	for (size_t i = 0; i < n_params; i++) {
		const struct param *p = &params[i];
		int r;

		if ((!has_knob(p) && !(p->flags & P_LIMIT)) || !conf_has(&ve->conf, p) ||
		    (ve->state.vm && !(p->flags & P_VM)))
			continue;
		r = param_apply(ve, p, e);
		if (r < 0)
			return r;
	}
	return 0;
}

int apply_bounds(struct ve *ve, struct err *e)
{
	int r = ve->bound.cpu ? apply_cpu_quota(ve, param_by_key("CPULIMIT"), e) : 0;

	if (!r && (ve->bound.io[CG_IO_BPS][0] || ve->bound.io[CG_IO_BPS][1]))
		r = apply_iolimit(ve, param_by_key("IOLIMIT"), e);
	if (!r && (ve->bound.io[CG_IO_IOPS][0] || ve->bound.io[CG_IO_IOPS][1]))
		r = apply_iopslimit(ve, param_by_key("IOPSLIMIT"), e);
	return r;
}

int apply_inside(struct ve *ve, struct err *e)
{
	for (size_t i = 0; i < n_params; i++) {
		const struct param *p = &params[i];
		int r;

		if (!(p->flags & P_INSIDE) || !conf_has(&ve->conf, p))
			continue;
		r = p->apply == apply_rlimit ? apply_rlimit_start(ve, p, e) : p->apply(ve, p, e);
		if (r < 0) {
			(void)err_wrap(e, "--%s", param_word(p));
			return err_exit(e, p->exit);
		}
	}
	return 0;
}

const char *param_lacks(struct ve *ve, const struct param *p)
{
	if (p->lacks)
		return p->lacks(ve, p);
	return has_knob(p) ? cg_lacks(&ve->in->cg, &p->cg) : NULL;
}

int param_effective(struct ve *ve, const struct param *p, uint64_t *ret)
{
	int r = -EOPNOTSUPP;

	if (ve->state.vm && p->effective_vm)
		r = p->effective_vm(ve, p, ret);
	else if (p->effective)
		r = p->effective(ve, p, ret);
	else if (has_knob(p))
		r = cg_get(&ve->in->cg, ve->cg, &p->cg, ret);
	if (!r && *ret == CG_NONE)
		*ret = U64_UNLIMITED;
	return r;
}

/* 0 and "unlimited" are both no limit, where 0 can be said; a row that is not set has none. */
static uint64_t no_limit_as_zero(const struct param *p, uint64_t v)
{
	return v >= U64_UNLIMITED && !has_knob(p) && !p->min ? 0 : v;
}

static bool same_in_kernel(const struct ve *ve, const struct param *p, uint64_t a, uint64_t b)
{
	const struct cg_file *f = ve->in->cg.on_v2[p->cg.ctl] ? &p->cg.v2 : &p->cg.v1;
	char ta[64], tb[64];

	a = a >= U64_UNLIMITED ? CG_NONE : a;
	b = b >= U64_UNLIMITED ? CG_NONE : b;
	if (p->cg.ctl == CG_MEMORY)
		return a / PAGE == b / PAGE;
	return f->codec->enc(a, ta, sizeof(ta)) == 0 && f->codec->enc(b, tb, sizeof(tb)) == 0 &&
	       str_eq(ta, tb);
}

bool param_obeyed(struct ve *ve, const struct param *p, uint64_t *ret)
{
	uint64_t want = 0, have;

	if (!p->type->number || ((p->flags & P_INHERIT) && !conf_has(&ve->conf, p)) ||
	    param_effective(ve, p, &have) < 0)
		return true;
	if (p->wanted)
		want = p->wanted(ve, p);
	else if (!conf_has(&ve->conf, p) || !param_number(p, &ve->conf, &want))
		want = has_knob(p) ? U64_UNLIMITED : 0;
	want = no_limit_as_zero(p, want);
	have = no_limit_as_zero(p, have);
	if (has_knob(p) ? same_in_kernel(ve, p, want, have) : want == have)
		return true;
	*ret = have;
	return false;
}

/* ---- what is in use ---- */

int used_memory(struct ve *ve, const struct param *p, uint64_t *ret)
{
	struct err ignored = ERR_INIT;
	struct cg_stat s;
	int r = cg_read_stat(&ve->in->cg, ve->cg, &s, &ignored);

	(void)p;
	if (r < 0 || s.mem_current == UINT64_MAX)
		return r < 0 ? r : -ENOENT;
	*ret = s.mem_current;
	return 0;
}

int used_processes(struct ve *ve, const struct param *p, uint64_t *ret)
{
	(void)p;
	*ret = cg_count(&ve->in->cg, ve->cg);
	return 0;
}

int apply_oom_policy(struct ve *ve, const struct param *p, struct err *e)
{
	const char *policy = conf_has(&ve->conf, p) ? ve->conf.oom_policy : CG_OOM_KILL_LARGEST;

	return cg_set_oom(&ve->in->cg, ve->cg, policy, e);
}

/* ---- CPU: the cap is the lower of cpulimit and cpus * 100 ---- */

static const struct cg_knob quota = {
	CG_CPU, { "cpu.max", &cg_codec_cpu_max }, { "cpu.cfs_quota_us", &cg_codec_cfs_quota },
	NULL, NULL,
};

static const struct cg_knob burst = {
	CG_CPU, { "cpu.max.burst", &cg_codec_burst }, { "cpu.cfs_burst_us", &cg_codec_burst },
	NULL, NULL,
};

static int put_cpu(struct ve *ve, const struct cg_knob *k, uint64_t value, struct err *e)
{
	return cg_set(&ve->in->cg, ve->cg, &(struct cg_ask){ k, value, 0 }, e);
}

uint64_t wanted_cpu_quota(const struct ve *ve, const struct param *p)
{
	uint64_t limit = ve->conf.cpulimit, cap = ve->conf.cpus * 100;

	(void)p;
	return limit && (!cap || limit < cap) ? limit : cap;
}

/* The kernel refuses a burst above the quota, so the one that is lowered goes first. */
static int put_quota(struct ve *ve, uint64_t cap, uint64_t more, struct err *e)
{
	uint64_t now = 0;
	int r = 0;

	(void)cg_get(&ve->in->cg, ve->cg, &burst, &now);
	if (more < now)
		r = put_cpu(ve, &burst, more, e);
	if (!r)
		r = put_cpu(ve, &quota, cap ? cap : CG_NONE, e);
	if (!r && more > now)
		r = put_cpu(ve, &burst, more, e);
	return r;
}

/* On v1 the kernel takes no quota above that of the pool: its VEs go down first, and up last. */
static int put_quota_of_pool(struct ve *pool, uint64_t cap, struct err *e)
{
	struct ve_bound was = { .cpu = 0 };
	bool lower;
	int r = 0;

	(void)effective_cpu_quota(pool, NULL, &was.cpu);
	lower = cap && (!was.cpu || cap < was.cpu);
	if (lower)
		r = pool_push(pool, param_by_key("CPULIMIT"), &was, e);
	if (!r)
		r = put_quota(pool, cap, pool->conf.cpuburst, e);
	if (!r && !lower)
		r = pool_push(pool, param_by_key("CPULIMIT"), &was, e);
	return r;
}

int apply_cpu_quota(struct ve *ve, const struct param *p, struct err *e)
{
	uint64_t cap = wanted_cpu_quota(ve, p), more = ve->conf.cpuburst, most = ve->bound.cpu;

	if (cap && more > cap)
		return err_set(e, EINVAL, VZ_SET_CPU,
			       "a burst of %" PRIu64 " is above the limit of %" PRIu64, more, cap);
	if (ve->is_pool && pool_is_flat(ve->in))
		return put_quota_of_pool(ve, cap, e);
	if (most && (!cap || cap > most))
		cap = most;
	return put_quota(ve, cap, cap && more > cap ? cap : more, e);
}

int effective_cpu_burst(struct ve *ve, const struct param *p, uint64_t *ret)
{
	(void)p;
	return cg_get(&ve->in->cg, ve->cg, &burst, ret);
}

const char *lacks_cpu_burst(struct ve *ve, const struct param *p)
{
	(void)p;
	return cg_lacks(&ve->in->cg, &burst);
}

int effective_cpu_quota(struct ve *ve, const struct param *p, uint64_t *ret)
{
	uint64_t v;
	int r = cg_get(&ve->in->cg, ve->cg, &quota, &v);

	(void)p;
	if (r < 0)
		return r;
	*ret = v == CG_NONE ? 0 : v;
	return 0;
}

const char *lacks_cpu_quota(struct ve *ve, const struct param *p)
{
	(void)p;
	return cg_lacks(&ve->in->cg, &quota);
}

/* A guarantee is a weight, so there is none beside it. */
int apply_cpuunits(struct ve *ve, const struct param *p, struct err *e)
{
	if (str_starts(ve->cg, CG_SURE))
		return 0;
	return cg_set(&ve->in->cg, ve->cg, &(struct cg_ask){ &p->cg, knob_value(ve, p), 0 }, e);
}

int effective_cpuunits(struct ve *ve, const struct param *p, uint64_t *ret)
{
	return str_starts(ve->cg, CG_SURE) ? -EOPNOTSUPP :
	       cg_get(&ve->in->cg, ve->cg, &p->cg, ret);
}

static const char *list_or_all(const struct ve *ve, const struct param *p, const char *list)
{
	return conf_has(&ve->conf, p) && !str_eq(list, "all") ? list : "";
}

int apply_cpumask(struct ve *ve, const struct param *p, struct err *e)
{
	return cg_set_cpus(&ve->in->cg, ve->cg, list_or_all(ve, p, ve->conf.cpumask), NULL, e);
}

int apply_nodemask(struct ve *ve, const struct param *p, struct err *e)
{
	return cg_set_cpus(&ve->in->cg, ve->cg, NULL, list_or_all(ve, p, ve->conf.nodemask), e);
}

const char *lacks_cpuset(struct ve *ve, const struct param *p)
{
	static const struct cg_knob cpuset = {
		CG_CPUSET, { "cpuset.cpus", NULL }, { "cpuset.cpus", NULL }, NULL, NULL,
	};

	(void)p;
	return cg_lacks(&ve->in->cg, &cpuset);
}

/* ---- huge pages ---- */

const char *lacks_hugepages(struct ve *ve, const struct param *p)
{
	(void)p;
	return cg_hugetlb_lacks(&ve->in->cg);
}

int apply_hugepages(struct ve *ve, const struct param *p, struct err *e)
{
	uint64_t want = conf_has(&ve->conf, p) ? ve->conf.hugepages : U64_UNLIMITED, now;

	/* Never asked for: the controller stays off. */
	if (cg_hugetlb_get(&ve->in->cg, ve->cg, &now) < 0 && !conf_has(&ve->conf, p))
		return 0;
	return now == want ? 0 : cg_hugetlb_set(&ve->in->cg, ve->cg, want, e);
}

int effective_hugepages(struct ve *ve, const struct param *p, uint64_t *ret)
{
	(void)p;
	return cg_hugetlb_get(&ve->in->cg, ve->cg, ret);
}

/* ---- disk ---- */

static int open_disk(struct ve *ve, int *ret_private, int *ret_root, struct err *e)
{
	_fd_ int private = -1;
	int r = plan_private(ve, &private, e);

	if (!r)
		r = guest_open_root(ve, ret_root, e);
	if (!r)
		*ret_private = TAKE_FD(private);
	return r;
}

int apply_disk(struct ve *ve, const struct param *p, struct err *e)
{
	const struct storage_backend *b = plan_backend(&ve->conf);
	_fd_ int private = -1, root = -1;
	struct disk_spec spec;
	int r = open_disk(ve, &private, &root, e);

	(void)p;
	plan_disk(ve, &spec);
	return r < 0 ? r : b->resize(private, root, ve->state.loop, &spec, e);
}

static int disk_usage(struct ve *ve, struct disk_usage *ret)
{
	const struct storage_backend *b = plan_backend(&ve->conf);
	_fd_ int private = -1, root = -1;
	struct err ignored = ERR_INIT;
	int r;

	if (ve->state.vm)
		return vm_disk_usage(ve, ret, &ignored);
	r = open_disk(ve, &private, &root, &ignored);

	return r < 0 ? r : b->usage(private, root, ve->state.loop, ret, &ignored);
}

int effective_disk(struct ve *ve, const struct param *p, uint64_t *ret)
{
	struct disk_usage u;
	int r = disk_usage(ve, &u);

	(void)p;
	if (!r)
		*ret = u.size;
	return r;
}

/* Only where it is the host's to change. */
bool disk_inodes_live(const struct ve *ve)
{
	const struct storage_backend *b = plan_backend(&ve->conf);

	return b && b->on_host;
}

int effective_inodes(struct ve *ve, const struct param *p, uint64_t *ret)
{
	struct disk_usage u;
	int r = disk_inodes_live(ve) ? disk_usage(ve, &u) : -EOPNOTSUPP;

	(void)p;
	if (!r)
		*ret = u.inodes;
	return r;
}

int used_inodes(struct ve *ve, const struct param *p, uint64_t *ret)
{
	struct disk_usage u;
	int r = disk_usage(ve, &u);

	(void)p;
	if (!r)
		*ret = u.inodes_used;
	return r;
}

int used_disk(struct ve *ve, const struct param *p, uint64_t *ret)
{
	struct disk_usage u;
	int r = disk_usage(ve, &u);

	(void)p;
	if (!r)
		*ret = u.used;
	return r;
}

/* ---- links and files inside ---- */

/* What the links of the VE are to be, and what they are, with rates that are not saved. */
static int plan_change(const struct ve *ve, struct links *from, struct links *to, struct err *e)
{
	struct links_want old = links_of_state(ve), new = links_of_conf(ve);
	struct ve rated = *ve;
	int r;

	recall_netrate(&rated);
	r = links_plan(&rated, &new, to, e);
	links_plan_undo(&rated, &old, from);
	return r;
}

static int change_links(struct ve *ve, const struct links *from, const struct links *to,
			struct err *e)
{
	_fd_ int netns = -1;
	int r;

	if (ve->state.vm)
		return vm_change_links(ve, from, to, e);
	r = ns_open(ve->state.pid, "net", &netns, e);
	if (!r)
		r = guest_still_there(ve, &netns, e);
	return r < 0 ? r : links_change(ve->in, from, to, &(struct links_at){ .netns = netns }, e);
}

static void take_links(struct ve_state *s, const struct ve_conf *c)
{
	s->ips = c->ips;
	memcpy(s->network, c->network, sizeof(s->network));
	memcpy(s->netif, c->netif, sizeof(s->netif));
}

/* IP_ADDRESS, NETWORK and NETIF are one setting: whichever row comes first applies them all. */
int apply_links(struct ve *ve, const struct param *p, struct err *e)
{
	struct ve_state next = ve->state;
	struct links from, to;
	int r = plan_change(ve, &from, &to, e);

	take_links(&next, &ve->conf);
	if (!r)
		r = state_note_links(ve->in, ve->id, &next, e);
	if (r < 0)
		return r;
	r = change_links(ve, &from, &to, e);
	if (r < 0) {
		state_links_done(ve->in, ve->id);
		return r;
	}
	take_links(&ve->state, &ve->conf);
	r = state_save(ve->in, ve->id, &ve->state, e);
	if (!r)
		state_links_done(ve->in, ve->id);
	if (!r && ve->state.vm)
		return vm_setup_live(ve, &from, e);
	return r < 0 ? r : apply_guest(ve, p, e);
}

int apply_guest(struct ve *ve, const struct param *p, struct err *e)
{
	_fd_ int root = -1;
	int r;

	if (ve->state.vm)
		return vm_setup_live(ve, NULL, e);
	r = guest_open_root(ve, &root, e);
	if (!r)
		r = guest_setup(ve, root, e);
	if (!r && str_eq(p->key, "HOSTNAME"))
		r = guest_sethostname(ve, e);
	return r;
}
