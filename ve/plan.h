/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything that a start decides, decided before anything is touched: a plan is computed from
 * the config and only read afterwards, by the host's side and by the child alike.
 */
#pragma once

#include "netns/guestconf.h"
#include "storage/storage.h"
#include "ve/links.h"
#include "ve/ve.h"
#include "vm/qemu.h"

#define DEFAULT_DISK (UINT64_C(4) << 30)  /* of a VE that says nothing of its size */

/* The machine of a VE of kind VM. */
struct vm_plan {
	enum vm_type type;
	bool own_disk;                  /* it boots that, not a kernel of the host */
	uint64_t ram, ram_max;          /* bytes at first, and at most while it runs */
	unsigned cpus, cpus_max;
};

struct plan {
	const struct storage_backend *backend;
	struct disk_spec disk;
	bool own_cache;                 /* the template's pages are nobody else's */
	bool whole;                     /* the root is in the disk, nothing of a template is mounted */
	struct links links;
	struct vm_plan vm;
	char hostname[65];              /* of the config, else its name, else ct101; never the host's */
	char digest[65];                /* template version */
	char stage[PATH_MAX];           /* where the root is attached in the private mount namespace */
	char conf_path[PATH_MAX];       /* for hooks */
	const char *init[2];
	const char *env[8];
	bool no_core;
};

/* Complete the plan of a VE; refuses what cannot be started, with the documented number. */
MUST_CHECK int plan_make(const struct ve *ve, struct plan *ret, struct err *e);

/* The part that undoing needs, from number and state alone; cannot fail. */
void plan_for_undo(const struct ve *ve, struct plan *ret);

/* Which machine a config asks for; refuses one that there is not. */
MUST_CHECK int plan_vm(const struct ve_conf *c, struct vm_plan *ret, struct err *e);

/* How a VE's disk is kept; NULL where its config names a layout that is unknown. */
const struct storage_backend *plan_backend(const struct ve_conf *c);
/* A VM with an operating system of its own on its disk: the host knows nothing of what is in it. */
bool plan_boots_disk(const struct ve_conf *c);

/* Parts that `set` needs too. */
void plan_disk(const struct ve *ve, struct disk_spec *ret);
void plan_shape(const struct ve *ve, struct shape *ret);
/* The links must outlive ret. */
void plan_guest(const struct ve *ve, int root, uid_t owner, struct guest_conf *ret);
bool plan_no_core(void);
/* Before the private area is removed. */
void plan_retire_disk(const struct ve *ve);
/* Open lib/private/ID. */
MUST_CHECK int plan_private(const struct ve *ve, int *ret, struct err *e);
