/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A terminal of the VE is always of the VE's own devpts: a terminal of the host would show a
 * foreign owner inside, and TIOCSTI on it would reach the caller's shell (CVE-2016-10124).
 */
#include "runtime/console.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/poll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "runtime/devnodes.h"
#include "util/cleanup.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "util/sys-proc.h"

#define ESC 0x1b
#define DRAIN_READS 64          /* a terminal, and a socket, hold less */

/* ---- the pair ---- */

/* 5:2 on a devpts; an instance in a VE could have anything of the tenant's mounted over it. */
static int open_master(int pts, int *ret, struct err *e)
{
	_fd_ int fd = openat(pts, "ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int unlock = 0;

	if (fd < 0)
		return err_sys(e, "open a terminal of the VE");
	if (!devnodes_on_devpts(fd) || !devnodes_is(fd, 5, 2))
		return err_set(e, ENOTTY, 0, "open a terminal of the VE: its ptmx is not one");
	if (fcntl(fd, F_SETFL, O_RDWR) < 0 || ioctl(fd, TIOCSPTLCK, &unlock) < 0)
		return err_sys(e, "open a terminal of the VE");
	*ret = TAKE_FD(fd);
	return 0;
}

/*
 * The slave is had from the master, not by its path, since 4.13 (TIOCGPTPEER, ioctl_tty(2)).
 * It goes to the owner of ptmx, which mounts_build gave to the VE's root: the host's root,
 * who opens it here, has no name inside and no getty could take the terminal.
 */
int pty_open(int pts, int *ret_master, int *ret_slave, struct err *e)
{
	_fd_ int master = -1, slave = -1;
	struct stat st;
	int r = open_master(pts, &master, e);

	if (r < 0)
		return r;
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_sys(e, "open the slave of a terminal");
	if (fstat(master, &st) < 0 || fchown(slave, st.st_uid, (gid_t)-1) < 0)
		return err_sys(e, "own the slave of a terminal");
	*ret_master = TAKE_FD(master);
	*ret_slave = TAKE_FD(slave);
	return 0;
}

int pty_bind(int pts, int slave, int target_dir, const char *name, struct err *e)
{
	_fd_ int target = -1, tree = -1;
	struct stat of_slave, of_pts;
	int r;

	if (fstat(slave, &of_slave) < 0 || fstat(pts, &of_pts) < 0)
		return err_sys(e, "stat the console");
	if (!devnodes_on_devpts(slave) || of_slave.st_dev != of_pts.st_dev)
		return err_set(e, EINVAL, 0, "bind the console: not a terminal of the VE");
	r = fs_open_in_root(target_dir, name, O_PATH, 0, S_IFREG, &target, e);
	if (r < 0)
		return r;
	tree = open_tree(slave, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (tree < 0 || move_mount(tree, "", target, "",
				   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(e, "bind the console over %s", name);
	return 0;
}

/* ---- relaying ---- */

/*
 * Nothing here waits but poll(2), except for the caller's own output. A blocking write to the
 * master would hang for good when the VE's program in turn waits for us to read.
 */
struct relay {
	int in, out, master, pidfd, sigs;
	bool detach, after_esc;
	struct termios saved;
	bool raw;               /* saved holds what `in` had */
	char typed[1024];       /* read from in, not yet taken by master */
	size_t typed_len;
	int sig;                /* the one that ends us, or 0 */
};

static void copy_size(const struct relay *r)
{
	struct winsize size;

	if (ioctl(r->in, TIOCGWINSZ, &size) == 0 || ioctl(r->out, TIOCGWINSZ, &size) == 0)
		(void)ioctl(r->master, TIOCSWINSZ, &size);
}

static void go_raw(struct relay *r)
{
	struct termios raw;

	if (tcgetattr(r->in, &r->saved) < 0)
		return;
	raw = r->saved;
	cfmakeraw(&raw);
	r->raw = tcsetattr(r->in, TCSANOW, &raw) == 0;
}

/* True when the two characters have been typed, also across reads. ESC itself is passed on at
 * once: editors wait for it. */
static bool detach_typed(struct relay *r, const char *buf, size_t len)
{
	for (size_t i = 0; r->detach && i < len; i++) {
		if (r->after_esc && buf[i] == '.')
			return true;
		r->after_esc = buf[i] == ESC;
	}
	return false;
}

/* A terminal that ends is read as EIO, a socket as end of file: 0 either way. */
static ssize_t read_some(int fd, char *buf, size_t size)
{
	ssize_t n;

	do {
		n = read(fd, buf, size);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? (errno == EIO ? 0 : -errno) : n;
}

/* Returns 1 to go on, 0 at the end, -Exxx. */
static int master_to_out(const struct relay *r)
{
	char buf[16384];
	ssize_t n = read_some(r->master, buf, sizeof(buf));
	int w;

	if (n <= 0)
		return n == -EAGAIN ? 1 : (int)n;
	w = fs_write_all(r->out, buf, (size_t)n);
	return w < 0 ? w : 1;
}

/*
 * Returns 1 to go on, 2 when detached, -Exxx. At the end of a file or pipe the other side is
 * told as a person would, by the end-of-file character.
 */
static int read_typed(struct relay *r)
{
	ssize_t n = read_some(r->in, r->typed, sizeof(r->typed));

	if (n < 0)
		return n == -EAGAIN ? 1 : (int)n;
	if (n == 0) {
		r->in = -1;
		r->typed[0] = '\004';
		r->typed_len = isatty(r->master) && !r->raw ? 1 : 0;
		return 1;
	}
	r->typed_len = (size_t)n;
	return detach_typed(r, r->typed, r->typed_len) ? 2 : 1;
}

/* What a terminal that has just ended does not take is lost; reading from it tells the end. */
static void write_typed(struct relay *r)
{
	ssize_t n = write(r->master, r->typed, r->typed_len);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0)
		n = (ssize_t)r->typed_len;
	r->typed_len -= (size_t)n;
	memmove(r->typed, r->typed + n, r->typed_len);
}

/* 0 for a new window size, -EINTR for a signal that ends us. */
static int take_signal(struct relay *r)
{
	struct signalfd_siginfo info;

	if (read(r->sigs, &info, sizeof(info)) != sizeof(info))
		return 0;
	if (info.ssi_signo != SIGWINCH) {
		r->sig = (int)info.ssi_signo;
		return -EINTR;
	}
	copy_size(r);
	return 0;
}

/*
 * What the process wrote before it ended is still in the terminal. What others go on writing has
 * no end, and the caller would not have one either.
 */
static int drain(struct relay *r)
{
	struct pollfd p[] = { { r->master, POLLIN, 0 }, { r->sigs, POLLIN, 0 } };
	int n = 1;

	for (unsigned i = 0; n > 0 && i < DRAIN_READS && poll(p, 2, 0) > 0; i++) {
		if (p[1].revents && take_signal(r) < 0)
			return -EINTR;
		if (!p[1].revents && !(p[0].revents & POLLIN))
			break;
		if (p[0].revents & POLLIN)
			n = master_to_out(r);
	}
	return n < 0 ? n : 0;
}

enum { MASTER, IN, SIGS, PID, POLL_MAX };

/* Returns 1 to go on, 0 at the end, 2 when detached, -Exxx. */
static int serve(struct relay *r, const struct pollfd p[POLL_MAX])
{
	int n = 1;

	if (p[SIGS].revents && take_signal(r) < 0)
		return -EINTR;
	if (p[PID].revents)
		return drain(r);
	if (p[MASTER].revents & ~POLLOUT)
		n = master_to_out(r);
	if (n == 1 && p[MASTER].revents & POLLOUT)
		write_typed(r);
	if (n == 1 && p[IN].revents)
		n = read_typed(r);
	return n;
}

/* As pty_relay; r->sig is set with -EINTR. */
static int relay_loop(struct relay *r)
{
	int n = 1;

	while (n == 1) {
		struct pollfd p[POLL_MAX] = {
			[MASTER] = { r->master, r->typed_len ? POLLIN | POLLOUT : POLLIN, 0 },
			[IN] = { r->typed_len ? -1 : r->in, POLLIN, 0 },
			[SIGS] = { r->sigs, POLLIN, 0 },
			[PID] = { r->pidfd, POLLIN, 0 },
		};

		if (poll(p, POLL_MAX, -1) < 0) {
			if (errno != EINTR)
				return -errno;
			continue;
		}
		n = serve(r, p);
	}
	return n == 2 ? 1 : n;
}

/*
 * The signals that would end us are taken as data, so that the terminal is never left raw; they
 * are sent again once it is restored and do what the caller has set for them.
 */
int pty_relay(int in, int out, int master, int pidfd, unsigned flags)
{
	struct relay r = { .in = in, .out = out, .master = master, .pidfd = pidfd,
			   .detach = flags & PTY_DETACH };
	int n, mode = fcntl(master, F_GETFL);
	sigset_t old;
	_fd_ int sigs = -1;

	if (mode < 0 || fcntl(master, F_SETFL, mode | O_NONBLOCK) < 0)
		return -errno;
	sigs = proc_catch_signals(true, &old);
	if (sigs < 0)
		return sigs;
	r.sigs = sigs;
	if (!(flags & PTY_LINES))
		go_raw(&r);
	copy_size(&r);
	n = relay_loop(&r);
	if (r.raw)
		(void)tcsetattr(in, TCSADRAIN, &r.saved);
	(void)fcntl(master, F_SETFL, mode);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	if (r.sig)
		(void)raise(r.sig);
	return n;
}
