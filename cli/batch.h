/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many VEs by one create: --count, --from FILE.csv. Which VE gets which number is written down
 * before the first one is made (lib/batch/KEY, KEY from the command line and the file), so that
 * the same command after a kill goes on with the same numbers; it is forgotten when all are made.
 */
#pragma once

#include "cli/options.h"
#include "util/csv.h"
#include "ve/inst.h"

struct batch {
	const struct args *a;
	struct csv csv;
	uint32_t *ids;          /* of the rows, in their order */
	size_t n;
	bool resumed;
	char key[17];
};

/* What is to be made, and the numbers; nothing is changed yet. */
MUST_CHECK int batch_plan(struct inst *in, const struct args *a, struct batch *ret, struct err *e);
void batch_done(struct batch *b);

/* What row i is made with: the options, then the file's fields, {n} and {id} put in. */
MUST_CHECK int batch_change(const struct batch *b, size_t i, struct ve_change *ret, struct err *e);

/* Every row against the others and against what is there: names, addresses, limits. */
MUST_CHECK int batch_check(const struct inst *in, const struct batch *b, struct err *e);

MUST_CHECK int batch_record(const struct inst *in, const struct batch *b, struct err *e);
void batch_forget(const struct inst *in, const struct batch *b);
