/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is refused before anything is touched: limits that this host cannot keep. */
#pragma once

#include "ve/params.h"

struct inst;

/* What the host has at most; UINT64_MAX where nobody says. */
uint64_t most_memory(void);
uint64_t most_cpu(void);
uint64_t most_cpus(void);
uint64_t most_processes(void);
uint64_t most_files(void);
uint64_t most_locked(void);
uint64_t most_signals(void);
uint64_t most_ptys(void);
uint64_t most_inotify_instances(void);
uint64_t most_inotify_watches(void);

/*
 * Whether this row of `to`, asked for by name, is above what the host has; why is filled then.
 * A config that came from elsewhere is not asked: its limits hold, they just do not bind.
 */
bool refuse_row(const struct param *p, const struct ve_conf *to, char *why, size_t size);

/* Whether the row is none of a VM that boots its own disk. */
bool refuse_own_disk(const struct param *p, char *why, size_t size);

/* Rows that are fine each and cannot be kept together here. */
MUST_CHECK int refuse_conf(const struct inst *in, const struct ve_conf *to, struct err *e);
