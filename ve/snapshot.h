/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Snapshots of a VE's disk and config, and a VM's memory: make, list, go back to, remove, look into. */
#pragma once

#include "util/uuid.h"
#include "ve/ve.h"

struct snapshot {
	char uuid[UUID_LEN + 1], parent[UUID_LEN + 1];
	char name[64], description[256];
	char ostemplate[128], template[65];     /* what lies below the disk */
	uint64_t created;                       /* seconds since 1970 */
	uint64_t allocated;                     /* bytes on the host, where asked for */
	uint64_t memory;                        /* bytes of memory that go with it, likewise */
	bool current;
};

struct snap_opts {
	const char *uuid, *name, *description;  /* NULL: chosen, none, none */
	bool skip_config;                       /* leave the config alone */
	bool memory;                            /* create: that of a running or suspended VM, too */
	bool skip_resume;                       /* switch: do not start it again, leave memory out */
	int freeze_ms;                          /* how long a running VE may stand still; 0: the usual */
	void (*progress)(void *arg, uint64_t done, uint64_t all);
	void *arg;
};

MUST_CHECK int ve_snapshot(struct inst *in, uint32_t id, const struct snap_opts *o,
			   struct snapshot *ret, struct err *e);
/* Takes no lock; the caller frees *ret. */
MUST_CHECK int ve_snapshot_list(struct inst *in, uint32_t id, struct snapshot **ret, size_t *ret_n,
				struct err *e);
/*
 * Put the VE on the disk of a snapshot. What it had becomes a snapshot (*ret), so that there is
 * a way back. A running VE is stopped and started again.
 */
MUST_CHECK int ve_snapshot_switch(struct inst *in, uint32_t id, const struct snap_opts *o,
				  struct snapshot *ret, struct err *e);
MUST_CHECK int ve_snapshot_delete(struct inst *in, uint32_t id, const char *which, struct err *e);
/* Read-only, at an existing directory of the host. */
MUST_CHECK int ve_snapshot_mount(struct inst *in, uint32_t id, const char *which,
				 const char *target, struct err *e);
MUST_CHECK int ve_snapshot_umount(struct inst *in, uint32_t id, const char *which, struct err *e);

/* Whether any snapshot of the VE lies on this template version, or may: what it says cannot be read. */
bool ve_snapshot_needs(const struct inst *in, uint32_t id, const char *digest);

/* Refused while the image of one is in use; the lock is held. */
MUST_CHECK int snap_none_mounted(struct ve *ve, struct err *e);

#define SNAP_FREEZE_MS 30000

/* Copy the VE's disk into the directory `to`, standing still if it runs; the lock is held. */
MUST_CHECK int snap_copy_disk(struct ve *ve, int to, bool renew, const struct snap_opts *o,
			      struct err *e);
