/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which VE a process of the host belongs to. */
#pragma once

#include <sys/types.h>

#include "ve/inst.h"

/*
 * The VE by the control group that the kernel says pid is in (cgroups(7), /proc/PID/cgroup): a
 * tenant cannot leave it. 0 when it is none of this instance's; -ESRCH when there is no process.
 */
int ve_of_pid(const struct inst *in, pid_t pid, uint32_t *ret);
