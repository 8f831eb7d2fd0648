/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Moving a VE to another template version, with a check before, a test after, and the way back.
 *
 * Where the tenant has left the package database alone, the version below his files is another
 * one from the next start on: one restart, and nothing of his is touched. Where he installed
 * something, the packages are upgraded inside, by his own package manager, after a snapshot.
 */
#pragma once

#include "templates/diff.h"
#include "util/uuid.h"
#include "ve/ve.h"

/* A file the tenant changed that the new version changes, too: his stays. */
struct upgrade_file {
	char *path;
	bool code;                      /* below usr, bin, lib, ...: it hides what the upgrade is for */
};

struct upgrade_report {
	char from[65], to[65];
	bool same;                      /* it is on that version already */
	bool packages;                  /* the package database is the tenant's: done inside */
	struct upgrade_file *file;
	size_t n, n_code;
	struct pkg_change *change;      /* packages that differ between the versions */
	size_t n_changes;
};
void upgrade_report_free(struct upgrade_report *r);

struct upgrade_opts {
	const char *to;                 /* version or channel; NULL: the channel of the VE */
	const char *check;              /* see ve/health.h; NULL: only that it boots */
	int check_ms, wait_ms;          /* 0: the usual */
	uint64_t keep_s;                /* how long it can be undone; 0: the usual */
	bool force;                     /* although files of the tenant hide changes */
	bool dry_run;                   /* only look */
	pid_t leader;                   /* who sent this process, 0: nobody; see lock_upgrade */
};

enum upgrade_phase {
	UP_NONE,
	UP_SNAPSHOT,            /* of packages: a snapshot is being made */
	UP_PACKAGES,            /* the package manager runs inside */
	UP_SWAP,                /* stopped, and the config changed */
	UP_VERIFY,              /* started and tested */
	UP_RETURN,              /* on the way back */
	UP_KEPT,                /* done; the way back is kept */
};

/* private/ID/upgrade.json: written before each phase is begun, so that it can be taken up again. */
struct upgrade_state {
	enum upgrade_phase phase;
	char from[65], to[65];
	char check[4001], reason[512];
	char snapshot[UUID_LEN + 1];    /* of packages; with UP_NONE of an upgrade whose time is over */
	uint64_t started, expires;      /* seconds since 1970 */
	uint64_t keep_s;
	int check_ms, wait_ms;
	bool running;                   /* it ran when this began */
};

/*
 * Begin, or take up what a killed one left. On a failure that came after the check the VE is
 * back where it was, and e says why.
 */
MUST_CHECK int ve_upgrade(struct inst *in, uint32_t id, const struct upgrade_opts *o,
			  struct upgrade_report *ret, struct err *e);
/* Give the way back up, or take it. */
MUST_CHECK int ve_upgrade_confirm(struct inst *in, uint32_t id, struct err *e);
MUST_CHECK int ve_upgrade_undo(struct inst *in, uint32_t id, pid_t leader, struct err *e);

/*
 * When the time to undo it is over, delete the snapshot that was the way back (or, dry, only say
 * whether there is one). A VE that does not exist, or has none, is no error.
 */
MUST_CHECK int ve_upgrade_expire(struct inst *in, uint32_t id, bool dry_run, bool *ret_done,
				 struct err *e);

/* Takes no lock; phase UP_NONE when there is none, or its time is over. */
MUST_CHECK int upgrade_load(const struct inst *in, uint32_t id, struct upgrade_state *ret,
			    struct err *e);
MUST_CHECK int upgrade_save(const struct inst *in, uint32_t id, const struct upgrade_state *s,
			    struct err *e);
const char *upgrade_phase_word(enum upgrade_phase p);

/* Whether the VE may go back to this version; so too when what it noted cannot be read. */
bool ve_upgrade_needs(const struct inst *in, uint32_t id, const char *digest);

/* What would collide; the lock is held. */
MUST_CHECK int upgrade_check(struct ve *ve, const char *to, struct upgrade_report *ret,
			     struct err *e);
