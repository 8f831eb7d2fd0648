/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/snapshot.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/step.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/create.h"
#include "ve/freeze.h"
#include "ve/plan.h"
#include "ve/snap-memory.h"
#include "ve/snap-store.h"
#include "ve/suspend.h"
#include "ve/vm-hold.h"

int snap_open_mended(struct ve *ve, struct inst *in, uint32_t id, int *ret_dir, struct err *e)
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
	struct vm_hold vm;
	int to;
	const struct snap_opts *opts;
};

/*
 * A disk that goes with memory is as the guest's kernel has it, and not frozen by it: it would
 * wake up frozen. Writing memory takes as long as it takes.
 */
static int hold_vm(struct copying *c, struct err *e)
{
	struct err ignored = ERR_INIT;
	bool memory = c->opts->memory;
	int r = vm_hold(c->freeze.ve, memory ? 0 : c->freeze.deadline_ms, !memory, &c->vm, e);

	if (r < 0 || !memory)
		return r;
	r = snap_memory_take(c->freeze.ve, c->to, e);
	if (r < 0 && vm_hold_release(&c->vm, &ignored) < 0)
		log_warn(&c->freeze.ve->in->log, "%s", ignored.msg);
	return r;
}

static int hold(void *arg, int mnt, struct err *e)
{
	struct copying *c = arg;
	int r = fault_at("snapshot", "hold", false, e);

	if (!r)
		r = c->freeze.ve->state.vm ? hold_vm(c, e) : freeze_hold(&c->freeze, mnt, e);
	return r ? r : fault_at("snapshot", "hold", true, e);
}

static int release(void *arg, struct err *e)
{
	struct copying *c = arg;

	return c->freeze.ve->state.vm ? vm_hold_release(&c->vm, e) : freeze_release(&c->freeze, e);
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
	struct copying c = { .freeze = FREEZE_INIT, .vm = VM_HOLD_INIT, .to = to, .opts = o };
	_fd_ int private = -1;
	struct disk_copy copy = {
		.to = to, .mounted = mounted, .loop_num = ve->state.loop, .renew = renew,
		.elsewhere = ve->state.vm,
		.hold = hold, .release = release, .progress = progress, .arg = &c,
	};
	struct plan plan;
	int r;

	r = plan_private(ve, &private, e);
	if (!r)
		r = create_check_made(ve, e);
	if (!r)
		r = snap_switch_check(ve, e);
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

/* Memory that nobody could go on with is none; of a suspended VM it is a file already. */
static int check_memory(struct ve *ve, const struct snap_opts *o, struct err *e)
{
	return o->memory && ve->state.phase == PH_RUNNING && ve->state.vm ? suspend_check(ve, e) : 0;
}

static int make(struct ve *ve, int dir, const struct snap_opts *o, struct snapshot *s,
		struct err *e)
{
	_fd_ int new = -1;
	int r = check_memory(ve, o, e);

	if (!r)
		r = snap_begin(ve, dir, s, !o->skip_config, &new, e);
	if (r < 0)
		return r;
	inst_say(ve->in, "Creating snapshot of CT %u", ve->id);
	r = snap_copy_disk(ve, new, false, o, e);
	if (!r && o->memory && ve->state.suspended)
		r = snap_memory_take(ve, new, e);
	s->memory = snap_memory_size(new);
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
		r = snap_open_mended(&ve, in, id, &dir, e);
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

		if (fs_open_dir(dir, (*ret)[i].uuid, &one, &ignored) < 0)
			continue;
		(*ret)[i].memory = snap_memory_size(one);
		if (plan.backend->allocated(one, &(*ret)[i].allocated, &ignored) < 0)
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
	size_t n = 0;
	int r;

	(void)str_fmt(path, sizeof(path), "private/%u/snapshots", id);
	r = fs_open_dir(in->lib, path, &dir, &ignored);
	if (r < 0 || snap_all(dir, &all, &n, &ignored) < 0)
		return r != -ENOENT;
	while (n-- > 0)
		if (str_eq(all[n].template, digest) || snap_is_unknown(&all[n]))
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

/* The image of a snapshot that is mounted is held by its loop device; a directory, and one of which a
 * copy is mounted, by nothing. */
static int check_unused(struct ve *ve, int dir, const struct snapshot *s, const struct plan *plan,
			struct err *e)
{
	_fd_ int one = -1;
	int r = fs_open_dir(dir, s->uuid, &one, e);

	if (!r && plan->backend->in_use)
		r = plan->backend->in_use(one, e);
	if (!r)
		r = snap_is_mounted(ve, s->uuid);
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
	int r = snap_open_mended(&ve, in, id, &dir, e);

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
