/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A child process that does something slow or irreversible to itself (namespaces, becoming a
 * keeper) and reports to the command that waits for it: lines for the user, then one verdict.
 */
#pragma once

#include "ve/inst.h"

/*
 * Fork; run fn(arg, report, e) in the child, whose inst_say lines come out of ours. Returns when
 * the child has reported success with worker_report (it may live on), or has failed and ended.
 */
MUST_CHECK int worker_run(struct inst *in, int (*fn)(void *arg, int report, struct err *e),
			  void *arg, struct err *e);

/* In the child: success (NULL) or failure. */
void worker_report(int report, const struct err *e);
