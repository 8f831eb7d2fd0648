/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * THE command table. A row is a verb: its arguments, options, help, examples, and what it needs
 * before its function is called. The parser, --help, the manual's check and completion read it.
 */
#pragma once

#include "cli/cli.h"
#include "cli/options.h"

enum cmd_flags {
	CMD_ROOT = 1 << 0,      /* needs root and an open instance */
	CMD_CGROUPS = 1 << 1,   /* ... with its control groups */
	CMD_VE = 1 << 2,        /* the first word is one ID */
	CMD_MANY = 1 << 3,      /* every word is an ID, a range 101-120, or there is --all */
	CMD_NEW = 1 << 4,       /* the ID is the number of a VE that need not exist */
	CMD_PARAMS = 1 << 5,    /* takes the options of the parameter table */
	CMD_POOL = 1 << 11,     /* ... those of a pool */
	CMD_RAW = 1 << 6,       /* what follows the first word belongs to somebody else */
	CMD_JSON = 1 << 7,      /* knows -j */
	CMD_HIDDEN = 1 << 8,    /* not shown */
	CMD_ENTERS = 1 << 10,   /* a process of ours enters the VE: run sealed (runtime/seal.h) */
	CMD_STARTS = 1 << 12,   /* it starts a VE, maybe after it has stopped it */
	CMD_ANY = 1 << 9,       /* a name that is nobody's is a bad value, not a missing VE */
};

struct command {
	const char *name;               /* one word, or two: "template build" */
	const char *alias;
	const char *args;               /* for the usage line */
	const char *help;               /* one line */
	unsigned flags;
	unsigned min_words, max_words;  /* besides IDs */
	const struct opt *opts;
	verb_fn *run;
	const char *more;               /* paragraph below the usage line */
	const char *examples;           /* lines */
};

extern const struct command commands[];
extern const size_t n_commands;

/* What stands before the verb; and what every verb knows. */
extern const struct command global_command;
extern const struct opt common_opts[];

/*
 * The verb at words[0] (and words[1] for a verb of two words); *ret_used is how many words name
 * it. On failure e suggests the nearest, exit VZ_BAD_OPTION.
 */
MUST_CHECK int command_find(const char *const *words, unsigned n, const struct command **ret,
			    unsigned *ret_used, struct err *e);
