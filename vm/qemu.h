/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of a VM's QEMU (7.2 and later), from what was decided. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"
#include "vm/agent-proto.h"

/* Descriptors that QEMU finds open, and the files in its root. */
#define VM_LINKS 8
enum vm_fd {
	VM_FD_TAP = 3,          /* and those of further links */
	VM_FD_TEMPLATE = VM_FD_TAP + VM_LINKS,
	VM_FD_DISK,
	VM_FD_QMP,              /* listening sockets from here on */
	VM_FD_EVENTS,
	VM_FD_CONSOLE,
	VM_FD_AGENT,
	VM_FD_END = VM_FD_AGENT + AGENT_PORTS,
};
#define VM_KERNEL "/kernel"
#define VM_PORT "port%u"                /* of q35, for a link; VM_LINKS of them */
#define VM_INITRAMFS "/initramfs"

enum vm_accel { VM_KVM, VM_TCG };
/* pc is for systems without drivers of virtio. */
enum vm_type { VM_MICROVM, VM_Q35, VM_PC };

struct vm_machine {
	uint32_t id;
	enum vm_accel accel;
	enum vm_type type;
	bool own_disk;                  /* booted by firmware: no kernel, template and agent of the host's */
	uint64_t ram, ram_max;          /* bytes it starts with, and can have */
	unsigned cpus, cpus_max;        /* that its kernel starts with, and can bring up */
	struct vm_nic {
		uint8_t mac[6];
		unsigned index;         /* names the device: of the VE's links, at most one has it */
	} nic[VM_LINKS];
	unsigned n_links;
	bool whole;                     /* the root is in the disk; there is no template */
	uint32_t tsc_khz;               /* of the host; under TCG the guest must not measure */
};

#define VM_ARGS 256
#define VM_MEMORY_STEP (UINT64_C(4) << 20)      /* memory is added in multiples of this */

struct vm_args {
	const char *argv[VM_ARGS];
	unsigned n;
	char text[8192];                /* what argv points into */
	unsigned used;
};

const char *vm_type_word(enum vm_type t);

/* -E2BIG when it does not fit, which no machine of ours does. */
MUST_CHECK int vm_args_make(const struct vm_machine *m, struct vm_args *ret, struct err *e);

/* Name of a link's device and, with "-dev", of what the guest sees of it. */
void vm_nic_name(char dst[16], unsigned index);
/* It does not boot: it waits for the memory of another, and then stands still. */
MUST_CHECK int vm_args_incoming(struct vm_args *a, struct err *e);

/* Memory of the host that the machine may take: the guest's, and QEMU's own. */
uint64_t vm_host_memory(uint64_t ram);
