/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the other verbs share with a start: its step table, run backwards. */
#pragma once

#include "runtime/nsenter.h"
#include "runtime/spawn.h"
#include "util/step.h"
#include "ve/plan.h"
#include "vm/agent.h"
#include "vm/dump.h"
#include "vm/kernel.h"

/* What a VM's start holds besides. */
struct vm_start {
	struct kernel_files kernel;
	int taps[NET_MAX_LINKS], qmp, sock_events, sock_console, agents[AGENT_PORTS];   /* for QEMU */
	int qemu_log, monitor;
	bool kvm;
	struct agent_link *link;        /* to the guest, while it starts */
	const struct dump *from;        /* the memory that it goes on with, or NULL: it boots */
	int memory;                     /* the file that has it */
};

/* A start under way. Undo needs ve and plan only; the rest is held by the worker. */
struct start {
	struct ve *ve;
	struct plan plan;
	const struct start_opts *opts;
	int template;                   /* detached mount of the template */
	struct disk disk;
	int fence;                      /* lock that keeps its namespace, until it has a link there */
	struct ns_home home;            /* the host's mount namespace, while the worker is away */
	struct spawn init;
	int root, console, console_slave, proc_sys;
	int listen, log, events, node;  /* what the keeper gets */
	struct cg_oom oom;
	bool unclean;                   /* an undo could not do all of its work */
	struct vm_start vm;
};

extern const struct step start_steps[], vm_start_steps[], vm_restore_steps[], suspend_steps[];
extern const size_t n_start_steps, n_vm_start_steps, n_vm_restore_steps, n_suspend_steps;

/* Everything -1, for ve. */
void start_init(struct start *s, struct ve *ve);

/* Run the table backwards for a VE whose init is dead or shall be. */
void start_undo(struct ve *ve, const char *what);
/* The same for one whose root has been unmounted already, its script run. */
void start_undo_disk(struct ve *ve, const char *what);
