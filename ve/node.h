/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the host has, what its VEs were promised, what is used, and what still fits. */
#pragma once

#include "ve/params.h"

struct inst;

enum node_what { NODE_MEMORY, NODE_CPU, NODE_DISK, NODE_PROCESSES, NODE_MAX };

struct node_res {
	uint64_t has;                   /* bytes, percent of one CPU, processes */
	uint64_t promised;              /* the limits of all VEs together */
	uint64_t used;                  /* now, by everybody on the host */
	uint64_t others;                /* of it, what is no VE's and will not be given up for one */
	unsigned unlimited;             /* VEs without such a limit: they can use all there is */
	uint64_t sample;                /* what a VE of the plan is promised; 0: no limit */
};

/* A pool promises its limits once; where it has none, its VEs promise theirs. */
struct node_pool {
	char name[VE_NAME_LEN];
	uint64_t want[NODE_MAX];
	unsigned ves, running;
};

struct node {
	struct node_res res[NODE_MAX];
	struct node_pool *pools;
	size_t n_pools;
	unsigned ves, running;
	/* CPU, memory: to all VEs; to those that run together */
	uint64_t guaranteed, can_guarantee, ram_guaranteed, can_guarantee_ram;
};

/* plan: name of the sample, or NULL for the default one. Takes about 0.2 s to see the CPUs. */
MUST_CHECK int node_read(struct inst *in, const char *plan, struct node *ret, struct err *e);
void node_done(struct node *n);
/* How many more VEs of the plan every limit can be met for; UINT64_MAX: this does not end it. */
uint64_t node_fits(const struct node_res *r);
