/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * berth-agent, the guest's side of a VM: first the /init of its initramfs, then a process beside
 * the guest's own init. Nothing in here is trusted by the host, and it trusts nobody but
 * the host: the tenant's root may do with it what it likes, and loses only its own conveniences.
 *
 *   init (process 1)                       agent (its child)
 *   modules, disks, overlay, new root
 *   fork                              -->  serves the ports: AGENT_SETUP writes files,
 *                                          sets addresses
 *   reads one byte                    <--  AGENT_GO
 *   executes /sbin/init of the VE          goes on serving
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/err.h"
#include "util/parcel.h"
#include "util/parse.h"
#include "vm/agent-proto.h"

/* What booting leaves to the agent. */
struct boot {
	int disk;               /* root directory of the disk's ext4, or -1 */
	struct err err;         /* why there is no root, if there is none */
};

/* ---- boot.c ---- */
/* Find disks, mount, and make the VE's tree the root. Its failure is in b->err. */
void boot_root(struct boot *b);
/* Open port berth.N, or -1. */
int boot_open_port(unsigned n);

/* ---- serve.c ---- */
/* Serve all ports for ever. go: where to write the byte that lets init run. */
_Noreturn void serve(const struct boot *b, int go);

/* ---- run.c: a command of a session ---- */
struct child {
	pid_t pid;              /* 0: none */
	int in, out, err;       /* our ends, not blocking; with a terminal the master, each its own descriptor */
	int master;             /* -1: no terminal */
};
#define CHILD_INIT { 0, -1, -1, -1, -1 }

MUST_CHECK int child_start(const struct agent_exec *x, const char *body, size_t len,
			   struct child *ret, struct err *e);
/* The same with a parcel of files in place of a command. */
MUST_CHECK int child_files(const struct parcel_job *job, const char *body, size_t len, struct child *ret,
			   struct err *e);
void child_size(const struct child *c, const struct agent_size *size);
/* Hang up: nobody listens any more. The process is reaped by whoever reaps. */
void child_drop(struct child *c);

/* ---- setup.c ---- */
MUST_CHECK int setup_apply(const char *body, size_t len, struct err *e);
MUST_CHECK int setup_password(const char *body, size_t len, struct err *e);

/* ---- net.c ---- */
#define LINK_ADDRS 64
#define LINK_NETS 16
#define LINKS 8
struct net_link {
	const char *name;
	uint8_t mac[6];
	bool routed;
	struct ipaddr have[LINK_ADDRS], lose[LINK_ADDRS], nets[LINK_NETS];
	size_t n_have, n_lose, n_nets;
	struct ipaddr gateway[2], via[2];       /* IPv4 and IPv6; family 0: none */
};
MUST_CHECK int link_set(const struct net_link *l, struct err *e);
/* lo, which every link's addresses need. */
void link_loopback(void);

/* ---- cpus.c ---- */
/* Use the first n CPUs and no others; *ret is how many are in use then. */
MUST_CHECK int cpus_use(uint32_t n, uint32_t *ret, struct err *e);

/* ---- disk.c ---- */
MUST_CHECK int disk_grow(int disk, struct err *e);
MUST_CHECK int disk_freeze(int disk, bool on, struct err *e);
void usage_read(int disk, struct agent_usage *ret);
