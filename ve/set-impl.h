/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by ve/set.c and ve/set-judge.c only: a change on its way. */
#pragma once

#include "ve/pool.h"
#include "ve/ve.h"

struct set {
	struct ve ve;
	struct ve_conf old;             /* config before, with the kernel's values where they differ */
	struct ve_conf to;              /* rows to change, final values */
	const struct ve_change *change;
	unsigned flags;
	bool running, vm;               /* vm: what it is, or will be by this change */
	pool_name saved_pool;
	int bound;                      /* lock of the pool it runs in, whose limits bind its own; or -1 */
	const struct param *done[128];  /* put in force, or tried: what a failure puts back */
	size_t n_done;
	struct set_report *rep;
};

/* Rows that make up the VE's links: they are judged and put in force together. */
extern const char *const set_link_rows[3];

/* The VE as it would be. */
struct ve *set_wanted(const struct set *s, struct ve *ret);
/* Judge each row to change into the report; what is impossible is an error, but in a dry run. */
MUST_CHECK int set_judge(struct set *s, struct err *e);
