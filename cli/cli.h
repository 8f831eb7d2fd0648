/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every verb gets: the instance, and what the global options said. A verb returns the exit
 * number (0, or the code of a command run inside a VE), or -Exxx with e filled; main.c prints e
 * once and exits. Only this folder prints, exits, or knows options.
 */
#pragma once

#include <stdbool.h>

#include "ve/inst.h"

struct cli {
	const char *root;               /* --root or BERTH_ROOT, "" for the host itself */
	bool vz;                        /* called by a name of OpenVZ's */
	bool quiet, json;
	unsigned verbose;
	char **argv;                    /* as main got them, to execute ourselves again */
	struct inst in;
	bool opened;
	uint32_t worker_of;             /* a worker of several: the VE it works on; else 0 */
};

struct args;
typedef int verb_fn(struct cli *c, const struct args *a, struct err *e);

/* The verbs, by file; commands.c has the table. */
verb_fn cmd_create, cmd_destroy;                                        /* cmd-create.c */
verb_fn cmd_start, cmd_stop, cmd_restart, cmd_mount, cmd_umount, cmd_exited, cmd_first_boot; /* cmd-life.c */
verb_fn cmd_start, cmd_stop, cmd_restart, cmd_mount, cmd_umount, cmd_exited; /* cmd-life.c */
verb_fn cmd_pause, cmd_unpause;
verb_fn cmd_chkpnt, cmd_restore;                                        /* vz-chkpnt.c */
verb_fn cmd_apply;                                                      /* cmd-apply.c */
verb_fn cmd_boot, cmd_shutdown, cmd_recover;                             /* cmd-boot.c */
verb_fn cmd_set;                                                        /* cmd-set.c */
verb_fn cmd_status;                                                     /* cmd-status.c */
verb_fn cmd_stat;                                                       /* cmd-stat.c */
verb_fn cmd_audit_list, cmd_audit_verify;                               /* cmd-audit.c */
verb_fn cmd_traffic;                                                    /* cmd-traffic.c */
verb_fn cmd_metrics;                                                    /* cmd-metrics.c */
verb_fn cmd_pool_create, cmd_pool_set, cmd_pool_delete, cmd_pool_list, cmd_pool_show; /* cmd-pool.c */
verb_fn cmd_node;                                                       /* cmd-node.c */
verb_fn cmd_top;                                                        /* cmd-top.c */
verb_fn cmd_overview;                                                   /* cmd-overview.c */
verb_fn cmd_list;                                                       /* cmd-list.c */
verb_fn cmd_cp;                                                         /* cmd-cp.c */
verb_fn cmd_exec, cmd_exec2, cmd_exec3, cmd_enter, cmd_console, cmd_runscript; /* cmd-exec.c */
verb_fn cmd_template_build, cmd_template_list, cmd_template_show;       /* cmd-template.c */
verb_fn cmd_template_verify, cmd_template_tag;
verb_fn cmd_snapshot, cmd_snapshot_list, cmd_snapshot_switch;           /* cmd-snapshot.c */
verb_fn cmd_snapshot_delete, cmd_snapshot_mount, cmd_snapshot_umount;
verb_fn cmd_outdated, cmd_upgrade;                                      /* cmd-upgrade.c */
verb_fn cmd_rollout;                                                    /* cmd-rollout.c */
verb_fn cmd_clone;                                                      /* cmd-clone.c */
verb_fn cmd_reinstall;                                                  /* cmd-clone.c */
verb_fn cmd_send, cmd_receive, cmd_migrate;                             /* cmd-migrate.c */
verb_fn cmd_archive_create, cmd_archive_list, cmd_archive_restore, cmd_archive_delete; /* cmd-archive.c */
verb_fn cmd_compact;                                                    /* cmd-life.c */
verb_fn cmd_import_ve;                                                  /* cmd-import-ve.c */
verb_fn cmd_template_build, cmd_template_import, cmd_template_publish; /* cmd-import.c */
verb_fn cmd_template_remove, cmd_template_gc, cmd_template_export, cmd_template_sign;       /* cmd-template-out.c */
verb_fn cmd_template_list, cmd_template_show, cmd_template_verify;     /* cmd-template.c */
verb_fn cmd_template_tag;
verb_fn cmd_template_tag, cmd_template_remove;
verb_fn cmd_network_create, cmd_network_list, cmd_network_show;          /* cmd-network.c */
verb_fn cmd_network_set, cmd_network_delete, cmd_network_ptr;
verb_fn cmd_fence_create, cmd_fence_list, cmd_fence_set, cmd_fence_delete; /* cmd-fence.c */
verb_fn cmd_network_mirror;                                             /* cmd-mirror.c */
verb_fn cmd_template_verify, cmd_template_tag, cmd_template_remove;
verb_fn cmd_kernel_import, cmd_kernel_list, cmd_kernel_default, cmd_kernel_remove;   /* cmd-kernel.c */
verb_fn cmd_host_check;                                                 /* cmd-host.c */
verb_fn cmd_edit;                                                       /* cmd-edit.c */
verb_fn cmd_expire;                                                     /* cmd-expire.c */
verb_fn cmd_events;                                                     /* cmd-events.c */
verb_fn cmd_logs;                                                       /* cmd-logs.c */
verb_fn cmd_vzpid, cmd_vzps, cmd_vzubc, cmd_vzcfgvalidate;              /* vz-tools.c */
verb_fn cmd_nothing, cmd_vztmpl_dl;
verb_fn cmd_vzmemcheck, cmd_vzcpucheck, cmd_vzcalc, cmd_vzsplit;        /* vz-node.c */
verb_fn cmd_complete;                                                   /* complete.c */
verb_fn cmd_help, cmd_dump_steps, cmd_dump_tables;                      /* help.c, dump.c */

/* create --count, create --from. */
int create_many(struct cli *c, const struct args *a, struct err *e);
/* Print a VE's whole status as a JSON object; shared by status and create. */
struct json_out;
int status_json(struct cli *c, uint32_t id, struct json_out *j, struct err *e);
/* What became of each row; shared by set, pool set and edit. */
struct set_report;
void set_report_json(struct json_out *j, const struct set_report *rep);
void set_report_text(const struct cli *c, const struct set_report *rep);
/* The members cpu, memory, io and pids of what a VE uses; shared by status and stat. */
struct cg_stat;
void stat_json(struct json_out *j, const struct cg_stat *s);
/* key and value, null where the host cannot tell. */
void json_known(struct json_out *j, const char *key, uint64_t v);
/* Put a verb that has run into the audit log, unless it only looks. */
struct command;
void audit_verb(struct cli *c, const struct command *cmd, const struct args *a, int exit);
/* The same before it runs, with "started" behind its words, for what must not be done unseen. */
int audit_start(struct cli *c, const char *verb, struct err *e);
