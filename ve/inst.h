/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One instance of Berth: a root directory with everything below it, and the names derived from
 * it (cgroup node, links, nftables table, id range), so that several instances never meet.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "cgroups/cgroup.h"
#include "util/err.h"
#include "util/log.h"

/* Settings of ROOT/etc/berth/berth.conf; a missing file means the defaults. */
struct inst_conf {
	uint64_t id_base;               /* ID_BASE: first host uid/gid handed out */
	uint64_t id_slots;              /* ID_SLOTS: how many ranges of 65536 */
	uint64_t disk_headroom;         /* DISK_HEADROOM: bytes a new disk is made larger by */
	bool headroom_set;
	uint64_t stop_timeout;          /* STOP_TIMEOUT: seconds, default 120 */
	bool stop_suspends;             /* VE_STOP_MODE="suspend": what shutdown does to a VM */
	uint64_t parallel;              /* VE_PARALLEL: VEs that boot and shutdown work on; 0: auto */
	uint64_t boot_load;             /* BOOT_LOAD: runnable tasks per CPU, default 4, 0: no cap */
	char slice[64];                 /* VE_SLICE: of systemd, that all VEs lie in */
	bool emulate;                   /* VM_ACCEL="tcg": VMs are emulated unless told otherwise */
	bool lxcfs;                     /* LXCFS: use it where it runs, default yes */
	bool host_roots;                /* HOST_ROOT_MOUNTS: show running VEs at lib/root/ID */
	bool template_signature;        /* TEMPLATE_SIGNATURE="require" */
	char configfile[64];            /* CONFIGFILE: default plan */
	char def_ostemplate[128];       /* DEF_OSTEMPLATE */
	char nameserver[256], searchdomain[256];
	char ssh[256];                  /* SSH: program that migrate runs, "" for /usr/bin/ssh */
	char host_services[256];        /* HOST_SERVICES: of networks that do not say, default icmp */
};

struct inst {
	char root[PATH_MAX];            /* "" or an absolute path without trailing slash */
	char tag[9];                    /* "" for the default root, else 8 hex digits of its hash */
	char link_tag[5];               /* "" or four characters of it, for names of links */
	char name[32];                  /* "berth" or "berth-TAG": cgroup node, nft table */
	int etc, lib, run;              /* directory fds, O_RDONLY */
	char boot_id[37];               /* of the host's kernel, as it runs */
	struct inst_conf conf;
	struct cg_host cg;
	struct log log;
	const char *self, *keeper;      /* absolute paths of berth and berth-keeper */
	/* Text that a user may want to see while a verb runs ("Starting container..."). */
	void (*say)(void *arg, const char *line);
	void *say_arg;
};

enum inst_flags { INST_CGROUPS = 1 << 0 };      /* open the cgroup hierarchies too */

/* Open (and on first use make) the directories of the instance at root ("" or a path). */
MUST_CHECK int inst_open(struct inst *in, const char *root, unsigned flags, struct err *e);
void inst_close(struct inst *in);

/* Absolute path of another program of ours (berth-unpack); *ret is the caller's to free. */
MUST_CHECK int inst_program(const struct inst *in, const char *name, const char **ret,
			    struct err *e);

/* Tell the user a line of progress, if anybody listens. */
void inst_say(const struct inst *in, const char *fmt, ...) PRINTF(2, 3);
