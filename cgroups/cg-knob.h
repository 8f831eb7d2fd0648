/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pure conversion between a limit's value and the text of a cgroup file. No I/O; unit tested.
 * Every codec round-trips: dec(enc(v)) is v, or the nearest value the file can hold.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "cgroups/cgroup.h"

struct cg_codec {
	int (*enc)(uint64_t value, char *dst, size_t size);     /* 0 or -ERANGE */
	int (*dec)(const char *text, uint64_t *ret);            /* 0 or -EINVAL */
};

/* Values equal to CG_NONE are spelled the way the file spells "no limit". */
extern const struct cg_codec cg_codec_max;              /* "max" or a number (v2) */
extern const struct cg_codec cg_codec_v1_bytes;         /* "-1" or bytes; reads back page-rounded */
extern const struct cg_codec cg_codec_v1_count;         /* pids.max of v1: "max" or a number */
extern const struct cg_codec cg_codec_cpu_max;          /* percent of one CPU <-> "50000 100000" */
extern const struct cg_codec cg_codec_cfs_quota;        /* percent <-> cpu.cfs_quota_us, period 100000 */
extern const struct cg_codec cg_codec_burst;            /* percent <-> microseconds per period; none is 0 */
extern const struct cg_codec cg_codec_weight;           /* cpuunits 8..500000 (1000) <-> cpu.weight 1..10000 (100) */
extern const struct cg_codec cg_codec_shares;           /* cpuunits <-> cpu.shares 2..262144 (1024) */
extern const struct cg_codec cg_codec_io_weight;        /* ioprio 0..7 (4) <-> "default 100" */
extern const struct cg_codec cg_codec_bfq_weight;       /* ioprio <-> blkio.bfq.weight 1..1000 (100) */

struct cg_file {
	const char *file;                               /* NULL: this hierarchy cannot */
	const struct cg_codec *codec;
};

struct cg_knob {
	enum cg_ctl ctl;
	struct cg_file v2, v1;
	/* Instead of plain write-and-verify, for limits with an order or a price (memory, swap). */
	int (*set)(const struct cg_host *h, const char *id, const struct cg_ask *a, struct err *e);
	int (*get)(const struct cg_host *h, const char *id, const struct cg_knob *k, uint64_t *ret);
};

/* Transitions for the rows of memory and of swap (on v1 swap is memsw minus memory). */
int cg_memory_set(const struct cg_host *h, const char *id, const struct cg_ask *a, struct err *e);
int cg_swap_set(const struct cg_host *h, const char *id, const struct cg_ask *a, struct err *e);
int cg_swap_get(const struct cg_host *h, const char *id, const struct cg_knob *k, uint64_t *ret);
