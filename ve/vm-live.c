/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows of the parameter table that a VM obeys otherwise than a container.
 *
 * Memory. Its control group holds QEMU to what the guest has and QEMU's own; the balloon
 * makes the guest give up what it shall not have. Down: the balloon first, then, when it has
 * what was asked, the group. Up: the group first. So at no moment is the guest allowed more
 * than it could have had before or after, and one that takes its memory back runs into the group.
 *
 * Disk. The end of the device is the cap; it moves outwards only, while the VM runs.
 */
#include "ve/vm.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "cgroups/cg-knob.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-proc.h"
#include "ve/apply.h"
#include "ve/plan.h"
#include "vm/qemu.h"
#include "vm/qmp.h"

#define MIB (UINT64_C(1) << 20)
#define PATIENCE_MS 10000
#define LOOK_MS 100
#define RESERVE (16 * MIB)              /* that a guest needs to give up anything */

static uint64_t wanted_ram(const struct ve *ve)
{
	uint64_t ram = conf_has(&ve->conf, param_by_key("PHYSPAGES")) ? ve->conf.ram : ve->state.ram;

	return ram == U64_UNLIMITED ? ve->state.ram : ram;
}

static int put_group(struct ve *ve, const struct param *p, uint64_t ram, struct err *e)
{
	return cg_set(&ve->in->cg, ve->cg,
		      &(struct cg_ask){ &p->cg, vm_host_memory(ram), ve->patience_ms }, e);
}

/* Until the guest has at most so much, or the time is over; *ret is what it has then. */
static int wait_for(int dir, uint64_t ram, unsigned ms, uint64_t *ret, struct err *e)
{
	static const struct timespec pause = { 0, LOOK_MS * 1000000 };
	uint64_t end = proc_now_us() + (uint64_t)ms * 1000;

	for (;;) {
		int r = qmp_balloon_get(dir, ret, e);

		if (r < 0 || *ret <= ram || proc_now_us() >= end)
			return r;
		(void)nanosleep(&pause, NULL);
	}
}

/*
 * What is taken from a guest that cannot spare it makes its kernel kill. So one that says that it
 * cannot is not pressed; one that lies gains nothing, for then the limit does not move either.
 */
static int check_spare(struct ve *ve, uint64_t ram, struct err *e)
{
	struct err ignored = ERR_INIT;
	struct agent_usage u;
	uint64_t spare;

	if (vm_usage(ve, &u, &ignored) < 0)     /* nobody to ask: the balloon will tell */
		return 0;
	spare = u.mem_avail > RESERVE ? u.mem_avail - RESERVE : 0;
	if (ve->state.ram_now - ram <= spare)
		return 0;
	return err_set(e, EBUSY, 0, "the guest can spare %" PRIu64 "M of its %" PRIu64 "M now; it keeps "
		       "them", spare / MIB, ve->state.ram_now / MIB);
}

static int shrink(struct ve *ve, const struct param *p, int dir, uint64_t ram, struct err *e)
{
	unsigned ms = ve->patience_ms ? ve->patience_ms : PATIENCE_MS;
	struct err ignored = ERR_INIT;
	uint64_t have = 0;
	int r = check_spare(ve, ram, e);

	if (r < 0)
		return r;
	r = qmp_balloon_set(dir, ram, e);
	if (!r)
		r = wait_for(dir, ram, ms, &have, e);
	if (!r && have > ram)
		r = err_set(e, EBUSY, 0, "the guest has given up memory down to %" PRIu64 "M in %u.%u s, "
			    "not to %" PRIu64 "M; it keeps %" PRIu64 "M", have / MIB, ms / 1000,
			    ms % 1000 / 100, ram / MIB, ve->state.ram_now / MIB);
	if (!r)
		r = put_group(ve, p, ram, e);
	if (r < 0 && qmp_balloon_set(dir, ve->state.ram_now, &ignored) < 0)
		log_warn(&ve->in->log, "put back: %s", ignored.msg);
	return r;
}

static int grow(struct ve *ve, const struct param *p, int dir, uint64_t ram, struct err *e)
{
	int r = put_group(ve, p, ram, e);

	return r < 0 ? r : qmp_balloon_set(dir, ram, e);
}

int vm_apply_ram(struct ve *ve, const struct param *p, struct err *e)
{
	uint64_t ram = wanted_ram(ve);
	_fd_ int dir = -1;
	int r;

	if (ve->state.phase != PH_RUNNING)      /* at start: QEMU comes up with it */
		return put_group(ve, p, ve->state.ram, e);
	if (ram > ve->state.ram)
		return err_set(e, EOPNOTSUPP, 0, "the VM was started with %" PRIu64 "M; more is for its "
			       "next start", ve->state.ram / MIB);
	if (ram < VM_LEAST_RAM)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "a VM needs %" PRIu64 "M for its kernel",
			       VM_LEAST_RAM / MIB);
	if (ram == ve->state.ram_now)
		return 0;
	r = state_dir(ve->in, ve->id, false, &dir, e);
	if (!r)
		r = ram < ve->state.ram_now ? shrink(ve, p, dir, ram, e) : grow(ve, p, dir, ram, e);
	if (r < 0)
		return r;
	ve->state.ram_now = ram;
	return state_save(ve->in, ve->id, &ve->state, e);
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

int vm_apply_disk(struct ve *ve, const struct param *p, struct err *e)
{
	const struct storage_backend *b = storage_find(*ve->conf.layout ? ve->conf.layout : "image");
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
	return r < 0 || !bytes ? r : vm_grow_filesystem(ve, e);
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
