/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which machine. microvm starts sooner and shows its guest less; q35 has what memory and links need
 * that come and go while it runs. So auto is q35 only where the config says that the VE shall be able to grow, and who wants
 * to change links only says so. Firmware that boots a disk is q35's; systems older
 * than virtio want pc. CPUs decide nothing: all machines can have more than they start with.
 */
#include "ve/plan.h"

#include <errno.h>
#include <inttypes.h>

#include "util/exits.h"
#include "util/str.h"
#include "vm/qemu.h"

#define MIB (UINT64_C(1) << 20)
#define DEFAULT_RAM (512 * MIB)

static uint64_t ram_of(const struct ve_conf *c)
{
	uint64_t ram = conf_has(c, param_by_key("PHYSPAGES")) ? c->ram : DEFAULT_RAM;

	return ram == U64_UNLIMITED ? DEFAULT_RAM : ram;
}

static enum vm_type type_of(const struct ve_conf *c, const struct vm_plan *p)
{
	if (str_eq(c->machine, "pc"))
		return VM_PC;
	if (str_eq(c->machine, "microvm"))
		return VM_MICROVM;
	return str_eq(c->machine, "q35") || p->ram_max > p->ram || p->own_disk ? VM_Q35 : VM_MICROVM;
}

static int check(const struct ve_conf *c, const struct vm_plan *p, struct err *e)
{
	if (p->ram_max < p->ram)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "--ram-max: %" PRIu64 "M is below --ram, which is %" PRIu64 "M",
			       p->ram_max / MIB, p->ram / MIB);
	if (p->ram_max > p->ram && p->type != VM_Q35)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "--ram-max: memory cannot be added to a %s; "
			       "want --machine auto or q35", vm_type_word(p->type));
	if (p->own_disk && p->type == VM_MICROVM)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "--machine microvm: it has no firmware that boots a "
			       "disk; want auto, q35 or pc");
	if (!p->own_disk && p->type == VM_PC)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "--machine pc: for machines that boot their own disk; "
			       "want auto, microvm or q35");
	if (c->cpus_max && !c->cpus)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "--cpus-max: --cpus must say with how many it starts");
	if (p->cpus_max < p->cpus)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "--cpus-max: %u is below --cpus, which is %u",
			       p->cpus_max, p->cpus);
	return 0;
}

int plan_vm(const struct ve_conf *c, struct vm_plan *ret, struct err *e)
{
	struct vm_plan p = { .ram = ram_of(c), .cpus = c->cpus ? (unsigned)c->cpus : 1 };
	int r;

	p.ram_max = c->ram_max ? c->ram_max : p.ram;
	p.cpus_max = c->cpus_max ? (unsigned)c->cpus_max : p.cpus;
	p.own_disk = plan_boots_disk(c);
	p.type = type_of(c, &p);
	r = check(c, &p, e);
	if (!r)
		*ret = p;
	return r;
}
