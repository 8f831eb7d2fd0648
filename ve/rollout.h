/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Moving all VEs of a channel to another version: a few first (the canary), then the others,
 * several at once, until all are there or too many have failed. On disk, below lib/rollout:
 *
 *   CHANNEL.json   what was asked for and how far it is; replaced as a whole
 *   CHANNEL.log    a line per VE and event, "ID WORD TEXT": the plan first, then what became of
 *                  each; only ever appended to, a last line without its end does not count
 *
 * A VE that a killed rollout had in hand is taken up like any other: its own upgrade knows how
 * far it was (ve/upgrade.h).
 */
#pragma once

#include "ve/ve.h"

enum rollout_outcome { RO_TODO, RO_OK, RO_FAILED, RO_UNDONE, RO_STUCK };

struct rollout_ve {
	uint32_t id;
	enum rollout_outcome outcome;
	char from[65];
	char why[256];
};

struct rollout {
	char channel[64], to[65];
	char was[65];                   /* where the channel pointed before */
	char phase[12];                 /* planned, rolling, done, failed, undoing, undone */
	char check[4001];
	int check_ms;
	size_t canary;                  /* the first so many of the plan */
	size_t parallel, max_failures;
	bool force;
	struct rollout_ve *ve;
	size_t n;
	int lock;                       /* while it runs */
	pid_t leader;
};

struct rollout_opts {
	const char *channel, *to;       /* to NULL: take up what is unfinished */
	const char *check;
	const char *canary;             /* "5%" or a number; NULL: 5% */
	int check_ms;
	unsigned parallel;              /* 0: the usual */
	unsigned max_failures;
	bool force, dry_run, undo;
	/* Told of every VE that is done with. May be NULL. */
	void (*tell)(void *arg, const struct rollout *r, const struct rollout_ve *v);
	void *arg;
};

/* ret is filled also when it failed half way; the caller frees it. */
MUST_CHECK int ve_rollout(struct inst *in, const struct rollout_opts *o, struct rollout *ret,
			  struct err *e);
/* What is on disk; -ENOENT when there never was one. */
MUST_CHECK int rollout_load(const struct inst *in, const char *channel, struct rollout *ret,
			    struct err *e);
void rollout_free(struct rollout *r);
const char *rollout_word(enum rollout_outcome o);
size_t rollout_count(const struct rollout *r, enum rollout_outcome o);

/* ---- inside of rollout*.c ---- */

/* A new one: header, then plan. Until its next phase is saved there is none. */
#define RO_PLANNED "planned"
MUST_CHECK int rollout_create(const struct inst *in, const struct rollout *r, struct err *e);
MUST_CHECK int rollout_save(const struct inst *in, const struct rollout *r, struct err *e);
MUST_CHECK int rollout_note(const struct inst *in, const struct rollout *r,
			    const struct rollout_ve *v, struct err *e);
/* One at a time per channel. */
MUST_CHECK int rollout_lock(const struct inst *in, const char *channel, int *ret, struct err *e);

/*
 * Do work on the VEs from first on, up to end, that have the outcome `which`, as many at once
 * as r says, each in a process of its own; its verdict becomes `good` or `bad`. No other is
 * begun once more than max_bad went bad. Every verdict is noted.
 */
struct rollout_job {
	size_t first, end;
	enum rollout_outcome which, good, bad;
	size_t max_bad;
	int (*work)(struct inst *in, const struct rollout *r, const struct rollout_ve *v,
		    struct err *e);
	const struct rollout_opts *opts;
};
MUST_CHECK int rollout_each(struct inst *in, struct rollout *r, const struct rollout_job *job,
			    struct err *e);
