/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/sys-lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/parse.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "util/sys-proc.h"

#define PAUSE_MIN_US 200
#define PAUSE_MAX_US 10000
#define LOCKS_MAX (1 << 20)

/* Polled: a call that blocks has no limit of time without signals, which belong to the program. */
int flock_wait(int fd, int op, unsigned wait_ms)
{
	uint64_t end = proc_now_us() + wait_ms * 1000ULL;
	useconds_t pause = PAUSE_MIN_US;

	while (flock(fd, op | LOCK_NB) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK || proc_now_us() >= end)
			return -errno;
		(void)usleep(pause);
		pause = pause < PAUSE_MAX_US / 2 ? pause * 2 : PAUSE_MAX_US;
	}
	return 0;
}

/* "1: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE 0 EOF" of /proc/locks (proc(5)). 0: of another file. */
static pid_t locker(const char *line, uint64_t inode)
{
	char word[6][32];
	uint64_t which;
	uint32_t pid;

	for (size_t i = 0; i < ARRAY_SIZE(word); i++)
		if (str_word(&line, word[i], sizeof(word[i])) <= 0)
			return 0;
	if (!str_eq(word[1], "FLOCK") || !strrchr(word[5], ':') ||
	    parse_u64(strrchr(word[5], ':') + 1, 0, UINT64_MAX, &which) < 0 || which != inode ||
	    parse_u32(word[4], 1, INT32_MAX, &pid) < 0)
		return 0;
	return (pid_t)pid;
}

/*
 * For a message only. By the inode's number alone, since the device there is not that of stat(2) on
 * every filesystem (btrfs).
 */
static pid_t holder(int fd)
{
	struct err ignored = ERR_INIT;
	_free_ char *locks = NULL;
	struct stat st;
	pid_t pid = 0;
	char *rest;

	if (fstat(fd, &st) < 0 || fs_read_at(AT_FDCWD, "/proc/locks", LOCKS_MAX, &locks, NULL, &ignored) < 0)
		return 0;
	for (char *l = strtok_r(locks, "\n", &rest); l && !pid; l = strtok_r(NULL, "\n", &rest))
		pid = locker(l, st.st_ino);
	return pid;
}

/* The first words of its command line. */
static void command_of(pid_t pid, char *ret, size_t size)
{
	_fd_ int fd = -1;
	char path[32];
	ssize_t n;

	(void)str_fmt(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, ret, size - 1);
	for (ssize_t i = 0; i < n; i++)
		if ((unsigned char)ret[i] <= ' ' || ret[i] == '\x7f')
			ret[i] = ' ';
	while (n > 0 && ret[n - 1] == ' ')
		n--;
	ret[n > 0 ? n : 0] = '\0';
}

static int busy(int fd, const char *what, unsigned wait_ms, struct err *e)
{
	pid_t pid = holder(fd);
	char command[64] = "";

	if (pid > 0)
		command_of(pid, command, sizeof(command));
	if (!*command)
		return err_set(e, EBUSY, VZ_LOCKED, "%s: locked by another command for more than %u s; "
			       "try again later", what, wait_ms / 1000);
	return err_set(e, EBUSY, VZ_LOCKED, "%s: locked by \"%s\" (pid %d) for more than %u s; try again "
		       "later", what, command, (int)pid, wait_ms / 1000);
}

int flock_fd(int fd, const char *what, unsigned wait_ms, struct err *e)
{
	int r = flock_wait(fd, LOCK_EX, wait_ms);

	if (r == -EWOULDBLOCK)
		return busy(fd, what, wait_ms, e);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "lock %s", what);
	}
	return 0;
}

int flock_path(int dir, const char *path, const char *what, unsigned wait_ms, int *ret_fd,
	       struct err *e)
{
	int flags = str_ends(path, "/.") || str_eq(path, ".") ? O_RDONLY | O_DIRECTORY : O_RDWR | O_CREAT;
	_fd_ int fd = openat(dir, path, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return err_sys(e, "open the lock of %s", what);
	r = flock_fd(fd, what, wait_ms, e);
	if (!r)
		*ret_fd = TAKE_FD(fd);
	return r;
}
