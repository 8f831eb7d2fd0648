/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/snapshot.h"

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
#include "ve/freeze.h"
#include "ve/plan.h"
#include "ve/registry.h"
#include "ve/snap-store.h"
#include "ve/snap-switch.h"

/* A VE under the lock with its directory of snapshots, in order. */
static int open_mended(struct ve *ve, struct inst *in, uint32_t id, int *ret_dir, struct err *e)
{
	_fd_ int dir = -1;
	int r = ve_open(ve, in, id, "snapshot", e);

	if (r < 0)
		return r;
	r = snap_open(ve, true, &dir, e);
	if (!r)
		r = snap_mend(ve, dir, e);
	if (r < 0) {
		ve_close(ve);
		return r;
	}
	*ret_dir = TAKE_FD(dir);
	return 0;
}

/* ---- create ---- */

struct copying {
	struct freeze freeze;
	const struct snap_opts *opts;
};

static int hold(void *arg, int mnt, struct err *e)
{
	struct copying *c = arg;
	int r = fault_at("snapshot", "hold", false, e);

	if (!r)
		r = freeze_hold(&c->freeze, mnt, e);
	return r ? r : fault_at("snapshot", "hold", true, e);
}

static int release(void *arg, struct err *e)
{
	struct copying *c = arg;

	return freeze_release(&c->freeze, e);
}

static void progress(void *arg, uint64_t done, uint64_t all)
{
	const struct copying *c = arg;

	if (c->opts->progress)
		c->opts->progress(c->opts->arg, done, all);
}

int snap_copy_disk(struct ve *ve, int to, bool renew, const struct snap_opts *o, struct err *e)
{
	bool mounted = ve->state.phase == PH_RUNNING || ve->state.phase == PH_MOUNTED;
	struct copying c = { .freeze = FREEZE_INIT, .opts = o };
	_fd_ int private = -1;
	struct disk_copy copy = {
		.to = to, .mounted = mounted, .loop_num = ve->state.loop, .renew = renew,
		.hold = hold, .release = release, .progress = progress, .arg = &c,
	};
	struct plan plan;
	int r;

	if (mounted && ve->state.vm)            /* it has its disk for itself */
		return err_set(e, EOPNOTSUPP, VZ_NO_KERNEL_SUPPORT,
			       "copy the disk of VE %u: it is a running virtual machine; stop it first",
			       ve->id);
	r = plan_private(ve, &private, e);
	if (r < 0)
		return r;
	c.freeze.ve = ve;
	c.freeze.deadline_ms = o->freeze_ms ? o->freeze_ms : SNAP_FREEZE_MS;
	plan_for_undo(ve, &plan);
	copy.from = private;
	return plan.backend->copy(&copy, e);
}

static int check_texts(const struct snap_opts *o, struct snapshot *s, struct err *e)
{
	const char *name = o->name ? o->name : "", *text = o->description ? o->description : "";

	if (o->uuid && uuid_parse(o->uuid, s->uuid) < 0)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "--id \"%.60s\": not a UUID",
			       str_has_control(o->uuid) ? "?" : o->uuid);
	if (str_has_control(name) || str_fmt(s->name, sizeof(s->name), "%s", name) < 0)
		return err_set(e, EINVAL, VZ_BAD_VALUE,
			       "--name: want at most 63 bytes without control characters");
	if (str_has_control(text) || str_fmt(s->description, sizeof(s->description), "%s", text) < 0)
		return err_set(e, EINVAL, VZ_BAD_VALUE,
			       "--description: want at most 255 bytes without control characters");
	return 0;
}

static int make(struct ve *ve, int dir, const struct snap_opts *o, struct snapshot *s,
		struct err *e)
{
	_fd_ int new = -1;
	int r = snap_begin(ve, dir, s, !o->skip_config, &new, e);

	if (r < 0)
		return r;
	inst_say(ve->in, "Creating snapshot of CT %u", ve->id);
	r = snap_copy_disk(ve, new, false, o, e);
	if (!r)
		r = fault_at("snapshot", "name", false, e);
	if (!r)
		r = snap_finish(dir, s, e);
	if (!r)
		r = fault_at("snapshot", "current", false, e);
	return r ? r : snap_set_current(dir, s->uuid, e);
}

int ve_snapshot(struct inst *in, uint32_t id, const struct snap_opts *o, struct snapshot *ret,
		struct err *e)
{
	struct err ignored = ERR_INIT;
	struct snapshot s = { 0 };
	_fd_ int dir = -1;
	struct ve ve;
	int r = check_texts(o, &s, e);

	if (!r)
		r = open_mended(&ve, in, id, &dir, e);
	if (r < 0)
		return r;
	r = make(&ve, dir, o, &s, e);
	if (r < 0 && fs_remove_tree(dir, SNAP_NEW, &ignored) < 0)
		err_clear(&ignored);            /* the next one does it */
	ve_close(&ve);
	if (r < 0)
		return err_exit(e, VZ_SNAP_CREATE);
	*ret = s;
	inst_say(in, "Snapshot {%s} has been successfully created", s.uuid);
	return 0;
}

/* ---- list ---- */

int ve_snapshot_list(struct inst *in, uint32_t id, struct snapshot **ret, size_t *ret_n,
		     struct err *e)
{
	struct plan plan;
	_fd_ int dir = -1;
	struct ve ve;
	int r = ve_open(&ve, in, id, NULL, e);

	if (r < 0)
		return r;
	plan_for_undo(&ve, &plan);
	*ret = NULL;
	*ret_n = 0;
	r = snap_open(&ve, false, &dir, e);
	if (r == -ENOENT) {
		err_clear(e);
		r = 0;
	} else if (!r) {
		r = snap_all(dir, ret, ret_n, e);
	}
	for (size_t i = 0; !r && i < *ret_n; i++) {
		struct err ignored = ERR_INIT;
		_fd_ int one = -1;

		if (fs_open_dir(dir, (*ret)[i].uuid, &one, &ignored) == 0 &&
		    plan.backend->allocated(one, &(*ret)[i].allocated, &ignored) < 0)
			err_clear(&ignored);    /* shown as nothing */
	}
	ve_close(&ve);
	return r < 0 ? err_exit(e, VZ_SNAP_LIST) : 0;
}

bool ve_snapshot_needs(const struct inst *in, uint32_t id, const char *digest)
{
	_free_ struct snapshot *all = NULL;
	struct err ignored = ERR_INIT;
	_fd_ int dir = -1;
	char path[64];
	size_t n;

	(void)str_fmt(path, sizeof(path), "private/%u/snapshots", id);
	if (fs_open_dir(in->lib, path, &dir, &ignored) < 0 || snap_all(dir, &all, &n, &ignored) < 0)
		return false;
	while (n-- > 0)
		if (str_eq(all[n].template, digest))
			return true;
	return false;
}

/* ---- delete ---- */

/* Children go to the parent first: killed in between, the tree is whole all the same. */
static int adopt_children(int dir, const struct snapshot *gone, struct err *e)
{
	_free_ struct snapshot *all = NULL;
	size_t n;
	int r = snap_all(dir, &all, &n, e);

	for (size_t i = 0; !r && i < n; i++) {
		if (!str_eq(all[i].parent, gone->uuid))
			continue;
		memcpy(all[i].parent, gone->parent, sizeof(all[i].parent));
		r = snap_save(dir, all[i].uuid, &all[i], e);
	}
	if (!r && gone->current)
		r = snap_set_current(dir, gone->parent, e);
	return r;
}

/* The image of a snapshot that is mounted is held by its loop device; a directory by nothing. */
static int check_unused(struct ve *ve, int dir, const struct snapshot *s, const struct plan *plan,
			struct err *e)
{
	_fd_ int one = -1;
	int r = fs_open_dir(dir, s->uuid, &one, e);

	if (!r)
		r = plan->backend->in_use ? plan->backend->in_use(one, e) :
					    snap_is_mounted(ve, s->uuid);
	if (r == 1)
		return err_set(e, EBUSY, VZ_MOUNTED, "snapshot %s is mounted; unmount it first",
			       s->uuid);
	return r;
}

int snap_none_mounted(struct ve *ve, struct err *e)
{
	_free_ struct snapshot *all = NULL;
	struct plan plan;
	_fd_ int dir = -1;
	size_t n = 0;
	int r = snap_open(ve, false, &dir, e);

	if (r == -ENOENT) {
		err_clear(e);
		return 0;
	}
	plan_for_undo(ve, &plan);
	if (!r)
		r = snap_all(dir, &all, &n, e);
	for (size_t i = 0; !r && plan.backend && i < n; i++)
		r = check_unused(ve, dir, &all[i], &plan, e);
	return r;
}

int ve_snapshot_delete(struct inst *in, uint32_t id, const char *which, struct err *e)
{
	struct snapshot s;
	struct plan plan;
	_fd_ int dir = -1;
	struct ve ve;
	int r = open_mended(&ve, in, id, &dir, e);

	if (r < 0)
		return r;
	plan_for_undo(&ve, &plan);
	r = snap_find(dir, which, &s, e);
	if (!r)
		r = check_unused(&ve, dir, &s, &plan, e);
	if (!r)
		r = adopt_children(dir, &s, e);
	if (!r)
		r = fault_at("snapshot-delete", "rename", false, e);
	if (!r && renameat(dir, s.uuid, dir, SNAP_DEL) < 0)
		r = err_sys(e, "delete snapshot %s", s.uuid);
	if (!r)
		r = fault_at("snapshot-delete", "remove", false, e);
	if (!r)
		r = fs_remove_tree(dir, SNAP_DEL, e);
	ve_close(&ve);
	if (r < 0)
		return err_exit(e, VZ_SNAP_DELETE);
	inst_say(in, "Snapshot {%s} has been successfully deleted", s.uuid);
	return 0;
}

/* ---- switch ---- */

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

/* A copy of the target in `.new`, as the disk to be. */
static int copy_target(struct ve *ve, int dir, const struct snapshot *target, int new,
		       const struct snap_opts *o, struct err *e)
{
	struct copying c = { .freeze = FREEZE_INIT, .opts = o };
	_fd_ int from = -1;
	struct disk_copy copy = { .to = new, .progress = progress, .arg = &c };
	struct plan plan;
	int r = fs_open_dir(dir, target->uuid, &from, e);

	if (r < 0)
		return r;
	plan_for_undo(ve, &plan);
	copy.from = from;
	return plan.backend->copy(&copy, e);
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

static int is_running(struct inst *in, uint32_t id, bool *ret, struct err *e)
{
	struct ve_state s = VE_STATE_INIT;
	int r = state_load(in, id, &s, NULL, e);

	if (!r)
		*ret = s.phase == PH_RUNNING;
	if (!r && s.phase == PH_MOUNTED)
		return err_set(e, EBUSY, VZ_MOUNTED, "VE %u is mounted; unmount it first", id);
	return r;
}

/* An early look, so that a wrong id stops nothing. */
static int check_target(struct inst *in, uint32_t id, const char *which, struct err *e)
{
	struct snapshot s;
	_fd_ int dir = -1;
	struct ve ve;
	int r = open_mended(&ve, in, id, &dir, e);

	if (r < 0)
		return r;
	r = snap_find(dir, which, &s, e);
	ve_close(&ve);
	return r;
}

int ve_snapshot_switch(struct inst *in, uint32_t id, const struct snap_opts *o,
		       struct snapshot *ret, struct err *e)
{
	struct stop_opts stop = { 0 };
	struct start_opts start = { 0 };
	struct snapshot back = { 0 };
	bool running = false;
	_fd_ int dir = -1;
	struct ve ve;
	int r = check_target(in, id, o->uuid, e);

	if (!r)
		r = is_running(in, id, &running, e);
	if (!r && running)
		r = ve_stop(in, id, &stop, e);
	if (!r)
		r = open_mended(&ve, in, id, &dir, e);
	if (r < 0)
		return r;
	r = switch_stopped(&ve, dir, o, &back, e);
	ve_close(&ve);
	if (!r) {
		*ret = back;
		inst_say(in, "CT has been successfully switched; what it was is {%s}", back.uuid);
	}
	if (running && !o->skip_resume) {
		struct err late = ERR_INIT;

		if (ve_start(in, id, &start, &late) < 0 && !r) {
			*e = late;
			r = -e->eno;
		}
	}
	return r < 0 ? err_exit(e, VZ_SNAP_SWITCH) : 0;
}
