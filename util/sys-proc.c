/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/sys-proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/parse.h"
#include "util/str.h"
#include "util/sys-call.h"

/* Field n (from 3 on) of /proc/PID/stat. The name in field 2 may hold blanks and brackets. */
static int stat_field(pid_t pid, unsigned n, uint64_t *ret)
{
	char path[64], buf[1024], *p;
	_fd_ int fd = -1;
	ssize_t len;

	(void)str_fmt(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	do {
		len = read(fd, buf, sizeof(buf) - 1);
	} while (len < 0 && errno == EINTR);
	if (len <= 0)
		return len < 0 ? -errno : -ESRCH;
	buf[len] = '\0';
	p = strrchr(buf, ')');
	if (!p)
		return -EIO;
	for (p++; n > 3 && p; n--)
		p = strchr(p + 1, ' ');
	if (!p)
		return -EIO;
	p++;
	p[strcspn(p, " \n")] = '\0';
	return parse_u64(p, 0, UINT64_MAX, ret);
}

int proc_catch_signals(bool window, sigset_t *ret_old)
{
	static const int ending[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction now;
	sigset_t set;
	int fd, r;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(ending); i++)
		if (sigaction(ending[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
			(void)sigaddset(&set, ending[i]);
	if (window)
		(void)sigaddset(&set, SIGWINCH);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	r = fd < 0 ? -errno : fd;
	(void)sigprocmask(SIG_BLOCK, fd < 0 ? NULL : &set, ret_old);
	return r;
}

int proc_starttime(pid_t pid, uint64_t *ret)
{
	return stat_field(pid, 22, ret);
}

int proc_parent(pid_t pid, pid_t *ret)
{
	uint64_t v;
	int r = stat_field(pid, 4, &v);

	if (r < 0)
		return r;
	*ret = (pid_t)v;
	return 0;
}

int proc_open(pid_t pid, uint64_t starttime, int *ret_pidfd)
{
	_fd_ int fd = pidfd_open(pid, 0);
	uint64_t now;
	int r;

	if (fd < 0)
		return -errno;
	/* Order matters: the start time is read while the pidfd already pins the identity. */
	r = proc_starttime(pid, &now);
	if (r < 0)
		return r;
	if (now != starttime)
		return -ESRCH;
	r = proc_wait_gone(fd, 0);
	if (r != -ETIMEDOUT)
		return r < 0 ? r : -ESRCH;      /* a zombie */
	*ret_pidfd = TAKE_FD(fd);
	return 0;
}

int proc_wait_gone(int pidfd, int timeout_ms)
{
	uint64_t end = proc_now_us() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms) * 1000;
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	for (;;) {
		int left = -1, r;

		if (timeout_ms >= 0) {
			uint64_t now = proc_now_us();

			left = now >= end ? 0 : (int)((end - now + 999) / 1000);
		}
		r = poll(&p, 1, left);
		if (r > 0)
			return 0;
		if (r == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

int proc_boot_id(char ret[37])
{
	_fd_ int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (read(fd, ret, 36) != 36)
		return -EIO;
	ret[36] = '\0';
	return 0;
}

uint64_t proc_now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t proc_real_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static int dup_or_null(int fd, int target)
{
	_fd_ int null = -1;

	if (fd < 0) {
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		fd = null;
	}
	return fd < 0 || dup2(fd, target) < 0 ? -1 : 0;
}

static void __attribute__((noreturn)) run_child(const struct run *run, int errpipe)
{
	static const char *const env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL };
	/* Descriptors below 3 would be overwritten by dup2 before they are used. */
	int in = run->in < 0 ? -1 : fcntl(run->in, F_DUPFD_CLOEXEC, 10);
	int out = run->out < 0 ? -1 : fcntl(run->out, F_DUPFD_CLOEXEC, 10);
	int err = fcntl(errpipe, F_DUPFD_CLOEXEC, 10);
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	if (dup_or_null(in, 0) < 0 || dup_or_null(out, 1) < 0 || dup2(err, 2) < 0)
		_exit(126);
	if (run->cwd >= 0 && fchdir(run->cwd) < 0)
		_exit(126);
	(void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	if (run->setup && run->setup(run->arg) < 0)
		_exit(126);
	execve(run->argv[0], (char *const *)run->argv,
	       (char *const *)(run->env ? run->env : env));
	(void)dprintf(2, "%s\n", strerror(errno));
	_exit(127);
}

static void end_line(const struct run *run, const char *line, char *last, size_t size)
{
	(void)snprintf(last, size, "%s", line);
	if (run->line)
		run->line(run->line_arg, line);
}

/* Drain the helper's stderr and keep its last non-empty line for the error text. */
static int drain(const struct run *run, int fd, uint64_t end_us, char *last, size_t size)
{
	char buf[1024], line[400] = "";
	size_t n = 0;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		uint64_t now = proc_now_us();
		int left = !end_us ? -1 : now >= end_us ? 0 : (int)((end_us - now) / 1000 + 1);
		int r = poll(&p, 1, left);
		ssize_t len;

		if (r == 0)
			return -ETIMEDOUT;
		if (r < 0 && errno == EINTR)
			continue;
		len = read(fd, buf, sizeof(buf));
		if (len <= 0)
			break;
		for (ssize_t i = 0; i < len; i++) {
			if (buf[i] == '\n') {
				if (n)
					end_line(run, line, last, size);
				n = 0;
			} else if ((unsigned char)buf[i] >= 0x20 && n + 1 < sizeof(line)) {
				line[n++] = buf[i];
				line[n] = '\0';
			}
		}
	}
	if (n)
		end_line(run, line, last, size);
	return 0;
}

static int reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int proc_run(const struct run *run, struct err *e)
{
	struct clone_args clone = { .flags = run->namespaces, .exit_signal = SIGCHLD };
	uint64_t end = run->timeout_ms ? proc_now_us() + (uint64_t)run->timeout_ms * 1000 : 0;
	_fd_ int rd = -1, wr = -1;
	char last[400] = "";
	int pipefd[2], code, r;
	pid_t pid;

	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return err_sys(e, "run %s: pipe", run->argv[0]);
	rd = pipefd[0];
	wr = pipefd[1];
	pid = run->namespaces ? sys_clone3(&clone) : fork();
	if (pid < 0)
		return err_sys(e, "run %s: fork", run->argv[0]);
	if (pid == 0)
		run_child(run, wr);
	(void)close(TAKE_FD(wr));
	r = drain(run, rd, end, last, sizeof(last));
	if (r < 0)
		(void)kill(pid, SIGKILL);
	code = reap(pid);
	if (r < 0)
		return err_set(e, ETIMEDOUT, 0, "run %s: no end after %d ms", run->argv[0],
			       run->timeout_ms);
	if (code < 0)
		return err_set(e, -code, 0, "run %s: wait failed", run->argv[0]);
	if (code)
		(void)err_set(e, EIO, 0, "run %s: exit code %d%s%s", run->argv[0], code,
			      *last ? ": " : "", last);
	return code;
}

bool proc_has_cap(int cap)
{
	cap_t c = cap_get_proc();
	cap_flag_value_t v = CAP_CLEAR;

	if (c)
		(void)cap_get_flag(c, cap, CAP_EFFECTIVE, &v);
	(void)cap_free(c);
	return v == CAP_SET;
}
