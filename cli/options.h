/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parsing of a verb's arguments, driven by its row in the command table and, for create and
 * set, by the parameter table. Semantics are getopt_long's: options and words in any order,
 * unambiguous prefixes, --opt=value and --opt value, grouped and glued short options, `--`
 * ends options. In option names `-` and `_` are the same character.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ve/network.h"
#include "ve/ve.h"

struct command;
struct batch;
struct fleet;

/* A value with {n} or {id} in it, for create of many. */
struct pattern {
	const struct param *param;
	const char *text;
};
#define MAX_PATTERNS 16

/* Everything any verb can be told; rows of the command table point into it. */
struct args {
	const char **words;             /* what is no option, without the IDs; NULL-terminated */
	unsigned n_words;
	uint32_t *ids;
	size_t n_ids;
	/* global */
	const char *root;
	bool help, version, quiet, json, skiplock, dump_steps, dump_tables;
	uint64_t verbose;
	/* verbs */
	bool all, force, fast, save, dry_run, yes, reset_ub, raw;
	uint64_t wait, timeout;         /* seconds */
	uint64_t parallel;              /* boot, shutdown: VEs at once */
	uint64_t until_us;              /* shutdown: when the orderly part ends; no option */
	const char *setmode, *name, *mirror, *ref, *accel;
	uint64_t max_size;              /* template import, cp: bytes */
	bool recursive, archive;        /* cp */
	bool owned;                     /* cp: there is an owner, of these */
	uint32_t uid, gid;
	const char *template;           /* kernel default */
	bool once, follow, fold;
	const char *month;
	uint64_t keep;                  /* template gc: moves of a channel */
	const char *key;                /* template sign: file */
	const char *foreign, *format;   /* import: config beside the source; what it is */
	const char *output, *socket;    /* metrics, network mirror */
	uint64_t for_ms;                /* network mirror */
	uint64_t last;                  /* events: only so many */
	const char *delay;
	/* snapshots, versions */
	const char *id, *description, *target;
	bool skip_config, skip_suspend, skip_resume, live, skip_backup;
	uint64_t freeze_ms;
	const char *to, *check, *canary;
	bool confirm, undo, status;
	/* send, receive, migrate */
	bool no_image, trust, release, session, no_start, take_back, realtime;
	const char *remove_area, *ssh;
	uint64_t check_ms, keep_ms, max_failures;
	/* list */
	uint64_t watch;                 /* seconds between two looks, 0: one look */
	bool expired;
	bool stopped, names, no_header, ids_only, no_trim, fields;
	const char *columns, *sort, *by_hostname, *by_name, *by_description;
	/* chkpnt, restore */
	bool ckpt_suspend, ckpt_resume, ckpt_dump, ckpt_undump, ckpt_kill;
	/* create of many */
	uint64_t count;
	uint64_t first;                 /* fence create: number of the first copy */
	const char *from;
	bool start;
	char **argv;                    /* the whole command line, which names the batch */
	struct pattern pattern[MAX_PATTERNS];
	unsigned n_patterns;
	const struct batch *batch;
	const struct fleet *fleet;      /* apply */
	bool plan;
	/* create and set */
	struct ve_change change;
	char *ssh_keys, *user_script;   /* what it points to */
	/* network create and set */
	struct network_change network;
};

enum opt_kind {
	OPT_FLAG,       /* bool */
	OPT_COUNT,      /* uint64_t, one more each time */
	OPT_TEXT,       /* const char *, the last one given */
	OPT_NUMBER,     /* uint64_t within min..max */
	OPT_MAYBE,      /* uint64_t; --opt alone means `def`, --opt=N within min..max */
	OPT_TAKE,       /* take() gets every value */
	OPT_REST,       /* the rest of the line are words */
	OPT_IGNORE,     /* accepted for vzctl's clients, no value, no effect, not shown */
};

struct opt {
	enum opt_kind kind;
	char letter;
	const char *name, *alias;
	size_t off;                     /* in struct args */
	const char *arg, *help;
	uint64_t min, max, def;         /* of numbers; def is what --opt alone means */
	int (*take)(struct args *a, const char *value, struct err *e);
};

/* Walk every long spelling of a verb, parameters included. *pos starts at 0. */
struct spelling {
	const char *name;
	const struct opt *opt;          /* one of the two */
	const struct param *param;
};
bool opt_next(const struct command *cmd, unsigned *pos, struct spelling *ret);

/* Parse argv[argc] (without the verb). a is zeroed by the caller and freed by args_done. */
MUST_CHECK int opt_parse(const struct command *cmd, int argc, char **argv, struct args *a,
			 struct err *e);
void args_done(struct args *a);

/* Values of options that need more than a number or a text. */
int take_ipdel(struct args *a, const char *value, struct err *e);
int take_ssh_key(struct args *a, const char *value, struct err *e);
int take_user_script(struct args *a, const char *value, struct err *e);
int take_userpasswd(struct args *a, const char *value, struct err *e);
int take_deadline(struct args *a, const char *value, struct err *e);
int take_max_size(struct args *a, const char *value, struct err *e);    /* cmd-import.c */
int take_netif_add(struct args *a, const char *value, struct err *e);
int take_netif_del(struct args *a, const char *value, struct err *e);
int take_netdev_add(struct args *a, const char *value, struct err *e);
int take_netdev_del(struct args *a, const char *value, struct err *e);
int take_ifname(struct args *a, const char *value, struct err *e);
int take_mac(struct args *a, const char *value, struct err *e);
int take_host_mac(struct args *a, const char *value, struct err *e);
int take_host_ifname(struct args *a, const char *value, struct err *e);
int take_bridge(struct args *a, const char *value, struct err *e);
int take_mac_filter(struct args *a, const char *value, struct err *e);
int take_ip_filter(struct args *a, const char *value, struct err *e);
int take_gw(struct args *a, const char *value, struct err *e);
int take_gw6(struct args *a, const char *value, struct err *e);
int take_allow(struct args *a, const char *value, struct err *e);
/* After parsing: what is said of a link needs --ifname. */
MUST_CHECK int netif_args_check(struct args *a, struct err *e);
int take_config(struct args *a, const char *value, struct err *e);
int take_owner(struct args *a, const char *value, struct err *e);        /* cmd-cp.c */
int take_freeze(struct args *a, const char *value, struct err *e);
int take_check_time(struct args *a, const char *value, struct err *e);
int take_for(struct args *a, const char *value, struct err *e);
int take_keep(struct args *a, const char *value, struct err *e);
