/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The smallest machine that does: microvm, virtio over MMIO, a serial line and nothing else; no
 * firmware but the loader of the kernel. Memory can be added to q35 only, so that is taken
 * when it is asked for.
 *
 * -nodefaults, -no-user-config, no display, no monitor but the two sockets, format and driver of
 * each disk named, so that nothing is ever guessed from what a guest has written; no
 * vmx or svm in the CPU; no merging of pages with neighbours (mem-merge=off, KSM).
 */
#include "vm/qemu.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/str.h"

#define MIB (UINT64_C(1) << 20)
/* Measured: 30 MiB of QEMU 7.2 itself, page tables, and under TCG the buffer of translated code. */
#define OWN_MIB 160

static void add(struct vm_args *a, const char *fmt, ...) PRINTF(2, 3);

static void add(struct vm_args *a, const char *fmt, ...)
{
	size_t room = sizeof(a->text) - a->used;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(a->text + a->used, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room || a->n + 1 >= VM_ARGS) {
		a->n = VM_ARGS;         /* noticed by vm_args_make */
		return;
	}
	a->argv[a->n++] = a->text + a->used;
	a->used += (unsigned)n + 1;
}

static bool is_q35(const struct vm_machine *m)
{
	return m->ram_max > m->ram;
}

/* virtio devices are called so on either bus. */
static const char *bus(const struct vm_machine *m)
{
	return is_q35(m) ? "pci" : "device";
}

static void add_machine(const struct vm_machine *m, struct vm_args *a)
{
	add(a, "-machine");
	add(a, "%s,mem-merge=off,dump-guest-core=off%s", is_q35(m) ? "q35" : "microvm",
	    is_q35(m) ? ",usb=off,vmport=off,smbus=off,i8042=off" : ",auto-kernel-cmdline=off,rtc=on");
	add(a, "-accel");
	add(a, "%s", m->accel == VM_KVM ? "kvm" : "tcg,tb-size=64");
	add(a, "-cpu");
	add(a, "%s", m->accel == VM_KVM ? "host,-vmx,-svm" : "max,la57=off,-svm");
	add(a, "-smp");
	add(a, "%u", m->cpus);
	add(a, "-m");
	if (is_q35(m))
		add(a, "%" PRIu64 "M,maxmem=%" PRIu64 "M", m->ram / MIB, m->ram_max / MIB + 128);
	else
		add(a, "%" PRIu64 "M", m->ram / MIB);
}

/*
 * Under TCG the guest's clocks are too coarse to measure the frequency of its counter by, and
 * microvm has no other clock to fall back to: it would hang now and then (tsc_early_khz).
 */
static void add_kernel(const struct vm_machine *m, struct vm_args *a)
{
	char tsc[40] = "";

	if (m->accel == VM_TCG && m->tsc_khz)
		(void)str_fmt(tsc, sizeof(tsc), " tsc_early_khz=%u", m->tsc_khz);
	add(a, "-kernel");
	add(a, VM_KERNEL);
	add(a, "-initrd");
	add(a, VM_INITRAMFS);
	add(a, "-append");
	add(a, "console=ttyS0 quiet loglevel=4 reboot=t panic=-1 net.ifnames=0 systemd.getty_auto=no%s%s", tsc,
	    is_q35(m) ? " memhp_default_state=online_movable" : "");
	add(a, "-no-reboot");
}

static void add_sandbox(struct vm_args *a)
{
	add(a, "-sandbox");
	add(a, "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
}

static void add_socket(struct vm_args *a, const char *id, int fd)
{
	add(a, "-chardev");
	add(a, "socket,id=%s,fd=%d,server=on,wait=off", id, fd);
}

static void add_monitors(struct vm_args *a)
{
	add_socket(a, "qmp", VM_FD_QMP);
	add(a, "-mon");
	add(a, "chardev=qmp,mode=control");
	add_socket(a, "events", VM_FD_EVENTS);
	add(a, "-mon");
	add(a, "chardev=events,mode=control");
}

/*
 * Files by number (fd sets), so that QEMU has no path to open. The page cache of the template is
 * the host's and shared; the tenant's disk goes past it.
 */
static void add_disk(const struct vm_machine *m, struct vm_args *a, const char *name, int fd)
{
	bool template = fd == VM_FD_TEMPLATE;

	add(a, "-add-fd");
	add(a, "fd=%d,set=%d", fd, fd);
	add(a, "-blockdev");
	add(a, "driver=host_device,node-name=%s-file,filename=/dev/fdset/%d,locking=off,%s", name, fd,
	    template ? "read-only=on,cache.direct=off" : "cache.direct=on,discard=unmap");
	add(a, "-blockdev");
	add(a, "driver=raw,node-name=%s,file=%s-file,%s", name, name,
	    template ? "read-only=on" : "discard=unmap");
	add(a, "-device");
	add(a, "virtio-blk-%s,drive=%s,id=%s-dev,serial=%s%s", bus(m), name, name, name,
	    template ? "" : ",discard=on");
}

static void add_link(const struct vm_machine *m, struct vm_args *a, unsigned i)
{
	const uint8_t *c = m->mac[i];

	add(a, "-netdev");
	add(a, "tap,id=net%u,fd=%d,vhost=off", i, VM_FD_TAP + (int)i);
	add(a, "-device");
	add(a, "virtio-net-%s,netdev=net%u,id=net%u-dev,mac=%02x:%02x:%02x:%02x:%02x:%02x%s", bus(m),
	    i, i, c[0], c[1], c[2], c[3], c[4], c[5], is_q35(m) ? ",romfile=" : "");
}

static void add_ports(const struct vm_machine *m, struct vm_args *a)
{
	add_socket(a, "console", VM_FD_CONSOLE);
	add(a, "-serial");
	add(a, "chardev:console");
	add(a, "-device");
	add(a, "virtio-serial-%s,id=ports,max_ports=%u", bus(m), AGENT_PORTS + 1);
	for (unsigned i = 0; i < AGENT_PORTS; i++) {
		char id[16];

		(void)str_fmt(id, sizeof(id), "agent%u", i);
		add_socket(a, id, VM_FD_AGENT + (int)i);
		add(a, "-device");
		add(a, "virtserialport,bus=ports.0,chardev=%s,name=berth.%u", id, i);
	}
}

static void add_memory(const struct vm_machine *m, struct vm_args *a)
{
	add(a, "-device");
	add(a, "virtio-balloon-%s,id=balloon,free-page-reporting=on,deflate-on-oom=off", bus(m));
	add(a, "-object");
	add(a, "rng-builtin,id=random");
	add(a, "-device");
	add(a, "virtio-rng-%s,rng=random", bus(m));
	if (!is_q35(m))
		return;
	add(a, "-object");
	add(a, "memory-backend-ram,id=more,size=%" PRIu64 "M,merge=off,dump=off,reserve=off",
	    (m->ram_max - m->ram) / MIB / 128 * 128 + 128);
	add(a, "-device");
	add(a, "virtio-mem-pci,id=more-dev,memdev=more,requested-size=0");
}

int vm_args_make(const struct vm_machine *m, struct vm_args *ret, struct err *e)
{
	ret->n = ret->used = 0;
	add(ret, "qemu-system-x86_64");
	add(ret, "-name");
	add(ret, "ve%u", m->id);
	add(ret, "-nodefaults");
	add(ret, "-no-user-config");
	add(ret, "-display");
	add(ret, "none");
	add_sandbox(ret);
	add_machine(m, ret);
	add_kernel(m, ret);
	add_monitors(ret);
	add_disk(m, ret, "template", VM_FD_TEMPLATE);
	add_disk(m, ret, "disk", VM_FD_DISK);
	for (unsigned i = 0; i < m->n_links; i++)
		add_link(m, ret, i);
	add_ports(m, ret);
	add_memory(m, ret);
	if (ret->n >= VM_ARGS)
		return err_set(e, E2BIG, 0, "make QEMU's command line: too long");
	ret->argv[ret->n] = NULL;
	return 0;
}

uint64_t vm_host_memory(uint64_t ram)
{
	return ram + OWN_MIB * MIB + ram / 128;
}
