/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The steps of ve/vm-start.c that only a machine has, and what a restore has of them. Contract:
 * ve/start-steps.h.
 */
#pragma once

#include "ve/start.h"

int up_vm_record(void *ctx, struct err *e);
int up_vm_template(void *ctx, struct err *e);
int up_vm_disk(void *ctx, struct err *e);
int up_vm_cgroup(void *ctx, struct err *e);
int up_vm_limits(void *ctx, struct err *e);
int up_vm_kernel(void *ctx, struct err *e);
int up_vm_network(void *ctx, struct err *e);
int up_vm_sockets(void *ctx, struct err *e);
int up_vm_init(void *ctx, struct err *e);
int up_vm_keeper(void *ctx, struct err *e);
int up_vm_guest(void *ctx, struct err *e);
int up_vm_go(void *ctx, struct err *e);

/* ---- for a restore ---- */

/* The record of a start of either kind, with this accelerator. */
MUST_CHECK int vm_record(struct start *s, const char *accel, struct err *e);
/* dump_machine of what a start would start. */
MUST_CHECK int vm_hardware(const struct start *s, char ret[65], struct err *e);
/* QEMU's last line is the cause, when there is one. */
MUST_CHECK int vm_tell_log(const struct start *s, struct err *e);

/* Close what a start of a machine holds. */
void vm_start_done(struct start *s);
