/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pause and unpause: every task of a running VE parked by its control group (cgroup.freeze,
 * cgroup-v2.rst; since 5.2), for as long as nobody says otherwise. Memory stays where it is.
 * The record is written before the freeze and after the thaw, and counts only while the kernel
 * says the same (state.c): a command killed in between has paused the VE or has not.
 */
#include <errno.h>

#include "util/exits.h"
#include "ve/events.h"
#include "ve/exec.h"
#include "ve/ve.h"

static int note(struct ve *ve, bool paused, struct err *e)
{
	ve->state.paused = paused;
	return state_save(ve->in, ve->id, &ve->state, e);
}

static int freeze(struct ve *ve, struct err *e)
{
	struct err ignored = ERR_INIT;
	int r = exec_refuse_paused(ve, e);      /* out of memory: it would not be paused, but let go */

	if (r < 0)
		return r;
	r = note(ve, true, e);
	if (r >= 0)
		r = cg_freeze(&ve->in->cg, ve->cg, true, e);
	if (r < 0) {
		(void)note(ve, false, &ignored);
		return err_exit(e, VZ_SUSPEND);
	}
	events_add(ve->in, ve->id, "paused");
	return 0;
}

static int thaw(struct ve *ve, struct err *e)
{
	int r = cg_freeze(&ve->in->cg, ve->cg, false, e);

	if (r >= 0)
		r = note(ve, false, e);
	if (r < 0)
		return err_exit(e, VZ_RESUME);
	events_add(ve->in, ve->id, "unpaused");
	return 0;
}

int ve_pause(struct inst *in, uint32_t id, bool on, struct err *e)
{
	struct ve ve;
	int r = ve_open(&ve, in, id, on ? "pause" : "unpause", e);

	if (r < 0)
		return r;
	if (ve.state.phase != PH_RUNNING)
		r = err_set(e, ESRCH, VZ_NOT_RUNNING, "VE %u is not running", id);
	else if (ve.state.paused == on)
		inst_say(in, "Container is %s", on ? "already paused" : "not paused");
	else
		r = on ? freeze(&ve, e) : thaw(&ve, e);
	ve_close(&ve);
	return r;
}
