/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Going back to a snapshot: a copy of it takes the place of the disk of now, by one exchange of
 * names. What is left of a switch that was cut short ve/snap-mend.c does.
 */
#include "ve/snap-switch.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/json.h"
#include "util/step.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/plan.h"
#include "ve/snap-memory.h"
#include "ve/snap-store.h"
#include "ve/vm.h"

static int write_note(struct ve *ve, int private, int dir, const struct snapshot *target,
		      bool skip_config, struct err *e)
{
	struct json_out *j = json_new(false);
	const char *text;
	struct stat st;
	int r;

	if (fstatat(private, snap_disk(ve), &st, AT_SYMLINK_NOFOLLOW) < 0) {
		json_free(j);
		return err_sys(e, "stat the disk");
	}
	json_object(j);
	json_ku64(j, "live", st.st_ino);
	json_kstr(j, "target", target->uuid);
	json_kbool(j, "skip_config", skip_config);
	json_end(j);
	r = json_finish(j, &text, e);
	if (!r)
		r = fs_save_at(dir, SNAP_NEW "/switch", text, 0600, e);
	json_free(j);
	return r;
}

/* A copy of the target in `.new`, as the disk to be, and of the memory that goes with it. */
static int copy_target(struct ve *ve, int dir, const struct snapshot *target, int new,
		       const struct snap_opts *o, struct err *e)
{
	_fd_ int from = -1;
	struct disk_copy copy = { .to = new, .progress = o->progress, .arg = o->arg };
	struct plan plan;
	int r = fs_open_dir(dir, target->uuid, &from, e);

	if (r < 0)
		return r;
	plan_for_undo(ve, &plan);
	copy.from = from;
	r = plan.backend->copy(&copy, e);
	if (r < 0 || o->skip_resume || !snap_memory_size(from) || !str_eq(ve->conf.kind, "vm"))
		return r;
	return snap_memory_prepare(ve, from, new, e);
}

static int exchange(struct ve *ve, int dir, int new, const struct snapshot *target, bool skip,
		    struct err *e)
{
	_fd_ int private = -1;
	int r = plan_private(ve, &private, e);

	if (!r)
		r = write_note(ve, private, dir, target, skip, e);
	if (!r)
		r = fault_at("snapshot-switch", "exchange", false, e);
	if (!r && renameat2(private, snap_disk(ve), new, snap_disk(ve), RENAME_EXCHANGE) < 0)
		r = err_sys(e, "exchange the disk");
	if (!r && (fsync(private) < 0 || fsync(new) < 0))
		r = err_sys(e, "exchange the disk: sync");
	if (!r)
		r = fault_at("snapshot-switch", "end", false, e);
	return r ? r : switch_end(ve, dir, e);
}

static int switch_stopped(struct ve *ve, int dir, const struct snap_opts *o,
			  struct snapshot *back, struct err *e)
{
	struct snapshot target;
	_fd_ int new = -1;
	int r = snap_find(dir, o->uuid, &target, e);

	if (r < 0)
		return r;
	if (ve->state.phase == PH_RUNNING || ve->state.phase == PH_MOUNTED)
		return err_set(e, EBUSY, VZ_RUNNING, "VE %u was started meanwhile; stop it first",
			       ve->id);
	(void)str_fmt(back->name, sizeof(back->name), "before-%.8s", target.uuid);
	(void)str_fmt(back->description, sizeof(back->description), "before the switch to %s",
		      target.uuid);
	r = snap_begin(ve, dir, back, true, &new, e);
	if (!r)
		r = copy_target(ve, dir, &target, new, o, e);
	return r ? r : exchange(ve, dir, new, &target, o->skip_config, e);
}

/* How it runs, for it shall so again. */
struct running {
	bool is;
	char accel[8];
};

static int look_running(struct inst *in, uint32_t id, struct running *ret, struct err *e)
{
	struct ve_state s = VE_STATE_INIT;
	int r = state_load(in, id, &s, NULL, e);

	if (!r && s.phase == PH_MOUNTED)
		return err_set(e, EBUSY, VZ_MOUNTED, "VE %u is mounted; unmount it first", id);
	if (r < 0)
		return r;
	ret->is = s.phase == PH_RUNNING;
	memcpy(ret->accel, s.accel, sizeof(ret->accel));
	return 0;
}

/* A guest that goes on does not know what has become of its addresses since, nor of its name. */
static void tell_guest(struct inst *in, uint32_t id)
{
	struct err e = ERR_INIT;
	struct ve ve;
	int r = ve_open(&ve, in, id, NULL, &e);

	if (r < 0)
		return;
	r = vm_setup_live(&ve, NULL, &e);
	if (r < 0)
		log_warn(&in->log, "tell VE %u its addresses: %s", id, e.msg);
	ve_close(&ve);
}

static int start_again(struct inst *in, uint32_t id, const struct running *was, bool memory,
		       struct err *e)
{
	struct start_opts o = { .force = *was->accel, .accel = *was->accel ? was->accel : NULL };
	int r = ve_start(in, id, &o, e);

	if (!r && memory)
		tell_guest(in, id);
	return r;
}

/* An early look, so that a wrong id stops nothing. */
static int check_target(struct inst *in, uint32_t id, const char *which, struct err *e)
{
	struct snapshot s;
	_fd_ int dir = -1;
	struct ve ve;
	int r = snap_open_mended(&ve, in, id, &dir, e);

	if (r < 0)
		return r;
	r = snap_find(dir, which, &s, e);
	ve_close(&ve);
	return r;
}

/* Stopped, switched; *ret_memory: it can go on with what the snapshot had in memory. */
static int switch_it(struct inst *in, uint32_t id, const struct snap_opts *o, bool running,
		     struct snapshot *back, bool *ret_memory, struct err *e)
{
	struct stop_opts stop = { 0 };
	_fd_ int dir = -1;
	struct ve ve;
	int r = running ? ve_stop(in, id, &stop, e) : 0;

	if (!r)
		r = snap_open_mended(&ve, in, id, &dir, e);
	if (r < 0)
		return r;
	r = switch_stopped(&ve, dir, o, back, e);
	*ret_memory = !r && ve.state.suspended;
	ve_close(&ve);
	return r;
}

int ve_snapshot_switch(struct inst *in, uint32_t id, const struct snap_opts *o,
		       struct snapshot *ret, struct err *e)
{
	struct snapshot back = { 0 };
	struct running was = { 0 };
	bool memory = false;
	int r = check_target(in, id, o->uuid, e);

	if (!r)
		r = look_running(in, id, &was, e);
	if (r < 0)
		return err_exit(e, VZ_SNAP_SWITCH);
	r = switch_it(in, id, o, was.is, &back, &memory, e);
	if (!r) {
		*ret = back;
		inst_say(in, "CT has been successfully switched; what it was is {%s}", back.uuid);
	}
	if ((was.is || memory) && !o->skip_resume) {
		struct err late = ERR_INIT;

		if (start_again(in, id, &was, memory, &late) < 0 && !r) {
			*e = late;
			r = -e->eno;
		}
	}
	return r < 0 ? err_exit(e, VZ_SNAP_SWITCH) : 0;
}
