/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who did what: ROOT/var/log/berth/audit.jsonl, a JSON object a line. Every line ends in the
 * SHA-256 of the line before's hash and its own text, so a line that was changed, taken out or
 * put in breaks the chain at its place. That the end was cut off can only be seen by who noted
 * the last hash elsewhere: audit_verify looks for it.
 *
 * One append under a lock, no fork, no fsync: a power cut may take the last lines, the chain
 * of the rest stays whole. A line torn by it is on nobody's chain and counted apart.
 */
#pragma once

#include "ve/inst.h"

#define AUDIT_HASH 64                   /* hex digits */

struct audit_check {
	uint64_t lines, torn;
	uint64_t bad_line;              /* first that does not fit; 0: the chain is whole */
	char last[AUDIT_HASH + 1];      /* hash of the last line; zeros of an empty log */
	bool found;                     /* the hash asked for is in the chain, or none was */
};

/*
 * Append: verb, words (its arguments, nothing secret; NULL-terminated) and the exit number. The
 * caller's uids and the time are added. Failing is reported, for the caller to judge.
 */
MUST_CHECK int audit_add(const struct inst *in, const char *verb, const char *const *words,
			 int exit, struct err *e);
/* expect: a hash noted earlier, or NULL. */
MUST_CHECK int audit_verify(const struct inst *in, const char *expect, struct audit_check *ret,
			    struct err *e);
/* Every line, oldest first, without its newline. */
MUST_CHECK int audit_each(const struct inst *in, void (*fn)(void *arg, const char *line),
			  void *arg, struct err *e);
