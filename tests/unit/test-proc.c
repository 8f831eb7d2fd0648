/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests of util/sys-proc.h: who a process is, how it ends, signals as data. */
#include "tests/unit/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/str.h"
#include "util/sys-proc.h"

TEST(proc_identity_survives_pid_reuse)
{
	uint64_t start = 0;
	pid_t parent = 0;
	int fd = -1;

	CHECK(proc_starttime(getpid(), &start) == 0 && start > 0);
	CHECK(proc_parent(getpid(), &parent) == 0 && parent == getppid());
	CHECK(proc_open(getpid(), start + 1, &fd) == -ESRCH && fd == -1);
	CHECK(proc_open(getpid(), start, &fd) == 0 && fd >= 0);
	CHECK(proc_wait_gone(fd, 10) == -ETIMEDOUT);
	cleanup_fd(&fd);
	CHECK(proc_starttime(INT_MAX, &start) == -ESRCH);
}

TEST(proc_open_refuses_a_zombie)
{
	uint64_t start = 0;
	siginfo_t si;
	int fd = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	CHECK(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT) == 0);
	CHECK(proc_starttime(pid, &start) == 0);
	CHECK(proc_open(pid, start, &fd) == -ESRCH && fd == -1);
	CHECK(waitpid(pid, NULL, 0) == pid);
}

TEST(proc_catch_signals_changes_nothing_when_it_cannot)
{
	static const int taken[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH };
	struct rlimit was, none;
	sigset_t before, now, old;
	int fd;

	CHECK(sigprocmask(SIG_BLOCK, NULL, &before) == 0 && getrlimit(RLIMIT_NOFILE, &was) == 0);
	none = (struct rlimit){ 0, was.rlim_max };
	CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
	fd = proc_catch_signals(true, &old);
	CHECK(setrlimit(RLIMIT_NOFILE, &was) == 0);
	CHECK(fd == -EMFILE && sigprocmask(SIG_BLOCK, NULL, &now) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		CHECK(sigismember(&now, taken[i]) == sigismember(&before, taken[i]) &&
		      sigismember(&old, taken[i]) == sigismember(&before, taken[i]));
}

/* This process may be in the background of a shell, which has some ignored. */
static void expect_signals(void)
{
	(void)signal(SIGTERM, SIG_DFL);
	(void)signal(SIGQUIT, SIG_DFL);
}

TEST(proc_catch_signals_takes_them_as_data)
{
	struct signalfd_siginfo si = { 0 };
	sigset_t old, now;
	int fd;

	expect_signals();
	fd = proc_catch_signals(false, &old);
	CHECK(fd >= 0 && raise(SIGTERM) == 0);
	CHECK(read(fd, &si, sizeof(si)) == sizeof(si) && si.ssi_signo == SIGTERM);
	CHECK(read(fd, &si, sizeof(si)) < 0 && errno == EAGAIN);
	CHECK(sigprocmask(SIG_SETMASK, &old, &now) == 0 && sigismember(&now, SIGQUIT) == 1 &&
	      sigismember(&now, SIGWINCH) == sigismember(&old, SIGWINCH));
	cleanup_fd(&fd);
}

TEST(proc_catch_signals_leaves_what_is_ignored)
{
	struct signalfd_siginfo si;
	sigset_t old;
	int fd;

	expect_signals();
	CHECK(signal(SIGHUP, SIG_IGN) != SIG_ERR);
	fd = proc_catch_signals(false, &old);
	CHECK(fd >= 0 && raise(SIGHUP) == 0);
	CHECK(read(fd, &si, sizeof(si)) < 0 && errno == EAGAIN);
	CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
	cleanup_fd(&fd);
	(void)signal(SIGHUP, SIG_DFL);
}

static int sh(const char *script, int timeout_ms, struct err *e)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	struct run run = { .argv = argv, .in = -1, .out = -1, .cwd = -1,
			   .timeout_ms = timeout_ms };

	return proc_run(&run, e);
}

TEST(proc_run_reports_how_it_ended)
{
	struct err e = ERR_INIT;

	CHECK(sh("exit 0", 0, &e) == 0 && e.eno == 0);
	CHECK(sh("echo first >&2; echo last line >&2; exit 3", 0, &e) == 3);
	CHECK(strstr(e.msg, "exit code 3: last line") != NULL);
	CHECK(sh("kill -9 $$", 0, &e) == 128 + SIGKILL);
	CHECK(sh("sleep 5", 100, &e) == -ETIMEDOUT);
}

TEST(proc_run_gives_nothing_away)
{
	_fd_ int leak = open("/dev/null", O_RDONLY);     /* on purpose without O_CLOEXEC */
	struct err e = ERR_INIT;
	char script[128];

	(void)setenv("SECRET", "1", 1);
	CHECK(sh("test -z \"$SECRET\"", 0, &e) == 0);
	(void)str_fmt(script, sizeof(script), "test ! -e /proc/self/fd/%d", leak);
	CHECK(leak > 2 && sh(script, 0, &e) == 0);
	(void)unsetenv("SECRET");
}

TEST(proc_run_names_a_missing_program)
{
	const char *const argv[] = { "/nonexistent/tool", NULL };
	struct run run = { .argv = argv, .in = -1, .out = -1, .cwd = -1 };
	struct err e = ERR_INIT;

	CHECK(proc_run(&run, &e) == 127);
	CHECK(strstr(e.msg, "/nonexistent/tool") && strstr(e.msg, "No such file"));
}

TEST(proc_boot_id)
{
	char id[37] = "";

	CHECK(proc_boot_id(id) == 0 && strlen(id) == 36 && id[8] == '-');
}
