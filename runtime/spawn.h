/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's half of bringing an init to life; runtime/child.c is the other. The calls are made
 * in this order by ve/start.c, see the picture there:
 *   spawn_init -> (overlay) -> spawn_joined -> (mounts, link) -> spawn_root ->
 *   (guest files, state) -> spawn_go
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "cgroups/cgroup.h"
#include "util/err.h"

/* Everything the child needs is decided before clone; both sides only read it. */
struct spawn_spec {
	int payload;                    /* cgroup2 directory to be born in */
	struct cg_tasks tasks;          /* v1 groups to join */
	uid_t base;                     /* first host id of the VE's range */
	const char *hostname;           /* NULL: leave the kernel's */
	const char *const *init;        /* argv of init */
	const char *const *env;
	bool no_core;                   /* the host pipes cores to a program: make none at all */
	bool userns;                    /* the VE may make user namespaces of its own */
};

struct spawn {
	pid_t pid;
	int pidfd, sock;
};
#define SPAWN_INIT { 0, -1, -1 }

/* Clone init into its user and pid namespaces, map its ids, and let it make the others. */
MUST_CHECK int spawn_init(const struct spawn_spec *s, struct spawn *ret, struct err *e);
/* Wait until it has every namespace but mount, and is in its cgroups. */
MUST_CHECK int spawn_joined(struct spawn *p, struct err *e);
/* Hand over the built root, the console and its writable /proc/sys; init pivots into the root. */
MUST_CHECK int spawn_root(struct spawn *p, int root, int console, int sys, struct err *e);
/* Let it execute init; returns when exec has succeeded. */
MUST_CHECK int spawn_go(struct spawn *p, struct err *e);
/* Close what is held; the process lives on. */
void spawn_done(struct spawn *p);
