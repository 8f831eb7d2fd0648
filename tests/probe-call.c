/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands that try system calls, sockets and what else a VE is refused. */
#include "tests/probe.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* These end, stop, move or wait for the caller, or reach beyond it. Names that only some
 * architectures have are given by the numbers of x86_64. */
static const int unsafe_calls[] = {
	SYS_exit, SYS_exit_group, SYS_rt_sigreturn, SYS_rt_sigsuspend, SYS_clone, SYS_clone3,
	SYS_execve, SYS_kill, SYS_tkill, SYS_tgkill, SYS_reboot, SYS_sync, SYS_vhangup,
	SYS_unshare, SYS_setns, SYS_seccomp, SYS_personality, SYS_restart_syscall, SYS_munmap,
	SYS_mprotect, SYS_brk, SYS_close_range, SYS_setsid, SYS_ppoll, SYS_pselect6,
	SYS_rt_sigtimedwait, SYS_wait4, SYS_waitid,
#ifdef __x86_64__
	SYS_fork, SYS_vfork, SYS_pause, SYS_poll, SYS_select, 335, 336,
#endif
};

static bool is_unsafe(long nr)
{
	for (size_t i = 0; i < LEN(unsafe_calls); i++)
		if (unsafe_calls[i] == nr)
			return true;
	return false;
}

/* In a child with a deadline, because a call may wait for ever or kill its caller. */
static void try_call(long nr)
{
	int status;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		alarm(2);
		long r = syscall(nr, -1L, -1L, -1L, -1L, -1L, -1L);

		printf("%ld %s\n", nr, outcome(r < 0 && r > -4096 ? -1 : 0));
		(void)fflush(stdout);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		printf("%ld lost\n", nr);
	else if (WIFSIGNALED(status))
		printf("%ld signal-%d\n", nr, WTERMSIG(status));
}

int do_syscalls(char **argv)
{
	long from = argv[0] ? (long)number(argv[0]) : 0;
	long to = argv[0] && argv[1] ? (long)number(argv[1]) : 600;

	for (long nr = from; nr <= to; nr++)
		if (!is_unsafe(nr))
			try_call(nr);
	return 0;
}

/* One call with given small arguments. */
int do_syscall(char **argv)
{
	long a[7] = { 0 };

	for (size_t i = 0; i < LEN(a) && argv[i]; i++)
		a[i] = (long)number(argv[i]);
	printf("%ld %s\n", a[0], outcome(syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6])));
	return 0;
}

#ifdef __x86_64__
/* getpid by the 32-bit gate and by the x32 number, each in a child that may be killed. */
static long getpid_i386(void)
{
	long r = 20;

	__asm__ volatile("int $0x80" : "+a"(r) : : "memory", "r8", "r9", "r10", "r11");
	errno = r < 0 ? (int)-r : 0;
	return r < 0 ? -1 : r;
}

static long getpid_x32(void)
{
	return syscall(0x40000000 | SYS_getpid);
}

static void try_abi(const char *name, long (*fn)(void))
{
	int status = 0;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		printf("%s %s\n", name, outcome(fn()));
		(void)fflush(stdout);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
		printf("%s SIG%s\n", name, sigabbrev_np(WTERMSIG(status)));
}

int do_abi(char **argv)
{
	(void)argv;
	try_abi("i386", getpid_i386);
	try_abi("x32", getpid_x32);
	return 0;
}
#endif

int do_sockets(char **argv)
{
	(void)argv;
	for (int family = 0; family < 48; family++) {
		int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		printf("family %d %s\n", family, outcome(fd));
		if (fd >= 0)
			(void)close(fd);
	}
	for (int proto = 0; proto < 24; proto++) {
		int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, proto);

		printf("netlink %d %s\n", proto, outcome(fd));
		if (fd >= 0)
			(void)close(fd);
	}
	return 0;
}

int do_userns(char **argv)
{
	(void)argv;
	printf("unshare-user %s\n", outcome(unshare(CLONE_NEWUSER)));
	return 0;
}

int do_keyctl(char **argv)
{
	(void)argv;
	printf("keyctl %s\n", outcome(syscall(SYS_keyctl, 0L, -3L, 0L)));
	printf("add_key %s\n", outcome(syscall(SYS_add_key, "user", "probe", "x", 1L, -3L)));
	printf("request_key %s\n", outcome(syscall(SYS_request_key, "user", "probe", NULL, -3L)));
	return 0;
}

int do_tiocsti(char **argv)
{
	char c = 'x', sub = 2;

	(void)argv;
	printf("TIOCSTI %s\n", outcome(ioctl(0, TIOCSTI, &c)));
	printf("TIOCLINUX %s\n", outcome(ioctl(0, TIOCLINUX, &sub)));
	return 0;
}
