/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VEs that a command line names: numbers, names, ranges, --all; and work on each of them. */
#pragma once

#include "cli/cli.h"
#include "cli/options.h"

/* Add the VE (or the existing VEs of a range 101-120) that word names, each once. */
MUST_CHECK int ids_add(struct cli *c, struct args *a, const char *word, struct err *e);
MUST_CHECK int ids_add_all(struct cli *c, struct args *a, struct err *e);
/* Add the number of a VE that is to be made. */
MUST_CHECK int ids_new(struct args *a, const char *word, struct err *e);

/*
 * Do work on every id of a: one here, several in parallel by a bounded number of workers, each
 * a process of its own. Errors are printed as they come; with -j a JSON array of results is.
 * Returns 0, or -Exxx with the exit number of the first failure.
 */
typedef int id_work(struct cli *c, const struct args *a, uint32_t id, struct err *e);
MUST_CHECK int ids_each(struct cli *c, const struct args *a, id_work *work, struct err *e);

/*
 * The two halves of it, for who works on several sets and reports once: results into all[n_ids],
 * by `crew` processes (0: four per CPU); then the report and the verdict.
 */
struct id_result {
	uint32_t id;
	int32_t r;
	uint64_t usec;
	struct err e;
};
MUST_CHECK int ids_run(struct cli *c, const struct args *a, id_work *work, unsigned crew,
		       struct id_result *all, struct err *e);
MUST_CHECK int ids_report(struct cli *c, const struct id_result *all, size_t n, struct err *e);
