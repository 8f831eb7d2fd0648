/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Suspending a VM: it stands still, its memory is written, the file gets its name, the machine is
 * ended. Before the name it goes on as if nothing had been; from then on it is suspended.
 */
#include "ve/suspend.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/step.h"
#include "util/str.h"
#include "util/sys-proc.h"
#include "ve/events.h"
#include "ve/intent.h"
#include "ve/plan.h"
#include "ve/snap-store.h"
#include "ve/stop.h"
#include "ve/vm-hold.h"
#include "ve/vm-steps.h"
#include "vm/dump.h"
#include "vm/kernel.h"
#include "vm/migrate.h"
#include "vm/qemu.h"
#include "vm/qmp.h"

#define MIB (UINT64_C(1) << 20)

int suspend_refuse(const struct ve *ve, const char *what, struct err *e)
{
	if (!ve->state.suspended)
		return 0;
	return err_set(e, EBUSY, VZ_RUNNING, "%s VE %u: it is suspended; resume it first, or stop --fast "
		       "gives its memory up", what, ve->id);
}

int suspend_note_disk(const struct ve *ve, int dir, struct dump *d, struct err *e)
{
	struct stat st;

	if (fstatat(dir, snap_disk(ve), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "stat the disk");
	d->disk_inode = st.st_ino;
	d->disk_mtime = (uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec;
	d->disk_size = (uint64_t)st.st_size;
	return 0;
}

/* ---- saving ---- */

/* Of each page a copy and its head, and what the devices hold: never more. */
static uint64_t most_of(const struct ve *ve)
{
	uint64_t ram = ve->state.ram > ve->state.ram_now ? ve->state.ram : ve->state.ram_now;

	return ram + VM_MEMORY_STEP + ram / 16 + 64 * MIB;
}

static int check_room(const struct ve *ve, int dir, struct err *e)
{
	struct statvfs v;
	uint64_t left;

	if (fstatvfs(dir, &v) < 0)
		return err_sys(e, "ask how much room there is");
	left = (uint64_t)v.f_bavail * v.f_frsize;
	if (left > most_of(ve))
		return 0;
	return err_set(e, ENOSPC, VZ_NO_DISK_SPACE, "save the memory of VE %u: may take %" PRIu64 " MiB, the "
		       "host has %" PRIu64 " MiB left", ve->id, most_of(ve) / MIB, left / MIB);
}

static int hash_kernel(const struct ve *ve, struct dump *d, struct err *e)
{
	_fd_ int image = -1;
	uint64_t bytes;
	int r;

	if (!*ve->state.kernel)
		return 0;
	r = kernel_image(ve->in->lib, ve->state.kernel, &image, e);
	return r < 0 ? r : dump_hash(image, 0, &bytes, d->kernel_sha256, e);
}

static void describe_state(const struct ve *ve, struct dump *d)
{
	const struct ve_state *s = &ve->state;

	*d = (struct dump){ .veid = ve->id, .created = (uint64_t)time(NULL), .ram = s->ram,
			    .ram_now = s->ram_now, .ram_max = s->ram_max, .cpus_now = s->cpus_now,
			    .cpus_max = s->cpus_max };
	(void)str_fmt(d->type, sizeof(d->type), "%s", s->machine);
	(void)str_fmt(d->machine, sizeof(d->machine), "%s", s->hardware);
	(void)str_fmt(d->accel, sizeof(d->accel), "%s", s->accel);
	(void)str_fmt(d->template, sizeof(d->template), "%s", s->template);
	(void)str_fmt(d->kernel, sizeof(d->kernel), "%s", s->kernel);
}

static int describe(struct ve *ve, int run, struct dump *d, struct err *e)
{
	_fd_ int private = -1;
	int r = plan_private(ve, &private, e);

	describe_state(ve, d);
	if (!r)
		r = suspend_note_disk(ve, private, d, e);
	if (!r)
		r = hash_kernel(ve, d, e);
	return r < 0 ? r : migrate_version(run, d->qemu, e);
}

int suspend_save(struct ve *ve, int dir, const char *name, struct err *e)
{
	struct migrate_sum sum;
	_fd_ int run = -1, fd = -1;
	struct dump d;
	int r = state_dir(ve->in, ve->id, false, &run, e);

	if (!r)
		r = check_room(ve, dir, e);
	if (!r)
		r = describe(ve, run, &d, e);
	if (!r)
		r = dump_begin(dir, name, &fd, e);
	if (!r)
		r = migrate_out(run, fd, most_of(ve), &sum, e);
	if (!r) {
		d.bytes = sum.bytes;
		memcpy(d.sha256, sum.sha256, sizeof(d.sha256));
		r = dump_seal(ve->in->lib, fd, &d, e);
	}
	if (r < 0)
		(void)unlinkat(dir, name, 0);
	if (r == -ENOSPC || r == -EDQUOT)
		(void)err_exit(e, VZ_NO_DISK_SPACE);
	return r;
}

static bool same_addresses(const struct ve *ve)
{
	const struct ip_list *a = &ve->state.ips, *b = &ve->conf.ips;

	for (unsigned i = 0; i < a->n; i++)
		if (!ip_list_has(b, &a->a[i]))
			return false;
	return a->n == b->n;
}

void suspend_plan(struct start *s, const struct dump *d)
{
	s->plan.vm = (struct vm_plan){ .own_disk = plan_boots_disk(&s->ve->conf), .ram = d->ram,
				       .ram_max = d->ram_max, .cpus = d->cpus_now,
				       .cpus_max = d->cpus_max };
	for (enum vm_type t = VM_MICROVM; t <= VM_PC; t++)
		if (str_eq(vm_type_word(t), d->type))
			s->plan.vm.type = t;
	s->vm.kvm = str_eq(d->accel, "kvm");
}

/* Whether a machine made now, of what is in the state, would be the one that was started. */
static int check_hardware(struct ve *ve, struct err *e)
{
	struct start *s = calloc(1, sizeof(*s));
	struct dump d;
	char now[65];
	int r = s ? 0 : err_set(e, ENOMEM, 0, "suspend VE %u: out of memory", ve->id);

	if (!r) {
		start_init(s, ve);
		r = plan_make(ve, &s->plan, e);
	}
	if (!r) {
		describe_state(ve, &d);
		suspend_plan(s, &d);
		r = vm_hardware(s, now, e);
	}
	if (!r && !str_eq(now, ve->state.hardware))
		r = err_set(e, EOPNOTSUPP, VZ_SUSPEND, "VE %u is not the machine any more that was started, or was "
			    "started by another berth; restart it first", ve->id);
	free(s);
	return r;
}

/* What is made anew is made as the config says, and must be what the guest knows. */
int suspend_check(struct ve *ve, struct err *e)
{
	const struct ve_state *s = &ve->state;

	if (!same_addresses(ve) || !str_eq(s->network, ve->conf.network) ||
	    !str_eq(s->netif, ve->conf.netif))
		return err_set(e, EOPNOTSUPP, VZ_SUSPEND, "VE %u has links or addresses that are not in its "
			       "config; set them with --save first", ve->id);
	return check_hardware(ve, e);
}

/* ---- the verb, in steps ---- */

struct suspend {
	struct ve *ve;
	int private;
	struct vm_hold hold;
};

static int up_hold(void *ctx, struct err *e)
{
	struct suspend *s = ctx;

	inst_say(s->ve->in, "\tsuspend...");
	return vm_hold(s->ve, 0, false, &s->hold, e);
}

static bool lives(const struct suspend *s)
{
	return s->ve->pidfd >= 0 && proc_wait_gone(s->ve->pidfd, 0) < 0;
}

static void down_hold(void *ctx)
{
	struct suspend *s = ctx;
	struct err e = ERR_INIT;

	if (!lives(s))
		vm_hold_leave(&s->hold);
	else if (s->hold.guard > 0 && vm_hold_release(&s->hold, &e) < 0)
		log_warn(&s->ve->in->log, "let VE %u go on: %s", s->ve->id, e.msg);
}

static int up_save(void *ctx, struct err *e)
{
	struct suspend *s = ctx;

	inst_say(s->ve->in, "\tdump...");
	return suspend_save(s->ve, s->private, DUMP_NEW, e);
}

static void down_save(void *ctx)
{
	struct suspend *s = ctx;

	(void)unlinkat(s->private, DUMP_NEW, 0);
}

static int up_commit(void *ctx, struct err *e)
{
	struct suspend *s = ctx;

	if (renameat(s->private, DUMP_NEW, s->private, DUMP) < 0 || fsync(s->private) < 0)
		return err_sys(e, "name the dump of VE %u", s->ve->id);
	return 0;
}

/* Of a machine that is dead it is all there is. */
static void down_commit(void *ctx)
{
	struct suspend *s = ctx;

	if (lives(s) && unlinkat(s->private, DUMP, 0) == 0)
		(void)fsync(s->private);
}

static int up_kill(void *ctx, struct err *e)
{
	struct suspend *s = ctx;

	inst_say(s->ve->in, "\tkill...");
	vm_hold_leave(&s->hold);
	return stop_kill(s->ve, "Checkpointing completed successfully", e);
}

/* clang-format off */
const struct step suspend_steps[] = {
	{ "hold",   up_hold,   down_hold },
	{ "save",   up_save,   down_save },
	{ "commit", up_commit, down_commit },   /* from here on it is suspended */
	{ "kill",   up_kill,   NULL },
};
/* clang-format on */
const size_t n_suspend_steps = ARRAY_SIZE(suspend_steps);

static int refuse(struct ve *ve, struct err *e)
{
	bool vm = ve->state.phase == PH_RUNNING ? ve->state.vm : str_eq(ve->conf.kind, "vm");

	if (!vm)
		return err_set(e, EOPNOTSUPP, VZ_SUSPEND,
			       "suspend VE %u to disk: of a container that needs CRIU, which Berth does not "
			       "drive; pause keeps it in memory, stop ends it", ve->id);
	if (ve->state.phase != PH_RUNNING)
		return err_set(e, ESRCH, VZ_NOT_RUNNING, "VE %u is not running", ve->id);
	return suspend_check(ve, e);
}

static int suspend(struct ve *ve, const struct suspend_opts *o, struct err *e)
{
	struct suspend s = { .ve = ve, .private = -1, .hold = VM_HOLD_INIT };
	char what[32];
	int r = plan_private(ve, &s.private, e);

	(void)str_fmt(what, sizeof(what), "suspend %u", ve->id);
	if (!r) {
		inst_say(ve->in, "Setting up checkpoint...");
		r = steps_up(suspend_steps, n_suspend_steps, &s, &ve->in->log, what, e);
	}
	cleanup_fd(&s.private);
	if (r < 0)
		return err_exit(e, VZ_SUSPEND);
	events_add(ve->in, ve->id, "suspended");
	if (!o->for_boot)
		up_drop(ve->in, ve->id);
	return 0;
}

int ve_suspend(struct inst *in, uint32_t id, const struct suspend_opts *o, struct err *e)
{
	struct ve ve;
	int r = ve_open(&ve, in, id, "suspend", e);

	if (r < 0)
		return r;
	if (ve.state.suspended) {
		inst_say(in, "Container is already suspended");
	} else {
		r = refuse(&ve, e);
		if (!r)
			r = suspend(&ve, o, e);
	}
	ve_close(&ve);
	return r;
}

int suspend_forget(struct ve *ve, struct err *e)
{
	_fd_ int private = -1;
	int r = plan_private(ve, &private, e);

	if (r < 0)
		return r;
	if ((unlinkat(private, DUMP, 0) < 0 && errno != ENOENT) || fsync(private) < 0)
		return err_sys(e, "give up the memory of VE %u", ve->id);
	ve->state.suspended = false;
	return 0;
}

/* ---- what was left ---- */

static void end_suspend(struct ve *ve)
{
	struct err e = ERR_INIT;

	if (stop_kill(ve, NULL, &e) < 0)
		log_warn(&ve->in->log, "end the suspend of VE %u: %s", ve->id, e.msg);
	cleanup_fd(&ve->pidfd);
}

static void end_restore(struct ve *ve, int private)
{
	struct err e = ERR_INIT;
	_fd_ int dir = -1;

	if (ve->state.phase == PH_STARTING || ve->state.phase == PH_DEAD) {
		start_undo(ve, "mend");
		restore_settle(ve);
		return;
	}
	/* It was about to go on, or the host has booted since: then the disk's dates prove nothing. */
	if (ve->state.phase == PH_RUNNING &&
	    (state_dir(ve->in, ve->id, false, &dir, &e) < 0 || qmp_cont(dir, &e) < 0))
		log_warn(&ve->in->log, "let VE %u go on: %s", ve->id, e.msg);
	(void)unlinkat(private, DUMP_USED, 0);
}

void suspend_mend(struct ve *ve)
{
	void (*say)(void *, const char *) = ve->in->say;
	struct err ignored = ERR_INIT;
	_fd_ int private = -1;

	if ((!ve->state.vm && !str_eq(ve->conf.kind, "vm")) || plan_private(ve, &private, &ignored) < 0)
		return;
	ve->in->say = NULL;
	(void)unlinkat(private, DUMP_NEW, 0);
	if (faccessat(private, DUMP_USED, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		end_restore(ve, private);
	if (ve->state.phase == PH_RUNNING && ve->state.suspended)
		end_suspend(ve);
	else if (ve->state.phase == PH_RUNNING)
		vm_hold_mend(ve);
	ve->in->say = say;
	ve->state.suspended = state_has_dump(ve->in, ve->id);
}
