/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How init ended, and the command that comes after it.
 *
 * A keeper that started the VE is the parent of init and reaps it. One that adopted it is
 * not: init then belongs to the host's first process, and only the pidfd can tell how it
 * ended, once that has reaped it.
 *
 * Privilege: the keeper is uid 0 of the host and runs without effective capabilities. It
 * keeps CAP_DAC_OVERRIDE permitted, and raises it only to execute berth, which may lie below
 * somebody's 0700 directory. execve(2) by uid 0 then gives berth the full set again, as far
 * as the bounding set goes (capabilities(7)); no_new_privs would prevent that and is not set.
 */
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/keeper-impl.h"

#define REAPED_MS 5000          /* a host's first process that is slow at it */

/* linux/pidfd.h since 6.13; the exit code since 6.15. The first published size is enough. */
struct info {
	uint64_t mask, cgroupid;
	uint32_t pid, tgid, ppid, ids[8];
	int32_t exit_code;
};
#define GET_INFO _IOWR(0xFF, 11, struct info)
#define INFO_EXIT (UINT64_C(1) << 3)

bool init_is_child(int pidfd)
{
	siginfo_t si = { .si_pid = 0 };

	return waitid(P_PIDFD, (id_t)pidfd, &si, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* The kernel knows the status when init has been reaped, which POLLHUP says; older ones have
 * neither, and refuse the ioctl. */
static int adopted_status(int pidfd)
{
	struct info info = { .mask = INFO_EXIT };
	struct pollfd p = { .fd = pidfd };

	if (ioctl(pidfd, GET_INFO, &info) < 0 && errno != ESRCH)
		return -1;
	if (!(info.mask & INFO_EXIT)) {
		(void)poll(&p, 1, REAPED_MS);
		info.mask = INFO_EXIT;
		if (ioctl(pidfd, GET_INFO, &info) < 0)
			return -1;
	}
	return info.mask & INFO_EXIT ? info.exit_code : -1;
}

int init_status(int pidfd)
{
	siginfo_t si = { .si_pid = 0 };

	if (waitid(P_PIDFD, (id_t)pidfd, &si, WEXITED) < 0)
		return adopted_status(pidfd);
	switch (si.si_code) {
	case CLD_EXITED:
		return W_EXITCODE(si.si_status, 0);
	case CLD_DUMPED:
		return si.si_status | WCOREFLAG;
	default:
		return si.si_status;
	}
}

static void set_caps(bool effective)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = {
		{ .permitted = CAP_TO_MASK(CAP_DAC_OVERRIDE) },
	};

	if (effective)
		d[0].effective = d[0].permitted;
	(void)syscall(SYS_capset, &h, d);
}

void drop_privileges(void)
{
	set_caps(false);
}

_Noreturn void berth_exec(const struct keeper_args *a, int status)
{
	const char *argv[8], *none[] = { NULL };
	char buf[NUM_STRLEN];
	size_t n = 0;

	argv[n++] = "berth";
	if (a->root[0]) {
		argv[n++] = "--root";
		argv[n++] = a->root;
	}
	argv[n++] = "_exited";
	argv[n++] = a->veid_text;
	argv[n++] = keeper_format_num(status, buf);
	argv[n] = NULL;
	/* What is ignored stays so across execve. */
	(void)signal(SIGHUP, SIG_DFL);
	(void)signal(SIGPIPE, SIG_DFL);
	set_caps(true);
	(void)syscall(SYS_close_range, KEEPER_FD_LISTEN, ~0U, 0);
	(void)execve(a->berth, (char *const *)argv, (char *const *)none);
	_exit(127);
}
