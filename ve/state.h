/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run/ID/state.json: what a start has done, written before it does it. The file may be stale
 * (boot id differs, process gone); state_load says what is really so.
 */
#pragma once

#include <sys/types.h>

#include "ve/inst.h"
#include "ve/params.h"

enum ve_phase {
	PH_STOPPED,             /* no state, or only a stale one */
	PH_STARTING,            /* a start was begun and its worker may have died */
	PH_RUNNING,             /* init lives */
	PH_DEAD,                /* init has ended and nobody has tidied up yet */
	PH_MOUNTED,             /* root mounted on the host, nothing runs */
};

struct ve_state {
	enum ve_phase phase;
	pid_t pid;              /* of init on the host, 0 unless running */
	uint64_t starttime;
	uint64_t started;       /* seconds since 1970 */
	uint32_t uid_base;
	int loop;               /* number of the disk's loop device, or -1 */
	uint64_t disk_dev;      /* its device number, for io limits */
	uint64_t shm_dev, pts_dev;      /* of its own /dev/shm and /dev/pts, for their limits */
	char template[65];
	bool paused;            /* its tasks are parked; only where the kernel says so too */
	bool vm;                /* pid is that of its QEMU */
	char accel[8];          /* of a VM: kvm or tcg */
	char machine[8];        /* microvm, q35 or pc */
	uint64_t ram, ram_now;  /* of a VM: bytes it was started with, and shall have now */
	uint64_t ram_max;       /* and can have while it runs */
	unsigned cpus_now, cpus_max;
	char kernel[80];        /* that it has booted */
	char hardware[65];      /* dump_machine of it (vm/dump.h) */
	bool suspended;         /* its memory is in a file of private/ID, whatever else is so */
	char init[16];          /* systemd, sysvinit, busybox, openrc: how it is asked to stop */
	char place[CG_PLACE_LEN]; /* of its control groups; "": the VE's number */
	struct ip_list ips;     /* addresses it has now, saved in its config or not */
	char network[NETWORK_NAME_LEN], netif[NETIF_LEN];       /* and links, likewise */
	char fence[NETWORK_NAME_LEN];   /* that its links are in; "": none */
};

#define VE_STATE_INIT { .phase = PH_STOPPED, .loop = -1 }

/* Load and check against the kernel. *ret_pidfd may be NULL; -1 unless running. */
MUST_CHECK int state_load(const struct inst *in, uint32_t id, struct ve_state *ret, int *ret_pidfd,
			  struct err *e);
MUST_CHECK int state_save(const struct inst *in, uint32_t id, const struct ve_state *s,
			  struct err *e);
/*
 * run/ID/links.json: as state.json shall be when a change of links is through, from before it until
 * then. Where it is there nobody knows how far the change came.
 */
MUST_CHECK int state_note_links(const struct inst *in, uint32_t id, const struct ve_state *s,
				struct err *e);
bool state_noted_links(const struct inst *in, uint32_t id, struct ve_state *ret);
void state_links_done(const struct inst *in, uint32_t id);
/* Whether the VE's memory is on disk, as a whole. */
bool state_has_dump(const struct inst *in, uint32_t id);
/* Remove run/ID with all in it. */
void state_drop(const struct inst *in, uint32_t id);
/* fd of run/ID, made if `make`. */
MUST_CHECK int state_dir(const struct inst *in, uint32_t id, bool make, int *ret, struct err *e);
/* The "running", "paused", "stopped", "mounted", "suspended" that list shows. */
const char *state_word(const struct ve_state *s);
