/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands that run into a limit on purpose, and one that just wants to work beside them. */
#include "tests/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <sys/wait.h>
#include <unistd.h>

/* Open as many as there are, say how many, and hold them while argv[1] seconds pass. */
int do_openfiles(char **argv)
{
	unsigned long long want = number(argv[0]), made = 0;
	int fd = 0, eno = 0;

	while (made < want && (fd = open("/", O_RDONLY | O_CLOEXEC)) >= 0)
		made++;
	eno = fd < 0 ? errno : 0;
	errno = eno;
	/* standard input, output and error count as well */
	printf("opened %llu %s\n", made + 3, outcome(fd < 0 ? -1 : 0));
	(void)fflush(stdout);
	if (argv[1])
		(void)sleep((unsigned)number(argv[1]));
	return 0;
}

/* Pages of 2 MiB that can be touched before the kernel says SIGBUS: a child dies of it. */
int do_hugepages(char **argv)
{
	unsigned long long i, want = number(argv[0]), size = 2 << 20;
	volatile unsigned long long *done =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *p = mmap(NULL, want * size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE, -1, 0);
	pid_t pid = p == MAP_FAILED ? -1 : fork();

	for (i = 0; pid == 0 && i < want; i++) {
		p[i * size] = 1;
		*done = i + 1;
	}
	if (pid == 0)
		_exit(0);
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
	printf("touched %llu %s\n", *done, pid < 0 ? "no-mapping" : "ok");
	return 0;
}

int do_memlock(char **argv)
{
	unsigned long long want = number(argv[0]), page = 4096, done = 0;
	char *p = mmap(NULL, want, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int r = p == MAP_FAILED ? -1 : 0;

	while (r == 0 && done < want && (r = mlock(p + done, page)) == 0)
		done += page;
	printf("locked %llu %s\n", done, outcome(r));
	(void)fflush(stdout);
	if (argv[1])
		(void)sleep((unsigned)number(argv[1]));
	return 0;
}

int do_ptys(char **argv)
{
	unsigned long long want = number(argv[0]), made = 0;
	int fd = 0;

	while (made < want && (fd = posix_openpt(O_RDWR | O_NOCTTY)) >= 0)
		made++;
	printf("terminals %llu %s\n", made, outcome(fd < 0 ? -1 : 0));
	(void)fflush(stdout);
	if (argv[1])
		(void)sleep((unsigned)number(argv[1]));
	return 0;
}

int do_signals(char **argv)
{
	unsigned long long want = number(argv[0]), sent = 0;
	union sigval v = { 0 };
	sigset_t set;
	int r = 0;

	(void)sigfillset(&set);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	while (sent < want && (r = sigqueue(getpid(), SIGRTMIN, v)) == 0)
		sent++;
	printf("queued %llu %s\n", sent, outcome(r));
	return 0;
}

int do_inotify(char **argv)
{
	bool watches = strcmp(argv[0], "watches") == 0;
	unsigned long long want = number(argv[1]), made = 0;
	int fd = watches ? inotify_init1(IN_CLOEXEC) : 0, r = 0;
	char dir[64];

	for (; made < want && r >= 0; made += r >= 0) {
		(void)snprintf(dir, sizeof(dir), "/tmp/w%llu", made);
		if (watches && mkdir(dir, 0700) < 0 && errno != EEXIST)
			break;
		r = watches ? inotify_add_watch(fd, dir, IN_CREATE) : inotify_init1(IN_CLOEXEC);
	}
	printf("%s %llu %s\n", argv[0], made, outcome(r));
	(void)fflush(stdout);
	if (argv[2])
		(void)sleep((unsigned)number(argv[2]));
	return 0;
}

/* ---- CPU ---- */

static long long now_ns(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

struct cpu {
	unsigned long long used_us, periods, held;
	long long at;
};

static unsigned long long field(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? number(at + strlen(key)) : 0;
}

static void look(const int files[2], struct cpu *ret)
{
	char text[2][1024];

	ret->at = now_ns(CLOCK_MONOTONIC);
	for (int i = 0; i < 2; i++) {
		ssize_t n = pread(files[i], text[i], sizeof(text[i]) - 1, 0);

		text[i][n > 0 ? n : 0] = '\0';
	}
	ret->periods = field(text[0], "nr_periods ");
	ret->held = field(text[0], "nr_throttled ");
	ret->used_us = field(text[1], "usage_usec ");
}

/*
 * On the host: percent of one CPU that a node has which has a burner, by its cpu.stat with the
 * periods of its cap and its cpu.stat with what it used. From the beginning of one period to that
 * of a later one, both of which this program saw as they passed: who is held then had at the
 * beginning what he had just before it. Where he was not held at the end of a period the host was
 * too busy for him to come to his cap, and what is before that is not set off against what is
 * after it: who had more in one period, because the host's tick was late, has less in the next. A
 * period that came late by more than its length the kernel leaves out, and one that came late by
 * less makes the one before it long and the one after it short.
 */
int do_cpushare(char **argv)
{
	enum { PERIOD_NS = 100000000, LATE_NS = 5000000 };
	const int files[2] = { open(argv[1], O_RDONLY | O_CLOEXEC), open(argv[2], O_RDONLY | O_CLOEXEC) };
	const struct timespec nap = { .tv_nsec = 300000 };
	unsigned long long want = number(argv[0]), counted = 0, used_us = 0;
	long long end = now_ns(CLOCK_MONOTONIC) + (long long)want * 1000000000, passed = 0;
	struct cpu was, now = { .at = 0 }, from = { .at = 0 };
	unsigned left_out = 0;

	for (look(files, &was); counted < want && now.at < end; was = now) {
		(void)nanosleep(&nap, NULL);
		look(files, &now);
		if (now.periods == was.periods)
			continue;
		left_out += (unsigned)(now.periods - was.periods) - 1;
		long long off = now.at - from.at - (long long)(now.periods - from.periods) * PERIOD_NS;

		if (now.held - was.held < now.periods - was.periods)
			from.at = 0;
		else if (now.at - was.at < LATE_NS && (!from.at || off < LATE_NS)) {
			if (from.at && off > -LATE_NS) {
				used_us += was.used_us - from.used_us;
				passed += now.at - from.at - (long long)left_out * PERIOD_NS;
				counted += now.periods - from.periods - left_out;
			}
			from = was;
			from.at = now.at;
			from.periods = now.periods;
			left_out = 0;
		}
	}
	printf("%.2f\n", passed ? 1e5 * (double)used_us / (double)passed : -1);
	fprintf(stderr, "%llu periods\n", counted);
	return counted < want / 3;
}

/* ---- a database: a millisecond of CPU, a page read, a record written and synced ---- */

enum { LOG_SIZE = 16 << 20, RECORD = 8192, WORK_NS = 1000000 };

/* A log of full size, written once, as databases recycle theirs. */
static int open_log(void)
{
	int fd = open("database.log", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	static char buf[1 << 20];
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size == LOG_SIZE)
		return fd;
	memset(buf, 'l', sizeof(buf));
	for (off_t at = 0; fd >= 0 && at < LOG_SIZE; at += (off_t)sizeof(buf))
		if (pwrite(fd, buf, sizeof(buf), at) != (ssize_t)sizeof(buf))
			return -1;
	return fd < 0 || fsync(fd) < 0 ? -1 : fd;
}

static int longer(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* argv: seconds, and "cpu" or "sync" for one half of it. Its log is in the working directory. */
int do_database(char **argv)
{
	long long end;
	bool cpu = !argv[1] || strcmp(argv[1], "cpu") == 0;
	bool sync = !argv[1] || strcmp(argv[1], "sync") == 0;
	static int took[1 << 20];
	static char record[RECORD];
	unsigned n = 0;
	int fd = open_log();

	if (fd < 0)
		return 1;
	end = now_ns(CLOCK_MONOTONIC) + (long long)number(argv[0]) * 1000000000LL;
	while (now_ns(CLOCK_MONOTONIC) < end && n < sizeof(took) / sizeof(*took)) {
		long long from = now_ns(CLOCK_MONOTONIC), used = now_ns(CLOCK_THREAD_CPUTIME_ID);

		while (cpu && now_ns(CLOCK_THREAD_CPUTIME_ID) - used < WORK_NS)
			;
		memset(record, (int)n, sizeof(record));
		if (sync && (pwrite(fd, record, RECORD, (off_t)n * RECORD % LOG_SIZE) != RECORD ||
			     fdatasync(fd) < 0))
			return 1;
		took[n++] = (int)((now_ns(CLOCK_MONOTONIC) - from) / 1000);
	}
	if (!n)
		return 1;
	qsort(took, n, sizeof(*took), longer);
	printf("transactions %u median-us %d p99-us %d\n", n, took[n / 2], took[n * 99 / 100]);
	return 0;
}

/* What binds a directory of the host's must not be the tenant's to change. */
int do_project(char **argv)
{
	int fd = open(argv[0], O_RDONLY | O_CLOEXEC);
	struct fsxattr a = { 0 }, b;

	printf("get %s\n", outcome(ioctl(fd, FS_IOC_FSGETXATTR, &a)));
	b = a;
	b.fsx_projid = a.fsx_projid ? 0 : 7;
	printf("number %s\n", outcome(ioctl(fd, FS_IOC_FSSETXATTR, &b)));
	b = a;
	b.fsx_xflags ^= FS_XFLAG_PROJINHERIT;
	printf("inherit %s\n", outcome(ioctl(fd, FS_IOC_FSSETXATTR, &b)));
	return 0;
}
