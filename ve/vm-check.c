/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is refused of a virtual machine before a start touches anything. */
#include "ve/vm.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "templates/store.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/plan.h"
#include "vm/kernel.h"

#define MIB (UINT64_C(1) << 20)

/* kvm-pvm is KVM for kernels that know it. A stock kernel dies in its first instructions on it. */
int vm_check_kvm(struct err *e)
{
	if (access("/dev/kvm", F_OK) < 0)
		return err_set(e, ENODEV, VZ_NO_KERNEL_SUPPORT,
			       "this host has no /dev/kvm; --accel tcg --force (or VM_ACCEL=\"tcg\") emulates, "
			       "slowly and without a boundary");
	if (access("/sys/module/kvm_pvm", F_OK) == 0 && access("/sys/module/kvm_intel", F_OK) < 0 &&
	    access("/sys/module/kvm_amd", F_OK) < 0)
		return err_set(e, ENODEV, VZ_NO_KERNEL_SUPPORT,
			       "the KVM of this host (pvm) runs no stock kernel; --accel tcg --force (or "
			       "VM_ACCEL=\"tcg\") emulates, slowly and without a boundary");
	return 0;
}

static int choose_accel(struct ve *ve, const struct start_opts *o, struct err *e)
{
	const char *accel = o->accel ? o->accel : ve->in->conf.emulate ? "tcg" : "kvm";

	if (!str_eq(accel, "kvm") && !str_eq(accel, "tcg"))
		return err_set(e, EINVAL, VZ_BAD_VALUE, "--accel: bad value \"%.40s\": want kvm or tcg",
			       accel);
	(void)str_fmt(ve->state.accel, sizeof(ve->state.accel), "%s", accel);
	if (str_eq(accel, "kvm"))
		return vm_check_kvm(e);
	return o->force || ve->in->conf.emulate ? 0 : err_set(e, EPERM, VZ_NO_KERNEL_SUPPORT,
				      "--accel tcg: emulation is no boundary between the guest and this "
				      "host; --force runs it all the same");
}

uint64_t vm_least_ram(const struct ve *ve)
{
	return plan_boots_disk(&ve->conf) ? VM_LEAST_RAM_DISK : VM_LEAST_RAM;
}

/* One that is not in the store is told of by the step that wants it. */
static int check_arch(const struct ve *ve, struct err *e)
{
	struct store st = STORE_INIT;
	struct err ignored = ERR_INIT;
	struct template t;
	int r = store_open(ve->in->lib, ve->in->run, &st, e);

	if (!r && store_find(&st, ve->conf.template, &t, &ignored) == 0 && !str_eq(t.arch, "x86_64"))
		r = err_set(e, ENOEXEC, VZ_BAD_TEMPLATE, "VE %u: template %.12s is for %s; a VM of this host is "
			    "x86_64", ve->id, t.digest, t.arch);
	store_close(&st);
	return r;
}

void vm_kernel(const struct ve *ve, char ret[KERNEL_NAME])
{
	if (*ve->conf.kernel)
		(void)str_fmt(ret, KERNEL_NAME, "%s", ve->conf.kernel);
	else
		kernel_of(ve->in->lib, ve->conf.ostemplate, ret);
}

int vm_check(struct ve *ve, const struct vm_plan *p, const struct start_opts *o, struct err *e)
{
	char kernel[KERNEL_NAME];
	int r = choose_accel(ve, o, e);

	if (r < 0)
		return err_wrap(e, "VE %u", ve->id);
	if (p->ram < vm_least_ram(ve))
		return err_set(e, EINVAL, VZ_BAD_VALUE, "VE %u: --ram %" PRIu64 "M: a VM needs %" PRIu64
			       "M for its kernel", ve->id, p->ram / MIB, vm_least_ram(ve) / MIB);
	if (p->own_disk)
		return !o->wait_ms ? 0 : err_set(e, EOPNOTSUPP, VZ_WAIT_FAILED, "start --wait: VE %u boots its "
						 "own disk, and no agent in it tells when it is ready", ve->id);
	r = check_arch(ve, e);
	vm_kernel(ve, kernel);
	return r < 0 ? r : kernel_check(ve->in->lib, kernel, e);
}
