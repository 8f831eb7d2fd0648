/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a process passes on of how the kernel treats it. A VE is what its config says, from
 * whatever shell, cron job or service it was started: a panel that is exempt from the host's
 * out-of-memory killer must not make its customers exempt, and real time would starve the host.
 */
#pragma once

#include "util/err.h"

/*
 * Give this process, and so its children, the scheduling policy, nice value, I/O priority, timer
 * slack and out-of-memory score that the kernel begins with, and the CPU mask of the host's init
 * (which isolcpus= and systemd's CPUAffinity= have shaped). Control groups are left alone.
 */
MUST_CHECK int sched_forget_caller(struct err *e);
