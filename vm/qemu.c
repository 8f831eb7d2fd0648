/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * microvm is virtio over MMIO, a serial line and nothing else; no firmware but the loader of the
 * kernel. q35 has PCI, on which devices come and go: one of virtio-mem, and a port for each link,
 * since a device that sits on the root bus itself cannot be taken away. A disk with a system of its
 * own is booted by SeaBIOS, on q35 or on the PC of 1996 with IDE and e1000, for systems older than
 * virtio; the firmware's screen is the serial line (graphics=off).
 *
 * CPUs that the machine shall be able to have are all there from the start, and its kernel is
 * told to leave those alone that it shall not have yet. Both machines can do that, and no CPU
 * is ever taken from QEMU, of which 7.2 dies afterwards when it emulates. What a guest
 * gains by using them all the same is nothing: the cap is on the control group.
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

#include "util/parse.h"
#include "util/str.h"

#define MIB (UINT64_C(1) << 20)
/* Measured: 30 MiB of QEMU 7.2 itself, page tables, and under TCG the buffer of translated code. */
#define OWN_MIB 160
#define BLOCK_MIB 128

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

const char *vm_type_word(enum vm_type t)
{
	return t == VM_PC ? "pc" : t == VM_Q35 ? "q35" : "microvm";
}

/* virtio devices are called so on either bus. */
static const char *bus(const struct vm_machine *m)
{
	return m->type == VM_MICROVM ? "device" : "pci";
}

static const char *options(const struct vm_machine *m)
{
	if (m->own_disk)
		return ",usb=off,vmport=off,smbus=off,graphics=off";
	return m->type == VM_Q35 ? ",usb=off,vmport=off,smbus=off,i8042=off" : ",auto-kernel-cmdline=off,rtc=on";
}

/* Linux takes memory in blocks of 128 MiB, of which it uses a part if need be. */
static uint64_t more_mib(const struct vm_machine *m)
{
	uint64_t more = m->ram_max > m->ram ? m->ram_max - m->ram : 0;

	return m->type == VM_Q35 ? (more / MIB + BLOCK_MIB - 1) / BLOCK_MIB * BLOCK_MIB : 0;
}

static void add_machine(const struct vm_machine *m, struct vm_args *a)
{
	add(a, "-machine");
	add(a, "%s,mem-merge=off,dump-guest-core=off%s", vm_type_word(m->type), options(m));
	add(a, "-accel");
	add(a, "%s", m->accel == VM_KVM ? "kvm" : "tcg,tb-size=64");
	add(a, "-cpu");
	add(a, "%s", m->accel == VM_KVM ? "host,-vmx,-svm" : "max,la57=off,-svm");
	add(a, "-smp");
	add(a, "%u", m->cpus_max);
	add(a, "-m");
	if (more_mib(m))
		add(a, "%" PRIu64 "M,maxmem=%" PRIu64 "M", m->ram / MIB, m->ram / MIB + more_mib(m));
	else
		add(a, "%" PRIu64 "M", m->ram / MIB);
}

/*
 * Memory that came can only go again if the kernel keeps nothing of its own in it (online_movable). And since it
 * lies above 4 GiB, the kernel would set 64 MiB aside to copy for devices that reach less far; none here does.
 *
 * Under TCG the guest's clocks are too coarse to measure the frequency of its counter by, and
 * microvm has no other clock to fall back to: it would hang now and then (tsc_early_khz). For the
 * same want a kernel with several CPUs must not doubt that their counters agree, as those of one QEMU do.
 */
static void add_kernel(const struct vm_machine *m, struct vm_args *a)
{
	char tsc[56] = "", cpus[24] = "";

	if (m->accel == VM_TCG && m->tsc_khz)
		(void)str_fmt(tsc, sizeof(tsc), " tsc_early_khz=%u%s", m->tsc_khz,
			      m->cpus_max > 1 ? " tsc=reliable" : "");
	if (m->cpus < m->cpus_max)
		(void)str_fmt(cpus, sizeof(cpus), " maxcpus=%u", m->cpus);
	add(a, "-kernel");
	add(a, VM_KERNEL);
	add(a, "-initrd");
	add(a, VM_INITRAMFS);
	add(a, "-append");
	add(a, "console=ttyS0 quiet loglevel=4 reboot=t panic=-1 net.ifnames=0 systemd.getty_auto=no%s%s%s%s", tsc,
	    cpus, m->whole ? " " AGENT_WHOLE : "",
	    more_mib(m) ? " memhp_default_state=online_movable swiotlb=noforce" : "");
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
	if (m->type == VM_PC)
		add(a, "ide-hd,bus=ide.0,drive=%s,id=%s-dev,bootindex=0", name, name);
	else
		add(a, "virtio-blk-%s,drive=%s,id=%s-dev,serial=%s%s%s", bus(m), name, name, name,
		    template ? "" : ",discard=on", m->own_disk ? ",bootindex=0" : "");
}

void vm_nic_name(char dst[16], unsigned index)
{
	(void)str_fmt(dst, 16, "net%u", index);
}

static void add_link(const struct vm_machine *m, struct vm_args *a, unsigned i)
{
	char name[16], mac[MAC_STRLEN], port[32] = "";

	vm_nic_name(name, m->nic[i].index);
	format_mac(m->nic[i].mac, mac);
	if (m->type == VM_Q35)
		(void)str_fmt(port, sizeof(port), ",romfile=,bus=" VM_PORT, i);
	add(a, "-netdev");
	add(a, "tap,id=%s,fd=%d,vhost=off", name, VM_FD_TAP + (int)i);
	add(a, "-device");
	add(a, "%s%s,netdev=%s,id=%s-dev,mac=%s%s", m->type == VM_PC ? "e1000" : "virtio-net-",
	    m->type == VM_PC ? ",romfile=" : bus(m), name, name, mac, port);
}

/* Each a device of its own: what QEMU 7.2 tells the guest of functions (ACPI) knows no hotplug. */
static void add_link_ports(const struct vm_machine *m, struct vm_args *a)
{
	for (unsigned i = 0; m->type == VM_Q35 && i < VM_LINKS; i++) {
		add(a, "-device");
		add(a, "pcie-root-port,id=" VM_PORT ",chassis=%u,addr=%x,io-reserve=0", i, i + 1, 8 + i);
	}
}

static void add_console(struct vm_args *a)
{
	add_socket(a, "console", VM_FD_CONSOLE);
	add(a, "-serial");
	add(a, "chardev:console");
}

static void add_ports(const struct vm_machine *m, struct vm_args *a)
{
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
	if (!more_mib(m))
		return;
	add(a, "-object");
	add(a, "memory-backend-ram,id=more,size=%" PRIu64 "M,merge=off,dump=off", more_mib(m));
	add(a, "-device");
	add(a, "virtio-mem-pci,id=more-dev,memdev=more,requested-size=0,block-size=%" PRIu64 "M",
	    VM_MEMORY_STEP / MIB);
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
	add(ret, "-no-reboot");
	add_monitors(ret);
	if (!m->own_disk)
		add_kernel(m, ret);
	if (!m->own_disk && !m->whole)
		add_disk(m, ret, "template", VM_FD_TEMPLATE);
	add_disk(m, ret, "disk", VM_FD_DISK);
	add_link_ports(m, ret);
	for (unsigned i = 0; i < m->n_links; i++)
		add_link(m, ret, i);
	add_console(ret);
	if (!m->own_disk)
		add_ports(m, ret);
	if (m->type != VM_PC)
		add_memory(m, ret);
	if (ret->n >= VM_ARGS)
		return err_set(e, E2BIG, 0, "make QEMU's command line: too long");
	ret->argv[ret->n] = NULL;
	return 0;
}

int vm_args_incoming(struct vm_args *a, struct err *e)
{
	add(a, "-S");
	add(a, "-incoming");
	add(a, "defer");
	if (a->n >= VM_ARGS)
		return err_set(e, E2BIG, 0, "make QEMU's command line: too long");
	a->argv[a->n] = NULL;
	return 0;
}

uint64_t vm_host_memory(uint64_t ram)
{
	return ram + OWN_MIB * MIB + ram / 128;
}
