/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The start of a suspended VM, beside that of one that boots (ve/vm-start.c): no check of a disk
 * whose filesystem is in use by the guest that comes back, no kernel that boots, no agent that is
 * asked; QEMU waits for the memory, gets it, and goes on when the dump has lost its name.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/step.h"
#include "util/str.h"
#include "ve/plan.h"
#include "ve/start-steps.h"
#include "ve/suspend.h"
#include "ve/vm-steps.h"
#include "ve/vm.h"
#include "vm/dump.h"
#include "vm/jail.h"
#include "vm/kernel.h"
#include "vm/migrate.h"
#include "vm/qmp.h"

/* ---- before anything is touched ---- */

static int not_usable(const struct ve *ve, const char *why, struct err *e)
{
	return err_set(e, EINVAL, VZ_RESUME, "restore VE %u: %s; stop --fast gives its memory up", ve->id, why);
}

static bool same_disk(const struct ve *ve, int private, const struct dump *d)
{
	struct err ignored = ERR_INIT;
	struct dump now;

	return suspend_note_disk(ve, private, &now, &ignored) == 0 && now.disk_inode == d->disk_inode &&
	       now.disk_mtime == d->disk_mtime && now.disk_size == d->disk_size;
}

static int check_fits(const struct start *s, int private, const struct dump *d, struct err *e)
{
	const struct ve *ve = s->ve;

	if (d->veid != ve->id)
		return not_usable(ve, "the dump is of another VE", e);
	if (!str_eq(ve->conf.kind, "vm"))
		return not_usable(ve, "it is no virtual machine any more", e);
	if (!str_eq(d->template, s->plan.digest))
		return not_usable(ve, "it lies on another template version now", e);
	if (!same_disk(ve, private, d))
		return not_usable(ve, "its disk has been written to since", e);
	return 0;
}

static int check_kernel(const struct ve *ve, const struct dump *d, struct err *e)
{
	_fd_ int image = -1;
	uint64_t bytes;
	char sum[65];
	int r;

	if (!*d->kernel)
		return 0;
	r = kernel_image(ve->in->lib, d->kernel, &image, e);
	if (!r)
		r = dump_hash(image, 0, &bytes, sum, e);
	if (r < 0)
		return err_wrap(e, "restore VE %u", ve->id);
	return str_eq(sum, d->kernel_sha256) ? 0 : not_usable(ve, "its kernel has been replaced", e);
}

static int check_machine(struct start *s, const struct dump *d, struct err *e)
{
	char now[65];
	int r;

	suspend_plan(s, d);
	r = vm_hardware(s, now, e);
	return r < 0 || str_eq(now, d->machine) ? r : not_usable(s->ve, "its machine would not be the same", e);
}

int restore_check(struct start *s, struct dump *ret, struct err *e)
{
	_fd_ int private = -1, fd = -1;
	struct dump d;
	int r = plan_private(s->ve, &private, e);

	if (r < 0)
		return r;
	fd = openat(private, DUMP, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open the dump of VE %u", s->ve->id);
	r = dump_read(s->ve->in->lib, fd, &d, e);
	if (!r)
		r = check_fits(s, private, &d, e);
	if (!r)
		r = check_machine(s, &d, e);
	if (!r)
		r = check_kernel(s->ve, &d, e);
	if (!r)
		r = dump_check(fd, &d, e);
	if (!r && str_eq(d.accel, "kvm"))
		r = vm_check_kvm(e);
	if (r < 0)
		return err_exit(e, VZ_RESUME);
	*ret = d;
	s->vm.from = ret;
	s->vm.memory = TAKE_FD(fd);
	return 0;
}

/* ---- steps ---- */

static int up_restore_record(void *ctx, struct err *e)
{
	struct start *s = ctx;
	const struct dump *d = s->vm.from;
	struct ve *ve = s->ve;
	int r;

	inst_say(ve->in, "Restoring container ...");
	r = vm_record(s, d->accel, e);
	if (r < 0)
		return r;
	ve->state.ram_now = d->ram_now;
	return state_save(ve->in, ve->id, &ve->state, e);
}

/* All that it made is dead by now. */
static void down_restore_record(void *ctx)
{
	struct start *s = ctx;

	restore_settle(s->ve);
	down_record(ctx);
}

static int up_restore_disk(void *ctx, struct err *e)
{
	struct start *s = ctx;
	int r = steps_open_disk(s, false, s->plan.backend->attach, e);

	if (r < 0)
		return r;
	inst_say(s->ve->in, "Container is mounted");    /* vzctl's lines, in its order */
	inst_say(s->ve->in, "\tundump...");
	return 0;
}

static int check_version(const struct start *s, int dir, struct err *e)
{
	char version[16];
	int r = migrate_version(dir, version, e);

	if (r < 0 || str_eq(version, s->vm.from->qemu))
		return r;
	return err_set(e, EINVAL, VZ_RESUME, "its memory is of QEMU %s, this is %s", s->vm.from->qemu, version);
}

static int up_memory(void *ctx, struct err *e)
{
	struct start *s = ctx;
	_fd_ int dir = -1;
	int r = state_dir(s->ve->in, s->ve->id, false, &dir, e);

	if (!r)
		r = check_version(s, dir, e);
	if (!r)
		r = migrate_in(dir, s->vm.memory, s->vm.from->bytes, e);
	if (r == -ECONNRESET || r == -EPIPE)
		r = vm_tell_log(s, e);
	return r < 0 ? r : jail_seal(s->init.pidfd, e);
}

/*
 * The state says already that it runs: whoever finds the dump by its name after a kill ends the
 * QEMU, whoever finds it by the other lets it go on. Never the first when the guest may have run.
 */
static int up_restore_go(void *ctx, struct err *e)
{
	struct start *s = ctx;
	_fd_ int dir = -1, private = -1;
	int r = state_dir(s->ve->in, s->ve->id, false, &dir, e);

	if (!r)
		r = plan_private(s->ve, &private, e);
	if (r < 0)
		return r;
	inst_say(s->ve->in, "\tresume...");
	if (renameat(private, DUMP, private, DUMP_USED) < 0 || fsync(private) < 0)
		return err_sys(e, "use the dump of VE %u", s->ve->id);
	r = fault_at("restore", "cont", false, e);
	if (!r)
		r = qmp_cont(dir, e);
	if (r < 0)
		return r;
	inst_say(s->ve->in, "Container start in progress...");
	(void)unlinkat(private, DUMP_USED, 0);
	return 0;
}

/* clang-format off */
const struct step vm_restore_steps[] = {
	{ "record",   up_restore_record, down_restore_record },
	{ "premount", up_premount,       down_premount },
	{ "template", up_vm_template,    NULL },
	{ "disk",     up_restore_disk,   down_disk },
	{ "mount",    up_mount,          down_mount },
	{ "cgroup",   up_vm_cgroup,      down_cgroup },
	{ "limits",   up_vm_limits,      down_limits },
	{ "kernel",   up_vm_kernel,      NULL },
	{ "fence",    up_fence,          down_fence },
	{ "network",  up_vm_network,     down_network },
	{ "sockets",  up_vm_sockets,     NULL },
	{ "init",     up_vm_init,        down_init },
	{ "keeper",   up_vm_keeper,      NULL },
	{ "memory",   up_memory,         NULL },
	{ "state",    up_state,          NULL },
	{ "go",       up_restore_go,     NULL },
};
/* clang-format on */
const size_t n_vm_restore_steps = ARRAY_SIZE(vm_restore_steps);

void restore_settle(struct ve *ve)
{
	struct err ignored = ERR_INIT;
	_fd_ int private = -1, fd = -1;
	struct dump d;

	if (plan_private(ve, &private, &ignored) < 0)
		return;
	fd = openat(private, DUMP_USED, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	if (dump_read(ve->in->lib, fd, &d, &ignored) == 0 && same_disk(ve, private, &d))
		(void)renameat(private, DUMP_USED, private, DUMP);
	else
		(void)unlinkat(private, DUMP_USED, 0);
	(void)fsync(private);
}

void restore_done(struct ve *ve)
{
	struct err e = ERR_INIT;

	if (vm_set_clock(ve, &e) < 0)
		log_debug(&ve->in->log, "%s (its clock is behind)", e.msg);
	inst_say(ve->in, "Restoring completed successfully");
}

int ve_resume(struct inst *in, uint32_t id, struct err *e)
{
	const struct start_opts o = { 0 };
	struct ve_state s = VE_STATE_INIT;
	int r = state_load(in, id, &s, NULL, e);

	if (!r && !s.suspended)
		r = err_set(e, ENOENT, VZ_RESUME, "restore VE %u: it is not suspended", id);
	return r < 0 ? r : ve_start(in, id, &o, e);
}
