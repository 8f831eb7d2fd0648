/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lock is flock(2): whoever holds the open file holds it, also a worker whose command was
 * killed, and nobody else can lose or steal it.
 *
 * Waiting is a queue, or the last of many clients could wait for ever: each that has to wait
 * locks one byte of the file, behind all that are locked (open file description locks, fcntl(2),
 * since 3.15), and takes the lock when no byte before its own is locked. Who dies in the queue
 * leaves it. Both are polled: a blocking call has no time limit without signals. Those that share
 * a lock stand in the same queue, or a stream of them would keep out who wants it alone.
 */
#include "ve/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/parse.h"
#include "util/str.h"
#include "util/sys-lock.h"
#include "util/sys-proc.h"

#define POLL_MS 2
#define PLACES ((off_t)1 << 40)         /* beyond any queue; a lock needs no byte to be there */

/* What to lock, and how messages call it. */
struct name {
	char path[96], who[80];
	bool shared;
};

static int busy(int fd, const struct name *name, struct err *e)
{
	char text[128] = "", pid[16] = "?", verb[32] = "?", since[24] = "";
	const char *s = text;
	uint64_t then = 0;
	ssize_t n;

	/* Those that share it do not sign: the note is of somebody before them. */
	if (flock(fd, LOCK_SH | LOCK_NB) == 0)
		return err_set(e, EBUSY, VZ_LOCKED, "%s: in use by other commands; try again later",
			       name->who);
	n = pread(fd, text, sizeof(text) - 1, 0);
	if (n > 0)
		text[n] = '\0';
	(void)str_word(&s, pid, sizeof(pid));
	(void)str_word(&s, verb, sizeof(verb));
	if (str_word(&s, since, sizeof(since)) > 0)
		(void)parse_u64(since, 0, UINT64_MAX, &then);
	return err_set(e, EBUSY, VZ_LOCKED, "%s is locked by %s (pid %s) for %lld s; try again later",
		       name->who, verb, pid, then ? (long long)time(NULL) - (long long)then : 0);
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

/* ---- the queue ---- */

/* The first place from `from` up to `to` that somebody else holds; -1: none. */
static off_t first_taken(int fd, off_t from, off_t to)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = from,
			   .l_len = to - from };

	if (from >= to || fcntl(fd, F_OFD_GETLK, &l) < 0 || l.l_type == F_UNLCK)
		return -1;
	return l.l_start;
}

static int set_place(int fd, off_t place, short type)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = place, .l_len = 1 };

	return fcntl(fd, F_OFD_SETLK, &l);
}

/* A place behind everybody who waits. Two that come at once try the next one. */
static off_t stand_behind(int fd)
{
	off_t last = -1, next;

	while ((next = first_taken(fd, last + 1, PLACES)) >= 0)
		last = next;
	for (last++; last < PLACES; last++)
		if (set_place(fd, last, F_WRLCK) == 0)
			return last;
	return -1;                              /* no locks left (ENOLCK): without a place then */
}

/* The lock when it is our turn. *place is ours in the queue, -1 as long as nobody was before us. */
static int take_in_turn(int fd, bool shared, off_t *place)
{
	off_t before = *place < 0 ? PLACES : *place;
	int r = first_taken(fd, 0, before) >= 0 ? -EWOULDBLOCK :
		flock_wait(fd, shared ? LOCK_SH : LOCK_EX, 0);

	if (r == -EWOULDBLOCK && *place < 0)
		*place = stand_behind(fd);
	if (!r && *place >= 0)
		(void)set_place(fd, *place, F_UNLCK);
	return r;
}

static int take(const struct inst *in, const struct name *n, const char *verb, int timeout_ms,
		int *ret_fd, struct err *e)
{
	const char *path = n->path;
	uint64_t end = proc_now_us() + (uint64_t)timeout_ms * 1000;
	struct timespec pause = { 0, POLL_MS * 1000000L };

	for (;;) {
		_fd_ int fd = openat(in->run, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		off_t place = -1;
		int r;

		if (fd < 0)
			return err_sys(e, "open %s", path);
		while ((r = take_in_turn(fd, n->shared, &place)) == -EWOULDBLOCK && proc_now_us() < end &&
		       same_file(in, path, fd))
			(void)nanosleep(&pause, NULL);
		if (!same_file(in, path, fd))
			continue;
		if (r == -EWOULDBLOCK)
			return busy(fd, n, e);
		if (r < 0) {
			errno = -r;
			return err_sys(e, "lock %s", path);
		}
		if (!n->shared)
			sign(fd, verb);
		*ret_fd = TAKE_FD(fd);
		return 0;
	}
}

int lock_take(const struct inst *in, uint32_t id, const char *verb, int timeout_ms, int *ret_fd,
	      struct err *e)
{
	struct name n = { .shared = false };

	(void)str_fmt(n.path, sizeof(n.path), "lock/%u.lck", id);
	(void)str_fmt(n.who, sizeof(n.who), "VE %u", id);
	return take(in, &n, verb, timeout_ms, ret_fd, e);
}

int lock_take_pool(const struct inst *in, const char *name, const char *verb, int timeout_ms,
		   int *ret_fd, struct err *e)
{
	struct name n = { .shared = false };

	if (str_fmt(n.path, sizeof(n.path), "lock/pool-%s.lck", name) < 0)
		return err_set(e, ENAMETOOLONG, VZ_BAD_VALUE, "pool %.60s...: name too long", name);
	(void)str_fmt(n.who, sizeof(n.who), "pool %s", name);
	return take(in, &n, verb, timeout_ms, ret_fd, e);
}

int lock_take_guarantee(const struct inst *in, int *ret_fd, struct err *e)
{
	static const struct lock_common l = { "guarantee", "what the host guarantees", "guarantee", 10000 };

	return lock_take_common(in, &l, true, ret_fd, e);
}

int lock_take_common(const struct inst *in, const struct lock_common *l, bool alone, int *ret_fd,
		     struct err *e)
{
	struct name n = { .shared = !alone };

	(void)str_fmt(n.path, sizeof(n.path), "lock/%s.lck", l->name);
	(void)str_fmt(n.who, sizeof(n.who), "%s", l->what);
	return take(in, &n, l->verb, l->wait_ms, ret_fd, e);
}
