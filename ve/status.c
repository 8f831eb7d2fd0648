/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is so: config, state checked against the kernel, and what the control groups say. */
#include <errno.h>

#include "runtime/keeper.h"
#include "util/cleanup.h"
#include "util/str.h"
#include "ve/conf.h"
#include "ve/create.h"
#include "ve/guest.h"
#include "ve/plan.h"
#include "ve/registry.h"
#include "ve/start.h"
#include "ve/vm.h"

static void read_conf(const struct inst *in, struct ve_status *s)
{
	struct err e = ERR_INIT;

	s->conf_ok = conf_load(in, s->id, &s->conf, &e) == 0;
	s->exists = s->conf_ok || e.eno != ENOENT;
	if (!s->conf_ok)
		(void)str_fmt(s->conf_error, sizeof(s->conf_error), "%.250s", e.msg);
}

static void read_disk(struct inst *in, struct ve_status *s)
{
	const struct storage_backend *b = plan_backend(&s->conf);
	struct ve ve = { .in = in, .id = s->id, .conf = s->conf, .state = s->state, .lock = -1,
			 .pidfd = -1 };
	struct err ignored = ERR_INIT;
	_fd_ int private = -1, root = -1;

	if (s->state.vm ? vm_disk_usage(&ve, &s->disk, &ignored) == 0 : false)
		return;
	if (!b || s->state.vm || guest_open_root(&ve, &root, &ignored) < 0 ||
	    plan_private(&ve, &private, &ignored) < 0 ||
	    b->usage(private, root, s->state.loop, &s->disk, &ignored) < 0)
		s->disk = (struct disk_usage){ 0 };
}

static bool keeper_lives(const struct inst *in, uint32_t id)
{
	struct err ignored = ERR_INIT;
	_fd_ int dir = -1, sock = -1;

	return state_dir(in, id, false, &dir, &ignored) == 0 &&
	       keeper_connect(dir, &sock, &ignored) == 0;
}

int ve_status(struct inst *in, uint32_t id, unsigned flags, struct ve_status *ret, struct err *e)
{
	struct ve_status s = { .id = id, .state = VE_STATE_INIT };
	int r;

	read_conf(in, &s);
	if (!s.exists) {
		*ret = (struct ve_status){ .id = id, .state = VE_STATE_INIT };
		return 0;
	}
	r = state_load(in, id, &s.state, NULL, e);
	if (r < 0)
		return r;
	s.running = s.state.phase == PH_RUNNING && !s.state.suspended;
	s.mounted = s.running || s.state.phase == PH_MOUNTED;
	if (s.running && (flags & STATUS_STAT)) {
		char name[CG_PLACE_LEN];
		struct err ignored = ERR_INIT;

		ve_place(&s.state, id, name);
		if (cg_read_stat(&in->cg, name, &s.stat, &ignored) < 0)
			err_clear(&ignored);    /* it ended just now */
		if (cg_own_disk(&in->cg, (dev_t)s.state.disk_dev))
			cg_read_disk((dev_t)s.state.disk_dev, &s.stat);
	}
	if (s.running && (flags & STATUS_DISK))
		read_disk(in, &s);
	if (s.running && (flags & STATUS_KEEPER))
		s.keeper = keeper_lives(in, id);
	*ret = s;
	return 0;
}

void ve_each_step(void (*fn)(void *arg, const char *verb, const char *step), void *arg)
{
	for (size_t i = 0; i < n_create_steps; i++)
		fn(arg, "create", create_steps[i].name);
	for (size_t i = 0; i < n_start_steps; i++)
		fn(arg, "start", start_steps[i].name);
	for (size_t i = 0; i < n_vm_start_steps; i++)
		fn(arg, "start-vm", vm_start_steps[i].name);
	for (size_t i = 0; i < n_suspend_steps; i++)
		fn(arg, "suspend", suspend_steps[i].name);
	for (size_t i = 0; i < n_vm_restore_steps; i++)
		fn(arg, "restore", vm_restore_steps[i].name);
}
