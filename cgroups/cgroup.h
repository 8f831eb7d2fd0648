/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Control groups of a VE. This folder alone knows whether the host runs cgroup v2, v1 or
 * both (hybrid); everybody else names a limit and a value.
 *
 * A VE has one node per hierarchy, INSTANCE/ID, that carries the limits. On v2 (also the bare
 * v2 of a hybrid host, where kill, freeze, populated, pressure and CPU time live) there is one
 * level more, INSTANCE/ID/payload, which is delegated to the VE's root and is the root of its
 * cgroup namespace; INSTANCE/ID/payload/attach takes processes that enter a running VE.
 *
 * The `id` that every function takes is the place of the node: "101", or "pool-gold/101" for a
 * VE that shares the limits of the pool's own node "pool-gold". With "guaranteed/" before it the
 * node lies in INSTANCE-guaranteed, beside INSTANCE: see cg-share.c.
 * See Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/ of the kernel.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/err.h"

/*
 * Behind CG_CTL_MAX: v1 hierarchies that carry no limit of a VE. It lies in them like in the others,
 * since root in a cgroup namespace can mount each one that the host has, and sees the groups below
 * the one that the namespace was made in.
 */
enum cg_ctl {
	CG_CPU, CG_CPUACCT, CG_CPUSET, CG_MEMORY, CG_IO, CG_PIDS, CG_HUGETLB, CG_CTL_MAX,
	CG_DEVICES = CG_CTL_MAX, CG_FREEZER, CG_NET_CLS, CG_NET_PRIO, CG_PERF, CG_RDMA, CG_MISC, CG_SYSTEMD,
	CG_V1_MAX
};

/* How this host's hierarchies lie; decided once by cg_host_open. */
struct cg_host {
	int v2;                         /* directory fd of the cgroup2 mount, or of the slice in it */
	int top;                        /* where there is a slice, the mount; else -1 */
	int v1[CG_V1_MAX];              /* fd per v1 hierarchy, -1 where the controller is on v2 or absent */
	bool on_v2[CG_CTL_MAX];         /* the controller is available in the v2 root */
	char base[64];                  /* name of the instance's node, e.g. "berth" or "berth-3f2a91c0" */
	char slice[64];
	const char *no_slice;           /* why no VE can be put into it now; what is there can be found */
	int devices;                    /* the loaded filter of VEs without devices of their own, or -1 */
};

#define CG_HOST_INIT { .v2 = -1, .top = -1, .v1 = { [0 ... CG_V1_MAX - 1] = -1 }, \
		       .devices = -1 }

/*
 * Where the caller's mount namespace has no cgroups (`ip netns exec`), it is left for that of
 * the nearest ancestor process that has: call this before anything is opened by path.
 */
MUST_CHECK int cg_host_open(struct cg_host *h, const char *base, struct err *e);
void cg_host_close(struct cg_host *h);

/*
 * From here on all nodes lie in this slice of systemd (cg-slice.c). Where it is not to be had none
 * can be made, which is no error before somebody tries.
 */
MUST_CHECK int cg_slice_enter(struct cg_host *h, const char *name, struct err *e);
bool cg_slice_valid(const char *name);
/* Before that: are there nodes of the instance in that slice, "" for the top of the hierarchy? */
bool cg_slice_used(const struct cg_host *h, const char *name);

#define CG_POOL "pool-"
#define CG_SURE "guaranteed/"
enum { CG_PLACE_LEN = 96 };     /* guaranteed/pool-NAME/ID */

/* Make INSTANCE/ID in every hierarchy, and payload, delegated to uid:gid. Idempotent. */
MUST_CHECK int cg_create(const struct cg_host *h, const char *id, uid_t uid, gid_t gid,
			 struct err *e);

/*
 * Remove the VE's nodes (and cgroups the guest made below them) in every hierarchy; removes
 * the instance's node too when it was the last. Absent nodes are fine. Kills nothing: -EBUSY
 * (as an error) while processes are left.
 */
MUST_CHECK int cg_destroy(const struct cg_host *h, const char *id, struct err *e);

/* The node that VEs of a pool lie in. Idempotent; sets no limit. */
MUST_CHECK int cg_create_pool(const struct cg_host *h, const char *id, struct err *e);
/* Remove it; it stays, and that is no error, while a VE is in it. */
void cg_destroy_pool(const struct cg_host *h, const char *id);
bool cg_exists(const struct cg_host *h, const char *id);
/* Numbers of the VEs whose nodes lie in that of a pool, in no order; the caller frees *ret. */
int cg_members(const struct cg_host *h, const char *id, uint32_t **ret, size_t *ret_n);

/* fd of INSTANCE/ID/payload (or .../payload/attach, made on demand) for CLONE_INTO_CGROUP. */
MUST_CHECK int cg_open_payload(const struct cg_host *h, const char *id, bool attach, int *ret,
			       struct err *e);

/*
 * Joining the v1 hierarchies. A thread that moves itself needs no RCU grace period, another
 * mover does (since 5.17), so the joining process opens nothing: it gets the open `tasks`
 * files and calls cg_join itself. On a v2-only host the set is empty.
 *
 * With io_in_root the caller moves on to the root of v1's blkio by cg_join_root, once its cgroup
 * namespace is made, whose root is where its maker was: see cg-io.c.
 */
struct cg_tasks {
	int fd[CG_V1_MAX + 1];
	unsigned n, n_root;             /* those of the root come behind the n */
};
MUST_CHECK int cg_open_tasks(const struct cg_host *h, const char *id, bool io_in_root,
			     struct cg_tasks *ret, struct err *e);
int cg_join(const struct cg_tasks *t);          /* moves the caller; 0 or -Exxx; async-signal-safe */
int cg_join_root(const struct cg_tasks *t);     /* the same */
void cg_tasks_close(struct cg_tasks *t);

/*
 * Put the calling process (a keeper) into INSTANCE/keepers on v2 and the roots of v1: outside every
 * VE, and outside the session or service that ran the command, which may be limited or killed as a
 * whole.
 */
MUST_CHECK int cg_join_keepers(const struct cg_host *h, struct err *e);
/* Leave it for the root of the hierarchy, so that the instance's node can be removed. */
void cg_leave_keepers(const struct cg_host *h);
/* Remove INSTANCE (and INSTANCE/keepers) everywhere if nothing uses it; for after a keeper's end. */
void cg_tidy(const struct cg_host *h);

/*
 * Kill every process of the VE, frozen ones too, and thaw (cgroup.kill, since 5.14). Nothing
 * can be cloned into the payload afterwards: cg_create it again before the next start.
 */
MUST_CHECK int cg_kill(const struct cg_host *h, const char *id, struct err *e);
/* Wait until no process is left. -ETIMEDOUT as an error. */
MUST_CHECK int cg_wait_empty(const struct cg_host *h, const char *id, int timeout_ms,
			     struct err *e);
/* true while the VE has a process; false also when the node is absent. */
bool cg_populated(const struct cg_host *h, const char *id);
/*
 * Freeze it for a moment. False when it is frozen already or cannot be that soon (a task waits for
 * a slow disk); true: the caller thaws it by cg_freeze.
 */
bool cg_hold(const struct cg_host *h, const char *id);
/* fn for every process, by its number here, until fn returns other than 0. 0, that, or -Exxx. */
int cg_each_process(const struct cg_host *h, const char *id, int (*fn)(pid_t pid, void *arg),
		    void *arg);
MUST_CHECK int cg_freeze(const struct cg_host *h, const char *id, bool on, struct err *e);
/* Whether it was told to be frozen; false also when the node is absent. */
bool cg_frozen(const struct cg_host *h, const char *id);

/* ---- limits ---------------------------------------------------------------------------- */

/*
 * A knob says where a limit lives on either kind of hierarchy and how its value is spelled
 * there (codecs in cgroups/cg-knob.h). The parameter table (ve/params.c) holds one per row;
 * this folder picks the file. A row without a file for the running hierarchy is refused.
 */
struct cg_knob;
#define CG_NONE UINT64_MAX      /* as a value: no limit */

/*
 * Write the limit and read it back; a kernel that took something else is an error. Where
 * memory and swap must be written in an order (v1), this knows it. Lowering memory below its
 * use reclaims first, as fast as the VE can bear, and is refused with use and pressure in the
 * text (-EBUSY) rather than have the kernel kill; the old limit stands then, and at no moment
 * is any limit lifted.
 */
struct cg_ask {
	const struct cg_knob *k;
	uint64_t value;
	unsigned patience_ms;           /* for making room; 0: a while, less if nothing moves */
};
MUST_CHECK int cg_set(const struct cg_host *h, const char *id, const struct cg_ask *a,
		      struct err *e);
/* The kernel's value now, in the knob's unit. -ENOENT: no node; -EOPNOTSUPP: not enforceable here. */
int cg_get(const struct cg_host *h, const char *id, const struct cg_knob *k, uint64_t *ret);
/* Why the limit cannot be enforced on this host, or NULL when it can. */
const char *cg_lacks(const struct cg_host *h, const struct cg_knob *k);

/* cpuset: lists such as "0-3,7"; "" is every CPU (or node) of the host, NULL leaves as it is. */
MUST_CHECK int cg_set_cpus(const struct cg_host *h, const char *id, const char *cpus,
			   const char *mems, struct err *e);
int cg_get_cpus(const struct cg_host *h, const char *id, char *ret, size_t size);

/* Weight of I/O by the eight levels of ioprio; CG_NONE is the default. */
MUST_CHECK int cg_set_io_weight(const struct cg_host *h, const char *id, uint64_t prio,
				struct err *e);
int cg_get_io_weight(const struct cg_host *h, const char *id, uint64_t *ret);
/* Why weights count for nothing on the disk, or NULL. */
const char *cg_lacks_io_weight(const struct cg_host *h, dev_t dev);

/*
 * Guaranteed CPU (cg-share.c), in percent of one CPU; `all` is what the host has. For nodes whose
 * place begins with CG_SURE.
 */
MUST_CHECK int cg_sure_set(const struct cg_host *h, const char *id, uint64_t percent, uint64_t all,
			   struct err *e);
int cg_sure_get(const struct cg_host *h, const char *id, uint64_t *ret);
/* What is promised to all that run, and what could be beside whom else there is. 0 or -Exxx. */
int cg_sure_total(const struct cg_host *h, uint64_t *ret);
int cg_sure_most(const struct cg_host *h, uint64_t all, uint64_t *ret);
/* One of them is gone: the others keep what they were promised, and no more. */
void cg_sure_removed(const struct cg_host *h, uint64_t all);

/*
 * Guaranteed memory (cg-protect.c), in whole pages: what the VE uses below it is not reclaimed.
 * The nodes above it are kept in step. 0 takes it away, and does so on any host.
 */
MUST_CHECK int cg_protect_set(const struct cg_host *h, const char *id, uint64_t bytes,
			      struct err *e);
int cg_protect_get(const struct cg_host *h, const char *id, uint64_t *ret);
/* Why this host cannot, or NULL. */
const char *cg_protect_lacks(const struct cg_host *h);
/* What is guaranteed to all that run; never less, and after a crash perhaps more. */
uint64_t cg_protect_total(const struct cg_host *h);
/* Count it anew from the nodes of all VEs. */
void cg_protect_recount(const struct cg_host *h);

/* Rates on one block device, of reading and of writing; CG_NONE lifts. */
enum cg_io { CG_IO_BPS, CG_IO_IOPS };
struct cg_rate {
	dev_t dev;
	enum cg_io what;
	uint64_t value[2];              /* reading, writing */
};
MUST_CHECK int cg_set_io(const struct cg_host *h, const char *id, const struct cg_rate *rate,
			 struct err *e);
/* dev and what are given, the values are filled in. */
int cg_get_io(const struct cg_host *h, const char *id, struct cg_rate *rate);
/* Forget the throttles that cg_set_io left in the root group for dev (v1); at detach. */
void cg_forget_io(const struct cg_host *h, dev_t dev);
/* On v1: whether the device is a VE's own, which can be throttled for everybody. */
bool cg_own_disk(const struct cg_host *h, dev_t dev);

/* Allow only the character devices every VE has, and extra ones; by a BPF program on v2. */
struct cg_dev { char type; uint32_t major, minor; bool read, write; };  /* minor UINT32_MAX: any */
MUST_CHECK int cg_set_devices(const struct cg_host *h, const char *id, const struct cg_dev *extra,
			      unsigned n, struct err *e);
/*
 * Load what VEs without extra devices get, once for all that this process and its children set:
 * to check a program takes the kernel half a millisecond. What fails here is said by cg_set_devices.
 */
void cg_load_devices(struct cg_host *h);

/* ---- what is used ------------------------------------------------------------------------ */

struct cg_stat {
	uint64_t cpu_usec, throttled_usec, nr_throttled;
	uint64_t mem_current, mem_max, swap_current, oom_kills;
	uint64_t pids_current, pids_max;
	uint64_t rbytes, wbytes, rios, wios;
};
/* Fields that this host cannot tell are UINT64_MAX. */
MUST_CHECK int cg_read_stat(const struct cg_host *h, const char *id, struct cg_stat *ret,
			    struct err *e);
/* The I/O of a disk that only this VE has, from the device. */
void cg_read_disk(dev_t dev, struct cg_stat *s);
/* Time in which some or all tasks of a VE waited for a resource; averages in 1/100 percent. */
struct cg_stall {
	uint64_t avg10, avg60, avg300, total_usec;
};
struct cg_pressure {
	struct cg_stall some, full;
	bool has_full;                  /* cpu has it since 5.13 */
};
enum cg_pressure_of { CG_PRESSURE_CPU, CG_PRESSURE_MEMORY, CG_PRESSURE_IO, CG_PRESSURES };
/* 0, or -Exxx: no node, or a kernel without PSI (or booted with psi=0). */
int cg_read_pressure(const struct cg_host *h, const char *id, enum cg_pressure_of what,
		     struct cg_pressure *ret);
/* The text of such a file. 0 or -EINVAL. */
int cg_parse_pressure(const char *text, struct cg_pressure *ret);

/*
 * Huge pages of 2 MiB that a VE may use, in bytes; U64_UNLIMITED is none. The controller is turned
 * on when this is first set. lacks: why this host cannot, or NULL.
 */
const char *cg_hugetlb_lacks(const struct cg_host *h);
MUST_CHECK int cg_hugetlb_set(const struct cg_host *h, const char *id, uint64_t bytes,
			      struct err *e);
int cg_hugetlb_get(const struct cg_host *h, const char *id, uint64_t *ret);

/* Number of processes now; 0 when the node is absent. */
uint64_t cg_count(const struct cg_host *h, const char *id);

/* Directory of the VE's v2 node. 0 or -Exxx. */
int cg_open_node(const struct cg_host *h, const char *id, int *ret);
/* A word of cg-oom-policy.h; thaws what an earlier policy has frozen. */
MUST_CHECK int cg_set_oom(const struct cg_host *h, const char *id, const char *policy,
			  struct err *e);
/* There is more memory now: thaw what was frozen for want of it. True when that was so. */
bool cg_oom_relieved(const struct cg_host *h, const char *id);
/* It stands still for want of memory, by the policy freeze. */
bool cg_oom_frozen(const struct cg_host *h, const char *id);

/* For the keeper: fd to poll (POLLPRI on v2, POLLIN eventfd on v1) for out-of-memory events, and
 * on v1 the file that says whether somebody waits for memory; -1 on v2, where nobody does. */
struct cg_oom {
	int fd, control;
	short events;
};
#define CG_OOM_INIT { .fd = -1, .control = -1 }
MUST_CHECK int cg_open_oom(const struct cg_host *h, const char *id, struct cg_oom *ret,
			   struct err *e);
