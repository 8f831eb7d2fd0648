/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows of the parameter table that a VM obeys otherwise than a container; memory is in ve/vm-ram.c.
 *
 * CPUs. The cap of the control group is what counts, and moves so that the guest is never allowed
 * more than the larger of before and after. Which of its CPUs the kernel uses is up to the guest.
 *
 * Links. The host's side is what counts: a link that is taken away is cut off at the deadline, if its guest
 * has not let go of it by then.
 *
 * Disk. The end of the device is the cap; it moves outwards only, while the VM runs.
 */
#include "ve/vm.h"

#include <errno.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/apply.h"
#include "ve/links.h"
#include "ve/plan.h"
#include "vm/qmp.h"

#define PATIENCE_MS 10000

static unsigned wanted_cpus(uint64_t cpus)
{
	return cpus ? (unsigned)cpus : 1;
}

/*
 * What the guest did not do as a whole it shall undo. A system of its own is not asked: it sees what
 * it was started with, and has its share of it.
 */
static int use_cpus(struct ve *ve, unsigned n, struct err *e)
{
	struct err ignored = ERR_INIT;
	int r = plan_boots_disk(&ve->conf) ? 0 : vm_set_cpus(ve, n, e);

	if (r < 0 && vm_set_cpus(ve, ve->state.cpus_now, &ignored) < 0)
		log_warn(&ve->in->log, "put back: %s", ignored.msg);
	return r;
}

int vm_apply_cpus(struct ve *ve, const struct param *p, struct err *e)
{
	unsigned n = wanted_cpus(ve->conf.cpus);
	int r = 0;

	if (ve->state.phase != PH_RUNNING || n == ve->state.cpus_now)
		return apply_cpu_quota(ve, p, e);
	if (n < ve->state.cpus_now)
		r = use_cpus(ve, n, e);
	if (!r)
		r = apply_cpu_quota(ve, p, e);
	if (!r && n > ve->state.cpus_now)
		r = use_cpus(ve, n, e);
	if (r < 0)
		return r;
	ve->state.cpus_now = n;
	return state_save(ve->in, ve->id, &ve->state, e);
}

int vm_judge_cpus(const struct ve *ve, const struct ve_conf *to, char *why, size_t size)
{
	const struct ve_state *s = &ve->state;

	if (s->phase != PH_RUNNING || !s->vm)
		return SET_DONE;
	if (wanted_cpus(to->cpus) > s->cpus_max)
		(void)str_fmt(why, size, "the VM was started with %u and no --cpus-max above that; more is for its "
			      "next start", s->cpus_max);
	else if (!to->cpus && s->cpus_max > 1)
		(void)str_fmt(why, size, "the machine has %u CPUs: want 1 to %u", s->cpus_max, s->cpus_max);
	else
		return SET_DONE;
	return SET_IMPOSSIBLE;
}

/* As it was asked to; not set means one. */
int vm_effective_cpus(struct ve *ve, const struct param *p, uint64_t *ret)
{
	(void)p;
	*ret = ve->state.cpus_now == 1 && !ve->conf.cpus ? 0 : ve->state.cpus_now;
	return 0;
}

int vm_apply_disk(struct ve *ve, const struct param *p, struct err *e)
{
	const struct storage_backend *b = plan_backend(&ve->conf);
	_fd_ int private = -1, dir = -1;
	struct disk_spec spec;
	uint64_t bytes = 0;
	int r = plan_private(ve, &private, e);

	(void)p;
	plan_disk(ve, &spec);
	if (!r)
		r = state_dir(ve->in, ve->id, false, &dir, e);
	if (!r)
		r = b->grow_attached(private, ve->state.loop, &spec, &bytes, e);
	if (!r && bytes)
		r = qmp_disk_grown(dir, bytes, e);
	return r < 0 || !bytes || plan_boots_disk(&ve->conf) ? r : vm_grow_filesystem(ve, e);
}

/* ---- links ---- */

bool vm_can_plug(const struct ve *ve, char *why, size_t size)
{
	if (str_eq(ve->state.machine, "q35"))
		return true;
	(void)str_fmt(why, size, "a %s gets and loses links when it starts; --machine q35 can while it runs",
		      ve->state.machine);
	return false;
}

int vm_change_links(struct ve *ve, const struct links *from, const struct links *to, struct err *e)
{
	_fd_ int dir = -1;
	bool there, kept = false;
	struct links_at at = { .netns = -1, .machine = -1, .pid = ve->state.pid, .pidfd = ve->pidfd,
			       .patience_ms = ve->patience_ms ? ve->patience_ms : PATIENCE_MS,
			       .kept = &kept };
	char why[128];
	int r;

	if (links_same(from, to))
		return links_change(ve->in, from, to, &at, e);
	if (!vm_can_plug(ve, why, sizeof(why)))
		return err_set(e, EOPNOTSUPP, VZ_NETDEV, "%s", why);
	r = state_dir(ve->in, ve->id, false, &dir, e);
	at.machine = dir;
	if (!r)                         /* a QEMU that does not answer is heard of before anything goes */
		r = qmp_nic_get(dir, 0, &there, e);
	if (!r)
		r = links_change(ve->in, from, to, &at, e);
	if (kept)                       /* a machine made anew would not have it: no suspending */
		ve->state.hardware[0] = '\0';
	if (kept && !r)
		inst_say(ve->in, "The guest has not let go of a link, which is cut off");
	return r;
}

int vm_unknown(struct ve *ve, const struct param *p, uint64_t *ret)
{
	(void)ve;
	(void)p;
	(void)ret;
	return -EOPNOTSUPP;
}

int vm_disk_usage(struct ve *ve, struct disk_usage *ret, struct err *e)
{
	struct agent_usage u;
	int r = vm_usage(ve, &u, e);

	if (r < 0)
		return r;
	*ret = (struct disk_usage){ .size = u.disk_size, .used = u.disk_used, .avail = u.disk_avail,
				    .inodes = u.inodes, .inodes_used = u.inodes_used };
	return 0;
}
