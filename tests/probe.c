/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A static program that runs inside a VE, as its init or as a command, and prints what it sees
 * or what it was able to do: one fact per line, words separated by blanks, errors by name
 * (EPERM). It changes nothing it need not; what it tries is refused or undone.
 *
 * Exit: 0, 1 when a call that had to work did not, 2 for bad usage.
 */
#include "tests/probe.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- helpers ---- */

const char *outcome(long r)
{
	return r >= 0 ? "ok" : strerrorname_np(errno) ? strerrorname_np(errno) : "E?";
}

unsigned long long number(const char *s)
{
	unsigned long long n = 0;

	for (; *s >= '0' && *s <= '9'; s++)
		n = n * 10 + (unsigned)(*s - '0');
	return *s == 'K' ? n << 10 : *s == 'M' ? n << 20 : *s == 'G' ? n << 30 : n;
}

static int do_sleep(char **argv)
{
	(void)sleep(argv[0] ? (unsigned)number(argv[0]) : 1000000);
	return 0;
}

static int do_exit(char **argv)
{
	return (int)number(argv[0]);
}

/* ---- init ---- */

static void start_program(char **argv)
{
	pid_t pid = fork();

	if (pid == 0) {
		sigset_t none;

		(void)sigemptyset(&none);
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
		(void)execv(argv[0], argv);
		_exit(127);
	}
}

/*
 * init [PROGRAM ARG...]: starts the program, reaps, and ends on SIGTERM or SIGPWR (power off)
 * and SIGINT (reboot), as busybox and sysvinit do; SIGUSR1 only prints. As pid 1 it ends by
 * reboot(2), which the kernel turns into SIGINT or SIGHUP of init (pid_namespaces(7)).
 */
static int do_init(char **argv)
{
	sigset_t set;
	int sig = 0;

	(void)sigfillset(&set);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	printf("init pid %d\n", getpid());
	(void)fflush(stdout);
	if (argv[0])
		start_program(argv);
	while (sig != SIGTERM && sig != SIGPWR && sig != SIGINT) {
		if (sigwait(&set, &sig) != 0)
			continue;
		while (sig == SIGCHLD && waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (sig == SIGUSR1)
			printf("init got USR1\n");
		(void)fflush(stdout);
	}
	printf("init stops on %s\n", sigabbrev_np(sig));
	(void)fflush(stdout);
	if (getpid() == 1)
		(void)reboot(sig == SIGINT ? RB_AUTOBOOT : RB_POWER_OFF);
	return 0;
}

/* Never ends by itself nor by any signal that can be held off. */
static int do_init_deaf(char **argv)
{
	sigset_t set;

	(void)argv;
	(void)sigfillset(&set);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	printf("init pid %d\n", getpid());
	(void)fflush(stdout);
	while (pause() < 0)
		;
	return 0;
}

static int do_reboot(char **argv)
{
	int how = strcmp(argv[0], "reboot") == 0 ? RB_AUTOBOOT : RB_POWER_OFF;

	printf("reboot %s\n", outcome(reboot(how)));
	return 0;
}

/* ---- the table ---- */

static const struct command {
	const char *name, *args;
	int min_args;
	int (*run)(char **argv);
} commands[] = {
#ifdef __x86_64__
	{ "abi", "", 0, do_abi },
#endif
	{ "caller", "filter|mdwe|memory COMMAND...", 2, do_caller },
	{ "caps", "", 0, do_caps },
	{ "cpuburn", "SECONDS", 1, do_cpuburn },
	{ "cpushare", "PERIODS CPU.STAT CPU.STAT", 3, do_cpushare },
	{ "database", "SECONDS [cpu|sync]", 1, do_database },
	{ "devices", "", 0, do_devices },
	{ "env", "", 0, do_env },
	{ "exit", "STATUS", 1, do_exit },
	{ "fds", "", 0, do_fds },
	{ "forkbomb", "N", 1, do_forkbomb },
	{ "hugepages", "N", 1, do_hugepages },
	{ "id", "", 0, do_id },
	{ "init", "[PROGRAM ARG...]", 0, do_init },
	{ "init-deaf", "", 0, do_init_deaf },
	{ "inotify", "instances|watches N [SECONDS]", 2, do_inotify },
	{ "keyctl", "", 0, do_keyctl },
	{ "memlock", "BYTES [SECONDS]", 1, do_memlock },
	{ "memhog", "BYTES [SECONDS]", 1, do_memhog },
	{ "mknod-sweep", "", 0, do_mknod_sweep },
	{ "mounts", "", 0, do_mounts },
	{ "net-capture", "LINK", 1, do_net_capture },
	{ "net-recv", "ADDR PORT SECONDS", 3, do_net_recv },
	{ "net-send", "ADDR PORT SECONDS [BYTES]", 3, do_net_send },
	{ "openfiles", "N [SECONDS]", 1, do_openfiles },
	{ "project", "DIR", 1, do_project },
	{ "ptys", "N [SECONDS]", 1, do_ptys },
	{ "reboot", "reboot|poweroff", 1, do_reboot },
	{ "signals", "N", 1, do_signals },
	{ "sleep", "[SECONDS]", 0, do_sleep },
	{ "sockets", "", 0, do_sockets },
	{ "sweep-proc-sys", "", 0, do_sweep_proc_sys },
	{ "syscall", "NR [ARG...]", 1, do_syscall },
	{ "syscalls", "[FROM [TO]]", 0, do_syscalls },
	{ "tiocsti", "", 0, do_tiocsti },
	{ "try-open", "PATH r|w|rw|a|c|path", 2, do_try_open },
	{ "tty", "", 0, do_tty },
	{ "uncover", "", 0, do_uncover },
	{ "userns", "", 0, do_userns },
	{ "write", "FILE BYTES", 2, do_write },
};

static int usage(void)
{
	for (size_t i = 0; i < LEN(commands); i++)
		fprintf(stderr, "probe %s %s\n", commands[i].name, commands[i].args);
	return 2;
}

/* As /sbin/init, started without arguments, it is init. */
int main(int argc, char **argv)
{
	const char *base = strrchr(argv[0], '/');

	base = base ? base + 1 : argv[0];
	if (argc < 2 && strcmp(base, "init") == 0)
		return do_init(argv + 1);
	for (size_t i = 0; argc > 1 && i < LEN(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return argc - 2 < commands[i].min_args ? usage() : commands[i].run(argv + 2);
	return usage();
}
