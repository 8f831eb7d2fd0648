/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keeper: one small static process per running VE (program berth-keeper, its own binary so
 * that it costs a few pages). It is the parent of the VE's init. It holds the console and its
 * log ring, notes exit and out-of-memory events, and when init ends runs the berth command to
 * tidy up or start again. Nothing depends on it being alive: a command that finds it dead
 * starts another, which watches the same init by pidfd.
 *
 * It listens on a SOCK_SEQPACKET socket (run/ID/keeper.sock, 0600 in a 0700 directory). A client sends one
 * struct keeper_msg and receives one; fds travel as SCM_RIGHTS.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/err.h"

#define KEEPER_VERSION 1

enum keeper_op {
	/* client -> keeper */
	KEEPER_HELLO = 1,       /* are you there: answers with pid and whether init lives */
	KEEPER_STOPPING,        /* I tidy up: when init ends, tell me its status and exit, run nothing.
				 * Holds as long as this connection is open. Answered at once by
				 * KEEPER_OK, and by KEEPER_EXITED when init is gone. */
	KEEPER_CONSOLE,         /* attach: answered with a stream socket fd that carries the console
				 * both ways (recent output first). KEEPER_WRITER is set in flags for
				 * the one whose input is used; what the others send is discarded.
				 * EBUSY when too many are attached, ENXIO when there is no console */
	KEEPER_QUIT,            /* exit now and leave the VE alone (tool upgrade); KEEPER_OK brings the
				 * console's master, so that the next keeper continues it */
	/* keeper -> client */
	KEEPER_OK = 100,
	KEEPER_EXITED,          /* status holds the wait status, or -1 when not known */
	KEEPER_ERROR,           /* eno holds an errno value */
};

struct keeper_msg {
	uint32_t version;       /* KEEPER_VERSION */
	uint32_t op;
	int32_t pid, status, eno;
	uint32_t flags;
};

enum keeper_flags {
	KEEPER_INIT_LIVES = 1 << 0,     /* KEEPER_OK of KEEPER_HELLO */
	KEEPER_WRITER = 1 << 1,         /* KEEPER_OK of KEEPER_CONSOLE */
};

/*
 * What a keeper is started with. The fds are passed on under fixed numbers by keeper_exec; -1
 * for one that there is not.
 */
struct keeper_start {
	const char *program;    /* path of berth-keeper */
	const char *berth;      /* path of berth, run as: berth --root ROOT _exited ID STATUS */
	const char *root;       /* --root, "" for none */
	uint32_t veid;
	pid_t init;             /* its pid on the host */
	int listen;             /* keeper.sock, listening */
	int pidfd;              /* of init */
	int console;            /* pty master */
	int log;                /* ring file, opened O_RDWR (run/ID/console.log) */
	int oom;                /* from cg_open_oom */
	short oom_events;
	int node;               /* directory of the VE's v2 control group, for the policy on oom */
	int events;             /* append-only events file (run/ID/events.jsonl) */
	int monitor;            /* of a VM: what its QEMU tells (QMP), or -1 */
	int oom_control;        /* from cg_open_oom, for the policy on oom */
};

/* Make and listen on the socket at dir/keeper.sock. */
MUST_CHECK int keeper_listen(int dir, int *ret, struct err *e);

/*
 * Become the keeper; returns only on failure. The paths are absolute. Every descriptor that is
 * not in k is closed by the exec and not before, so that a failure can still be reported,
 * except that 0 to 11 are overwritten: keep the channel for that at 12 or above.
 */
MUST_CHECK int keeper_exec(const struct keeper_start *k, struct err *e);

/* Connect to the keeper below dir (run/ID). -ECONNREFUSED/-ENOENT in e when there is none. */
MUST_CHECK int keeper_connect(int dir, int *ret, struct err *e);
/* One request, one answer within timeout_ms; ret_fd may be NULL or gets -1 or a passed fd. */
MUST_CHECK int keeper_call(int sock, enum keeper_op op, int timeout_ms, struct keeper_msg *ret,
			   int *ret_fd, struct err *e);

/*
 * The newest console output out of the ring file (run/ID/console.log), in a NUL-terminated
 * buffer the caller frees. It is what the VE wrote, with any byte in it: filter it before it
 * reaches a terminal. An empty file gives "".
 */
MUST_CHECK int keeper_ring_read(int fd, char **ret, size_t *ret_len, struct err *e);

/* The log ring: struct ring_head, then `size` bytes written round and round. */
#define RING_SIZE 65536
struct ring_head {
	char magic[8];          /* "BERTHRG1" */
	uint64_t size, head;    /* head: bytes ever written */
};
