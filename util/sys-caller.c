/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/sys-caller.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/parse.h"
#include "util/str.h"
#include "util/sys-fs.h"

#define TIMER_SLACK_NS 50000UL  /* of the kernel's first process (PR_SET_TIMERSLACK(2const)) */
#define CORE_HOLDS "0x33"       /* core(5) */
#define TIME_OF_HOST 0xEFFFFFFA /* linux/proc_ns.h; for when that of init may not be looked at */

/* linux/prctl.h of Linux 6.3 and 6.4 */
#ifndef PR_GET_MDWE
#define PR_GET_MDWE 66
#endif
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67
#endif

#define NONE RLIM_INFINITY
#define OF_INIT (RLIM_INFINITY - 1)     /* the kernel makes it from the size of the host */

/*
 * As the kernel's first process has them (asm-generic/resource.h), but the open files that systemd
 * gives a service: 4096 are too few for a database. The host's init is no guide to those, nor to
 * locked memory: systemd has raised its own.
 */
static const struct {
	__rlimit_resource_t what;
	rlim_t soft, hard;
} usual[] = {
	{ RLIMIT_CPU, NONE, NONE },             { RLIMIT_FSIZE, NONE, NONE },
	{ RLIMIT_DATA, NONE, NONE },            { RLIMIT_STACK, 8 << 20, NONE },
	{ RLIMIT_CORE, 0, NONE },               { RLIMIT_RSS, NONE, NONE },
	{ RLIMIT_NPROC, OF_INIT, OF_INIT },     { RLIMIT_NOFILE, 1024, 524288 },
	{ RLIMIT_MEMLOCK, 8 << 20, 8 << 20 },   { RLIMIT_AS, NONE, NONE },
	{ RLIMIT_LOCKS, NONE, NONE },           { RLIMIT_SIGPENDING, OF_INIT, OF_INIT },
	{ RLIMIT_MSGQUEUE, 819200, 819200 },    { RLIMIT_NICE, 0, 0 },
	{ RLIMIT_RTPRIO, 0, 0 },                { RLIMIT_RTTIME, NONE, NONE },
};

/* ---- limits ---- */

/* Without CAP_SYS_RESOURCE a hard limit goes down only, and above nr_open nobody's does. */
static int set_limit(__rlimit_resource_t what, struct rlimit to, const struct rlimit *own)
{
	if (setrlimit(what, &to) == 0)
		return 0;
	if (errno != EPERM)
		return -1;
	to.rlim_max = own->rlim_max;
	if (to.rlim_cur > to.rlim_max)
		to.rlim_cur = to.rlim_max;
	return setrlimit(what, &to);
}

/* For this process itself, a soft limit that is higher than usual does no harm. */
static int take_limits(bool keep_more)
{
	for (size_t i = 0; i < ARRAY_SIZE(usual); i++) {
		struct rlimit own, to = { usual[i].soft, usual[i].hard };

		if (getrlimit(usual[i].what, &own) < 0 ||
		    (to.rlim_max == OF_INIT && prlimit(1, usual[i].what, NULL, &to) < 0))
			return -1;
		if (keep_more && own.rlim_cur > to.rlim_cur)
			to.rlim_cur = own.rlim_cur < to.rlim_max ? own.rlim_cur : to.rlim_max;
		if ((to.rlim_cur != own.rlim_cur || to.rlim_max != own.rlim_max) &&
		    set_limit(usual[i].what, to, &own) < 0)
			return -1;
	}
	return 0;
}

/* ---- treatment ---- */

static int take_cpus_of_init(void)
{
	cpu_set_t cpus;

	/* EINVAL: more CPUs than the set can name; then the mask stays. */
	if (sched_getaffinity(1, sizeof(cpus), &cpus) < 0)
		return errno == EINVAL ? 0 : -1;
	return sched_setaffinity(0, sizeof(cpus), &cpus);
}

static int forget_scheduling(struct err *e)
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
	return 0;
}

/*
 * Merged memory (ksm) tells one VE what another has in its pages. A kernel without merging, huge
 * pages or NUMA has nothing to forget of them.
 */
static int forget_memory(struct err *e)
{
	(void)prctl(PR_SET_MEMORY_MERGE, 0, 0, 0, 0);
	(void)prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
	if (syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0) < 0 && errno != ENOSYS)
		return err_sys(e, "leave the memory policy of the caller");
	if (access("/proc/self/coredump_filter", F_OK) == 0 &&
	    fs_write_at(AT_FDCWD, "/proc/self/coredump_filter", CORE_HOLDS, e) < 0)
		return -e->eno;
	return fs_write_at(AT_FDCWD, "/proc/self/oom_score_adj", "0", e);
}

int caller_forget(struct err *e)
{
	int r = forget_scheduling(e);

	if (!r)
		r = forget_memory(e);
	if (r < 0)
		return r;
	if (personality(PER_LINUX) < 0)
		return err_sys(e, "leave the personality of the caller");
	return take_limits(false) < 0 ? err_sys(e, "leave the limits of the caller") : 0;
}

/* ---- the caller of the command ---- */

static int leave_time(struct err *e)
{
	_fd_ int init = open("/proc/1/ns/time", O_RDONLY | O_CLOEXEC);
	int why = errno;
	struct stat theirs, own;

	if (stat("/proc/self/ns/time", &own) < 0)       /* a kernel without them */
		return 0;
	if (init >= 0 ? fstat(init, &theirs) == 0 && theirs.st_ino == own.st_ino :
			own.st_ino == TIME_OF_HOST)
		return 0;
	if (init >= 0 && setns(init, CLONE_NEWTIME) == 0)
		return 0;
	errno = init < 0 ? why : errno;
	return err_sys(e, "leave the time namespace of the caller");
}

int caller_leave(struct err *e)
{
	if (take_limits(true) < 0)
		return err_sys(e, "leave the limits of the caller");
	return leave_time(e);
}

/* "Key:\tN" of a status file; 0 where the kernel does not have it (Seccomp_filters: since 5.9). */
static uint64_t field(const char *status, const char *key)
{
	const char *at = strstr(status, key);
	char digits[24] = "";
	uint64_t v = 0;

	if (at) {
		at += strlen(key);
		(void)str_fmt(digits, sizeof(digits), "%.*s", (int)strspn(at, "0123456789"), at);
		(void)parse_u64(digits, 0, UINT64_MAX, &v);
	}
	return v;
}

int caller_check(struct err *e)
{
	static const struct {
		const char *key, *what;
	} bonds[] = {
		{ "\nNoNewPrivs:\t", "no_new_privs" },
		{ "\nSeccomp_filters:\t", "a system call filter" },
	};
	_free_ char *own = NULL, *init = NULL;
	const char *bond = NULL;
	int r = fs_read_at(AT_FDCWD, "/proc/self/status", 65536, &own, NULL, e);

	if (!r)
		r = fs_read_at(AT_FDCWD, "/proc/1/status", 65536, &init, NULL, e);
	if (!own || !init)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(bonds); i++)
		if (field(own, bonds[i].key) > field(init, bonds[i].key))
			bond = bonds[i].what;
	if (prctl(PR_GET_MDWE, 0, 0, 0, 0) > 0)
		bond = "a ban on making memory executable";
	if (!bond)
		return 0;
	return err_set(e, EPERM, VZ_PERMISSION,
		       "start from here: the VE would inherit %s; use a shell, or systemd-run", bond);
}
