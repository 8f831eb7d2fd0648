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
#define VM_INITRAMFS "/initramfs"

enum vm_accel { VM_KVM, VM_TCG };

struct vm_machine {
	uint32_t id;
	enum vm_accel accel;
	uint64_t ram, ram_max;          /* bytes; more than ram: memory can be added up to that */
	unsigned cpus;
	uint8_t mac[VM_LINKS][6];
	unsigned n_links;
	uint32_t tsc_khz;               /* of the host; under TCG the guest must not measure */
};

#define VM_ARGS 192

struct vm_args {
	const char *argv[VM_ARGS];
	unsigned n;
	char text[8192];                /* what argv points into */
	unsigned used;
};

/* -E2BIG when it does not fit, which no machine of ours does. */
MUST_CHECK int vm_args_make(const struct vm_machine *m, struct vm_args *ret, struct err *e);

/* Memory of the host that the machine may take: the guest's, and QEMU's own. */
uint64_t vm_host_memory(uint64_t ram);
