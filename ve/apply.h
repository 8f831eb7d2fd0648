/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making a running VE obey its config: the apply functions of the parameter table, and the
 * transaction that `set` is.
 */
#pragma once

#include "ve/ve.h"

/* Apply one row of ve->conf to the running VE: by its knob or its function. */
MUST_CHECK int param_apply(struct ve *ve, const struct param *p, struct err *e);

/* At start, before init runs: every row that is enforced by a control group. */
MUST_CHECK int apply_limits(struct ve *ve, struct err *e);

/* The bounds that a pool sets to rows that the config does not have. */
MUST_CHECK int apply_bounds(struct ve *ve, struct err *e);

/* The same of what sits on init itself, which is there and has not run yet. */
MUST_CHECK int apply_inside(struct ve *ve, struct err *e);

/* Why the row cannot be enforced on this host, or NULL. */
const char *param_lacks(struct ve *ve, const struct param *p);

/* The kernel's value of a numeric row. 0, or -Exxx when there is none to ask. */
int param_effective(struct ve *ve, const struct param *p, uint64_t *ret);

/*
 * True when the running VE obeys its config's value of a numeric row, or when nothing can be
 * asked; else *ret is what it obeys. Rounding by the kernel's units is no difference.
 */
bool param_obeyed(struct ve *ve, const struct param *p, uint64_t *ret);

int used_memory(struct ve *ve, const struct param *p, uint64_t *ret);
int used_processes(struct ve *ve, const struct param *p, uint64_t *ret);
int used_disk(struct ve *ve, const struct param *p, uint64_t *ret);
bool disk_inodes_live(const struct ve *ve);
int effective_inodes(struct ve *ve, const struct param *p, uint64_t *ret);
int used_inodes(struct ve *ve, const struct param *p, uint64_t *ret);
int apply_cpu_quota(struct ve *ve, const struct param *p, struct err *e);
int effective_cpu_quota(struct ve *ve, const struct param *p, uint64_t *ret);
uint64_t wanted_cpu_quota(const struct ve *ve, const struct param *p);
const char *lacks_cpu_quota(struct ve *ve, const struct param *p);
int effective_cpu_burst(struct ve *ve, const struct param *p, uint64_t *ret);
const char *lacks_cpu_burst(struct ve *ve, const struct param *p);
int apply_cpuunits(struct ve *ve, const struct param *p, struct err *e);
int effective_cpuunits(struct ve *ve, const struct param *p, uint64_t *ret);
/* ve/guarantee.c */
int apply_cpuguarantee(struct ve *ve, const struct param *p, struct err *e);
int effective_cpuguarantee(struct ve *ve, const struct param *p, uint64_t *ret);
int judge_kind(const struct ve *ve, const struct ve_conf *to, char *why, size_t size);
int judge_direct(const struct ve *ve, const struct ve_conf *to, char *why, size_t size);
int judge_cpuguarantee(const struct ve *ve, const struct ve_conf *to, char *why, size_t size);
int apply_ram_guarantee(struct ve *ve, const struct param *p, struct err *e);
int effective_ram_guarantee(struct ve *ve, const struct param *p, uint64_t *ret);
uint64_t wanted_ram_guarantee(const struct ve *ve, const struct param *p);
const char *lacks_ram_guarantee(struct ve *ve, const struct param *p);
int apply_cpumask(struct ve *ve, const struct param *p, struct err *e);
int apply_nodemask(struct ve *ve, const struct param *p, struct err *e);
int apply_hugepages(struct ve *ve, const struct param *p, struct err *e);
int effective_hugepages(struct ve *ve, const struct param *p, uint64_t *ret);
const char *lacks_hugepages(struct ve *ve, const struct param *p);
const char *lacks_cpuset(struct ve *ve, const struct param *p);
/* ve/vm-live.c */
int vm_apply_ram(struct ve *ve, const struct param *p, struct err *e);
int vm_effective_ram(struct ve *ve, const struct param *p, uint64_t *ret);
int vm_judge_ram(const struct ve *ve, const struct ve_conf *to, char *why, size_t size);
int vm_apply_cpus(struct ve *ve, const struct param *p, struct err *e);
int vm_effective_cpus(struct ve *ve, const struct param *p, uint64_t *ret);
int vm_judge_cpus(const struct ve *ve, const struct ve_conf *to, char *why, size_t size);
int vm_apply_disk(struct ve *ve, const struct param *p, struct err *e);
int vm_unknown(struct ve *ve, const struct param *p, uint64_t *ret);
int apply_disk(struct ve *ve, const struct param *p, struct err *e);
int effective_disk(struct ve *ve, const struct param *p, uint64_t *ret);
int apply_oom_policy(struct ve *ve, const struct param *p, struct err *e);
/* ve/apply-rlimit.c: what processes carry with them */
int apply_rlimit(struct ve *ve, const struct param *p, struct err *e);
int apply_rlimit_start(struct ve *ve, const struct param *p, struct err *e);
/* Bit per RLIMIT_* that the config limits. */
unsigned rlimits_set(const struct ve *ve);
int effective_rlimit(struct ve *ve, const struct param *p, uint64_t *ret);
int used_rlimit(struct ve *ve, const struct param *p, uint64_t *ret);
/* ve/apply-inside.c: mounts and the user namespace */
const char *lacks_own_mount(struct ve *ve, const struct param *p);
int apply_shm(struct ve *ve, const struct param *p, struct err *e);
int effective_shm(struct ve *ve, const struct param *p, uint64_t *ret);
uint64_t wanted_or_none(const struct ve *ve, const struct param *p);
int used_shm(struct ve *ve, const struct param *p, uint64_t *ret);
int apply_ptys(struct ve *ve, const struct param *p, struct err *e);
int effective_ptys(struct ve *ve, const struct param *p, uint64_t *ret);
uint64_t wanted_ptys(const struct ve *ve, const struct param *p);
int used_ptys(struct ve *ve, const struct param *p, uint64_t *ret);
int apply_inotify(struct ve *ve, const struct param *p, struct err *e);
int effective_inotify(struct ve *ve, const struct param *p, uint64_t *ret);
int used_inotify(struct ve *ve, const struct param *p, uint64_t *ret);
/* ve/apply-io.c */
int apply_iolimit(struct ve *ve, const struct param *p, struct err *e);
int apply_iopslimit(struct ve *ve, const struct param *p, struct err *e);
int effective_iolimit(struct ve *ve, const struct param *p, uint64_t *ret);
int effective_iolimit_read(struct ve *ve, const struct param *p, uint64_t *ret);
int effective_iolimit_write(struct ve *ve, const struct param *p, uint64_t *ret);
int effective_iopslimit(struct ve *ve, const struct param *p, uint64_t *ret);
int effective_iopslimit_read(struct ve *ve, const struct param *p, uint64_t *ret);
int effective_iopslimit_write(struct ve *ve, const struct param *p, uint64_t *ret);
/* ve/apply-net.c */
int apply_caps(struct ve *ve, const struct param *p, struct err *e);
int effective_flow_rate(struct ve *ve, const struct param *p, uint64_t *ret);
int effective_conntrack(struct ve *ve, const struct param *p, uint64_t *ret);
int effective_mail_rate(struct ve *ve, const struct param *p, uint64_t *ret);
/* Rates as last put in force on a VE that runs, before its allowance changed them, into its config. */
void recall_netrate(struct ve *ve);
/* Do the links have the rates they should? True also where that cannot be seen. */
bool netrate_obeyed(const struct ve *ve);
int apply_netrate(struct ve *ve, const struct param *p, struct err *e);
int effective_netrate_in(struct ve *ve, const struct param *p, uint64_t *ret);
int effective_netrate_out(struct ve *ve, const struct param *p, uint64_t *ret);
int apply_traffic(struct ve *ve, const struct param *p, struct err *e);
uint64_t wanted_netrate_in(const struct ve *ve, const struct param *p);
uint64_t wanted_netrate_out(const struct ve *ve, const struct param *p);
int apply_links(struct ve *ve, const struct param *p, struct err *e);
int apply_ioprio(struct ve *ve, const struct param *p, struct err *e);
int effective_ioprio(struct ve *ve, const struct param *p, uint64_t *ret);
uint64_t wanted_ioprio(const struct ve *ve, const struct param *p);
const char *lacks_ioprio(struct ve *ve, const struct param *p);
const char *lacks_io_rate(struct ve *ve, const struct param *p);
/* The whole disk that the instance lies on, 0 where there is none. */
uint64_t host_disk(const struct inst *in);
/*
 * Whether a container's processes do their I/O in the root group of v1, where the flusher does it
 * for them, so that one group keeps their rate. Not where the host's scheduler keeps weights, which
 * would be those of the root.
 */
bool io_in_root(const struct ve *ve);
/* Of a VE that is killed: who waits for its disk must not wait for what is left to be written at its rate. */
void io_let_go(struct ve *ve);
int apply_guest(struct ve *ve, const struct param *p, struct err *e);
