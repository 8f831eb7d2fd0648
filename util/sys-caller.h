/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a process has of whoever started it. A VE is what its config says, from whatever shell,
 * cron job or service it was started: a panel that is exempt from the host's out-of-memory killer
 * must not make its customers exempt, real time would starve the host, and a limit on the size of
 * files that was meant for a script would hold for a database inside.
 */
#pragma once

#include "util/err.h"

/*
 * For this process itself: no limit is below what is usual, as far as the host allows it, and
 * the clocks are the host's again. A process is known by its start time, which another time
 * namespace shows differently (time_namespaces(7)).
 */
MUST_CHECK int caller_leave(struct err *e);

/*
 * Give this process, and so what becomes of it, the treatment that the kernel begins with:
 * scheduling policy, nice value, I/O priority, timer slack, out-of-memory score, personality,
 * placement and merging of memory, what a core holds; the CPU mask of the host's init (which
 * isolcpus= and systemd's CPUAffinity= have shaped), and the usual limits. Control groups are
 * left alone.
 */
MUST_CHECK int caller_forget(struct err *e);

/* -EPERM when the caller is confined, more than the host's init, by what a process never gets rid of. */
MUST_CHECK int caller_check(struct err *e);
