/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Giving blocks that a VE's filesystem does not use back to the host. */
#include "util/cleanup.h"
#include "util/exits.h"
#include "ve/plan.h"
#include "ve/suspend.h"

static int trim_running(struct ve *ve, const struct plan *plan, int private, struct err *e)
{
	_fd_ int mnt = -1;
	int r = plan->backend->reach(private, ve->state.loop, &mnt, e);

	return r < 0 ? r : disk_trim(mnt, e);
}

static int trim_stopped(const struct plan *plan, int private, struct err *e)
{
	struct disk disk = DISK_INIT;
	int r = plan->backend->prepare(private, &plan->disk, e);

	if (!r)
		r = plan->backend->mount(private, &plan->disk, &disk, e);
	if (!r)
		r = disk_trim(disk.mnt, e);
	disk_done(&disk);
	return r;
}

static int compact(struct ve *ve, struct ve_compacted *ret, struct err *e)
{
	bool mounted = ve->state.phase == PH_RUNNING || ve->state.phase == PH_MOUNTED;
	_fd_ int private = -1;
	struct plan plan;
	int r = suspend_refuse(ve, "compact", e);

	if (!r)
		r = plan_private(ve, &private, e);
	if (r < 0)
		return r;
	plan_for_undo(ve, &plan);
	r = plan.backend->allocated(private, &ret->before, e);
	if (!r && !plan.backend->on_host)       /* there what is free has gone back already */
		r = mounted ? trim_running(ve, &plan, private, e) :
			      trim_stopped(&plan, private, e);
	return r < 0 ? r : plan.backend->allocated(private, &ret->after, e);
}

int ve_compact(struct inst *in, uint32_t id, struct ve_compacted *ret, struct err *e)
{
	struct ve_compacted c = { 0, 0 };
	struct ve ve;
	int r = ve_open(&ve, in, id, "compact", e);

	if (r < 0)
		return r;
	r = compact(&ve, &c, e);
	ve_close(&ve);
	if (r < 0)
		return err_exit(e, VZ_COMPACT);
	*ret = c;
	return 0;
}
