/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory of a VM that runs. What it was started with is there for good, and the balloon makes the guest give of
 * that; what goes beyond is plugged in and out by virtio-mem. Its control group holds QEMU to what
 * the guest shall have and QEMU's own.
 *
 * Down: the guest gives up first, then, when it has, the group follows. Up: the group first. So at
 * no moment is the guest allowed more than it could have had before or after, and one that takes
 * its memory back runs into the group. Either way it is the guest who does it, in its own time
 * or never: what has not come about at the deadline is put back and told with its figures.
 */
#include "ve/vm.h"

#include <inttypes.h>
#include <time.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-proc.h"
#include "ve/apply.h"
#include "vm/qemu.h"
#include "vm/qmp.h"

#define MIB (UINT64_C(1) << 20)
#define PATIENCE_MS 10000
#define BACK_MS 2000                    /* for a guest that has just shown that it does not follow */
#define LOOK_MS 100
#define RESERVE (16 * MIB)              /* that a guest needs to give up anything */

struct parts {
	uint64_t base, more;            /* of the start's memory, on top of it */
};

struct resize {
	struct ve *ve;
	const struct param *p;
	int dir;
	uint64_t ram;                   /* wanted */
	bool up;
};

static uint64_t wanted_ram(const struct ve *ve)
{
	uint64_t ram = conf_has(&ve->conf, param_by_key("PHYSPAGES")) ? ve->conf.ram : ve->state.ram;

	return ram == U64_UNLIMITED ? ve->state.ram : ram;
}

static struct parts parts_of(const struct ve *ve, uint64_t ram)
{
	uint64_t base = ve->state.ram, more = ram > base ? ram - base : 0;

	return (struct parts){ .base = ram < base ? ram : base,
			       .more = (more + VM_MEMORY_STEP - 1) / VM_MEMORY_STEP * VM_MEMORY_STEP };
}

static bool can_have_more(const struct ve *ve)
{
	return ve->state.ram_max > ve->state.ram;
}

static int put_group(const struct resize *z, uint64_t ram, struct err *e)
{
	struct ve *ve = z->ve;

	return cg_set(&ve->in->cg, ve->cg,
		      &(struct cg_ask){ &z->p->cg, vm_host_memory(ram), ve->patience_ms }, e);
}

static int request(const struct resize *z, uint64_t ram, struct err *e)
{
	struct parts want = parts_of(z->ve, ram);
	int r = can_have_more(z->ve) ? qmp_more_set(z->dir, want.more, e) : 0;

	return r < 0 ? r : qmp_balloon_set(z->dir, want.base, e);
}

static int look(const struct resize *z, struct parts *ret, struct err *e)
{
	int r = qmp_balloon_get(z->dir, &ret->base, e);

	ret->more = 0;
	return r < 0 || !can_have_more(z->ve) ? r : qmp_more_get(z->dir, &ret->more, e);
}

static bool is_reached(const struct parts *have, const struct parts *want, bool up)
{
	return up ? have->base >= want->base && have->more >= want->more
		  : have->base <= want->base && have->more <= want->more;
}

/* 1 when the guest has what it shall have, 0 when the time is over; *ret is what it has then. */
static int wait_for(const struct resize *z, unsigned ms, uint64_t *ret, struct err *e)
{
	static const struct timespec pause = { 0, LOOK_MS * 1000000 };
	uint64_t end = proc_now_us() + (uint64_t)ms * 1000;
	struct parts want = parts_of(z->ve, z->ram), have;

	for (;;) {
		int r = look(z, &have, e);

		if (r < 0)
			return r;
		*ret = have.base + have.more;
		if (is_reached(&have, &want, z->up))
			return 1;
		if (proc_now_us() >= end)
			return 0;
		(void)nanosleep(&pause, NULL);
	}
}

/*
 * What is taken from a guest that cannot spare it makes its kernel kill. So one that says that it
 * cannot is not pressed; one that lies gains nothing, for then the limit does not move either.
 */
static int check_spare(const struct resize *z, struct err *e)
{
	struct err ignored = ERR_INIT;
	struct ve *ve = z->ve;
	struct agent_usage u;
	uint64_t spare;

	if (vm_usage(ve, &u, &ignored) < 0)     /* nobody to ask: the balloon will tell */
		return 0;
	spare = u.mem_avail > RESERVE ? u.mem_avail - RESERVE : 0;
	if (ve->state.ram_now - z->ram <= spare)
		return 0;
	return err_set(e, EBUSY, 0, "the guest can spare %" PRIu64 "M of its %" PRIu64 "M now; it keeps "
		       "them", spare / MIB, ve->state.ram_now / MIB);
}

/* The guest has never been allowed more than the larger of the two, so the group comes last. */
static void put_back(struct resize *z)
{
	struct err ignored = ERR_INIT;
	struct ve *ve = z->ve;
	uint64_t have;
	int r = request(z, ve->state.ram_now, &ignored);

	z->ram = ve->state.ram_now;
	if (!r && z->up) {
		z->up = false;
		r = wait_for(z, BACK_MS, &have, &ignored);
	}
	if (r >= 0)
		r = put_group(z, ve->state.ram_now, &ignored);
	if (r < 0)
		log_warn(&ve->in->log, "put back: %s", ignored.msg);
}

static int tell_reached(const struct resize *z, unsigned ms, uint64_t have, struct err *e)
{
	return err_set(e, EBUSY, 0, "the guest has %s memory %s %" PRIu64 "M in %u.%u s, not to %" PRIu64
		       "M; it keeps %" PRIu64 "M", z->up ? "taken" : "given up", z->up ? "up to" : "down to",
		       have / MIB, ms / 1000, ms % 1000 / 100, z->ram / MIB, z->ve->state.ram_now / MIB);
}

static int resize(struct resize *z, struct err *e)
{
	unsigned ms = z->ve->patience_ms ? z->ve->patience_ms : PATIENCE_MS;
	uint64_t have = 0;
	int r = z->up ? put_group(z, z->ram, e) : check_spare(z, e);

	if (r < 0)
		return r;
	r = request(z, z->ram, e);
	if (!r)
		r = wait_for(z, ms, &have, e);
	if (!r)
		r = tell_reached(z, ms, have, e);
	if (r > 0)
		r = z->up ? 0 : put_group(z, z->ram, e);
	if (r < 0)
		put_back(z);
	return r;
}

int vm_apply_ram(struct ve *ve, const struct param *p, struct err *e)
{
	struct resize z = { .ve = ve, .p = p, .dir = -1, .ram = wanted_ram(ve) };
	_fd_ int dir = -1;
	int r;

	if (ve->state.phase != PH_RUNNING)      /* at start: QEMU comes up with it */
		return put_group(&z, ve->state.ram_now, e);
	if (z.ram < vm_least_ram(ve))
		return err_set(e, EINVAL, VZ_BAD_VALUE, "a VM needs %" PRIu64 "M for its kernel",
			       vm_least_ram(ve) / MIB);
	if (z.ram == ve->state.ram_now)
		return 0;
	z.up = z.ram > ve->state.ram_now;
	r = state_dir(ve->in, ve->id, false, &dir, e);
	z.dir = dir;
	if (!r)
		r = resize(&z, e);
	if (r < 0)
		return r;
	ve->state.ram_now = wanted_ram(ve);
	return state_save(ve->in, ve->id, &ve->state, e);
}

/* What no waiting would bring about. */
int vm_judge_ram(const struct ve *ve, const struct ve_conf *to, char *why, size_t size)
{
	const struct ve_state *s = &ve->state;

	if (s->phase != PH_RUNNING || !s->vm)
		return SET_DONE;
	if (str_eq(s->machine, "pc") && to->ram != s->ram_now)
		(void)str_fmt(why, size, "a pc keeps what it was started with; the next start takes it");
	else if (to->ram != U64_UNLIMITED && to->ram > s->ram_max && can_have_more(ve))
		(void)str_fmt(why, size, "the VM was started with --ram-max %" PRIu64 "M; more is for its next "
			      "start", s->ram_max / MIB);
	else if (to->ram != U64_UNLIMITED && to->ram > s->ram_max)
		(void)str_fmt(why, size, "the VM was started with %" PRIu64 "M and no --ram-max above that; "
			      "more is for its next start", s->ram / MIB);
	else
		return SET_DONE;
	return SET_IMPOSSIBLE;
}

/* As the control group has it; what it was asked for when that is so. */
int vm_effective_ram(struct ve *ve, const struct param *p, uint64_t *ret)
{
	uint64_t group;
	int r = cg_get(&ve->in->cg, ve->cg, &p->cg, &group);

	if (r < 0)
		return r;
	*ret = group / 4096 == vm_host_memory(ve->state.ram_now) / 4096 ? ve->state.ram_now : group;
	return 0;
}
