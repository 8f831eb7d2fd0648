/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/lock.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/parse.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "util/sys-proc.h"

#define POLL_MS 5

static int busy(int fd, uint32_t id, struct err *e)
{
	char text[128] = "", pid[16] = "?", verb[32] = "?", since[24] = "";
	const char *s = text;
	uint64_t then = 0;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n > 0)
		text[n] = '\0';
	(void)str_word(&s, pid, sizeof(pid));
	(void)str_word(&s, verb, sizeof(verb));
	if (str_word(&s, since, sizeof(since)) > 0)
		(void)parse_u64(since, 0, UINT64_MAX, &then);
	return err_set(e, EBUSY, VZ_LOCKED, "VE %u is locked by %s (pid %s) for %lld s; try again later",
		       id, verb, pid, then ? (long long)time(NULL) - (long long)then : 0);
}

/* The file that was locked may have been unlinked and made anew meanwhile: look again. */
static bool same_file(const struct inst *in, const char *path, int fd)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstatat(in->run, path, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

static void sign(int fd, const char *verb)
{
	char text[128];
	int n = str_fmt(text, sizeof(text), "%d %s %lld\n", (int)getpid(), verb,
			(long long)time(NULL));

	/*
	 * Only for other people's error messages: a failure changes nothing. Cut last: ext4 writes a
	 * file that was cut to nothing out to the disk when it is closed (auto_da_alloc, ext4(5)).
	 */
	if (n > 0 && pwrite(fd, text, (size_t)n, 0) == n)
		(void)!ftruncate(fd, n);
}

int lock_take(const struct inst *in, uint32_t id, const char *verb, int timeout_ms, int *ret_fd,
	      struct err *e)
{
	uint64_t end = proc_now_us() + (uint64_t)timeout_ms * 1000;
	struct timespec pause = { 0, POLL_MS * 1000000L };
	char path[64];

	(void)str_fmt(path, sizeof(path), "lock/%u.lck", id);
	for (;;) {
		_fd_ int fd = openat(in->run, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

		if (fd < 0)
			return err_sys(e, "open %s", path);
		if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
			if (!same_file(in, path, fd))
				continue;
			sign(fd, verb);
			*ret_fd = TAKE_FD(fd);
			return 0;
		}
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(e, "lock %s", path);
		if (proc_now_us() >= end)
			return busy(fd, id, e);
		(void)nanosleep(&pause, NULL);
	}
}
