/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What differs for a VE of kind VM: what is refused before a start (ve/vm-check.c), and what is
 * done to one that runs, by its agent. The steps of its start: ve/vm-steps.h.
 */
#pragma once

#include "ve/plan.h"
#include "vm/agent.h"
#include "vm/kernel.h"

/* The least memory that it can have. */
uint64_t vm_least_ram(const struct ve *ve);
/* Refuse what cannot be a VM before anything is touched; decides the accelerator. */
MUST_CHECK int vm_check(struct ve *ve, const struct vm_plan *p, const struct start_opts *o,
			struct err *e);
/* The kernel that a start takes: the VE's own, that of its template, or "", the host's default. */
void vm_kernel(const struct ve *ve, char ret[KERNEL_NAME]);
/* Whether this host has a KVM that runs what a VM boots. */
MUST_CHECK int vm_check_kvm(struct err *e);

/* ---- a VM that runs ---- */
#define VM_AGENT_MS 10000
#define VM_LEAST_RAM_DISK (UINT64_C(16) << 20)   /* what its firmware takes; the rest its system knows */
#define VM_LEAST_RAM (UINT64_C(96) << 20)        /* Debian's cloud kernel with its initramfs, measured */

MUST_CHECK int vm_agent(struct ve *ve, int timeout_ms, struct agent_link *ret, struct err *e);
MUST_CHECK int vm_exec(struct ve *ve, const struct agent_run *run, struct err *e);
/* The power button, for a system that has no agent. */
MUST_CHECK int vm_power_button(struct ve *ve, struct err *e);
MUST_CHECK int vm_signal_init(struct ve *ve, int sig, struct err *e);
/* Host name, resolver, links; from: what the links were, whose addresses may have to go, or NULL. */
MUST_CHECK int vm_setup(struct ve *ve, struct agent_link *l, const struct links *from,
			struct err *e);
/* Plug and unplug; what is inside of them follows by vm_setup_live. */
MUST_CHECK int vm_change_links(struct ve *ve, const struct links *from, const struct links *to,
			       struct err *e);
/* Whether the machine can get and lose links while it runs; why is filled if not. */
bool vm_can_plug(const struct ve *ve, char *why, size_t size);
/* The same to a VM that runs. */
MUST_CHECK int vm_setup_live(struct ve *ve, const struct links *from, struct err *e);
/* The filesystem of the disk, to the end of its device. */
MUST_CHECK int vm_grow_filesystem(struct ve *ve, struct err *e);
/* What the guest says of itself. */
MUST_CHECK int vm_usage(struct ve *ve, struct agent_usage *ret, struct err *e);
MUST_CHECK int vm_disk_usage(struct ve *ve, struct disk_usage *ret, struct err *e);
/* So many CPUs, the first ones, and no others; as many as it says are in use is no proof of it. */
MUST_CHECK int vm_set_cpus(struct ve *ve, unsigned n, struct err *e);
/* Tell it the time of now. */
MUST_CHECK int vm_set_clock(struct ve *ve, struct err *e);
MUST_CHECK int vm_freeze(struct ve *ve, bool on, struct err *e);
MUST_CHECK int vm_userpasswd(struct ve *ve, const char *userpasswd, struct err *e);
/* Note the end of a QEMU that did not end by itself, with the last that it said. */
void vm_tell_crash(struct ve *ve, int status);
/* Connections of a keeper: console and events. */
MUST_CHECK int vm_keeper_fds(int dir, int *ret_console, int *ret_monitor, struct err *e);
