/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/sys-sched.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/sys-fs.h"

#define TIMER_SLACK_NS 50000UL  /* of the kernel's first process (PR_SET_TIMERSLACK(2const)) */

static int take_cpus_of_init(void)
{
	cpu_set_t cpus;

	/* EINVAL: more CPUs than the set can name; then the mask stays. */
	if (sched_getaffinity(1, sizeof(cpus), &cpus) < 0)
		return errno == EINVAL ? 0 : -1;
	return sched_setaffinity(0, sizeof(cpus), &cpus);
}

int sched_forget_caller(struct err *e)
{
	const struct sched_param none = { 0 };

	if (sched_setscheduler(0, SCHED_OTHER, &none) < 0 || setpriority(PRIO_PROCESS, 0, 0) < 0)
		return err_sys(e, "leave the scheduling policy of the caller");
	if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_NONE, 0)) < 0)
		return err_sys(e, "leave the I/O priority of the caller");
	if (take_cpus_of_init() < 0)
		return err_sys(e, "leave the CPUs of the caller");
	if (prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0, 0, 0) < 0)
		return err_sys(e, "leave the timer slack of the caller");
	return fs_write_at(AT_FDCWD, "/proc/self/oom_score_adj", "0", e);
}
