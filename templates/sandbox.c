/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <seccomp.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "util/str.h"
#include "util/sys-call.h"

#define NOBODY 65534
#ifndef __SANITIZE_ADDRESS__
#define MEMORY (UINT64_C(1) << 30)      /* xz -9 takes 65 MiB, zstd --long=27 128 MiB */
#else
#define MEMORY RLIM_INFINITY            /* a sanitizer's shadow is terabytes of addresses */
#endif
#define CPU_SECONDS 1800
#define THREADS 4096                    /* of all that run as nobody; a filter forbids processes */

/* tmpfs over /proc, which every root has; then that is the root and the old one is gone. */
static int empty_root(struct err *e)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/proc", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  "size=4k,nr_inodes=2,mode=555") < 0)
		return err_sys(e, "mount an empty root");
	if (chdir("/proc") < 0 || sys_pivot_root(".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
	    chdir("/") < 0)
		return err_sys(e, "change to an empty root");
	return 0;
}

int sandbox_limit(uint64_t max_file, bool threads, struct err *e)
{
	const struct {
		int what;
		uint64_t max;
	} rows[] = {
		{ RLIMIT_AS, MEMORY },  { RLIMIT_CPU, CPU_SECONDS }, { RLIMIT_FSIZE, max_file },
		{ RLIMIT_CORE, 0 },     { RLIMIT_NPROC, threads ? THREADS : 0 },         { RLIMIT_MEMLOCK, 0 },
		{ RLIMIT_MSGQUEUE, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rlimit rl, want = { rows[i].max, rows[i].max };

		if (getrlimit((__rlimit_resource_t)rows[i].what, &rl) == 0 &&
		    rl.rlim_max < want.rlim_max)
			want.rlim_cur = want.rlim_max = rl.rlim_max;
		if (setrlimit((__rlimit_resource_t)rows[i].what, &want) < 0)
			return err_sys(e, "set a limit");
	}
	return 0;
}

int sandbox_drop_rights(bool read_all, struct err *e)
{
	cap_value_t search = CAP_DAC_READ_SEARCH;
	cap_t caps = cap_init();
	int r = 0;

	/* The bounding set needs CAP_SETPCAP, so it goes before the ids do. */
	for (int c = 0; c <= CAP_LAST_CAP; c++)
		(void)prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
	if (!caps || (read_all && (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 ||
				    cap_set_flag(caps, CAP_PERMITTED, 1, &search, CAP_SET) < 0 ||
				    cap_set_flag(caps, CAP_EFFECTIVE, 1, &search, CAP_SET) < 0)) ||
	    setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) < 0 || cap_set_proc(caps) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    prctl(PR_SET_PDEATHSIG, 9 /* SIGKILL; a change of ids clears it */, 0, 0, 0) < 0)
		r = err_sys(e, "give up rights");
	(void)cap_free(caps);
	return r;
}

static int filter(bool directory, struct err *e)
{
	static const int calls[] = {
		SCMP_SYS(read), SCMP_SYS(pread64), SCMP_SYS(write), SCMP_SYS(pwrite64),
		SCMP_SYS(lseek), SCMP_SYS(fstat), SCMP_SYS(ftruncate), SCMP_SYS(fadvise64),
		SCMP_SYS(close), SCMP_SYS(fcntl), SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(munmap),
		SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex), SCMP_SYS(exit),
		SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall),
		SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(getrandom),
		SCMP_SYS(sysinfo),      /* qsort(3) asks how much memory there is */
		/* fstat(2) of glibc; with a path it finds nothing but an empty root */
		SCMP_SYS(newfstatat),
	};
	static const int walk[] = {
		SCMP_SYS(openat), SCMP_SYS(getdents64), SCMP_SYS(readlinkat),
		SCMP_SYS(flistxattr), SCMP_SYS(fgetxattr),
	};
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = ctx ? 0 : -ENOMEM;

	for (size_t i = 0; i < ARRAY_SIZE(calls) && !r; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
	for (size_t i = 0; directory && i < ARRAY_SIZE(walk) && !r; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, walk[i], 0);
	if (!r)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r < 0 ? err_set(e, -r, 0, "load the filter of system calls") : 0;
}

int sandbox_enter(bool directory, uint64_t max_file, struct err *e)
{
	int r = empty_root(e);

	if (!r)
		r = sandbox_limit(max_file, false, e);
	if (!r)
		r = sandbox_drop_rights(directory, e);
	return r < 0 ? r : filter(directory, e);
}
