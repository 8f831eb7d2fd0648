/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/exec.h"
#include "runtime/attach.h"
#include "runtime/console.h"
#include "runtime/keeper.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-call.h"
#include "util/sys-fs.h"
#include "ve/guest.h"
#include "ve/keep.h"
#include "ve/plan.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/vfs.h>

#define PATH_ENV "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Control groups and namespaces of the running VE; the caller sets argv and files. */
static int prepare(struct ve *ve, struct attach_spec *s, struct err *e)
{
	int r;

	s->payload = -1;
	s->pidfd = ve->pidfd;
	s->no_core = plan_no_core();
	r = cg_open_payload(&ve->in->cg, ve->idstr, true, &s->payload, e);
	if (r < 0)
		return r;
	r = cg_open_tasks(&ve->in->cg, ve->idstr, &s->tasks, e);
	if (r < 0)
		cleanup_fd(&s->payload);
	return r;
}

static int start_inside(struct ve *ve, struct attach_spec *s, pid_t *ret, struct err *e)
{
	int r = prepare(ve, s, e);

	if (r < 0)
		return r;
	r = attach_start(s, ret, e);
	cg_tasks_close(&s->tasks);
	cleanup_fd(&s->payload);
	return r;
}

/*
 * The VE's own devpts. Its root can mount over /dev/pts, so what is there is checked to be a
 * devpts before a terminal is opened from it; whose it is does not matter, it is the VE's.
 */
static int open_pts(struct ve *ve, int *ret, struct err *e)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
				.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS };
	_fd_ int root = -1, pts = -1;
	struct statfs st;
	int r = guest_open_root(ve, &root, e);

	if (r < 0)
		return r;
	pts = sys_openat2(root, "dev/pts", &how);
	if (pts < 0 || fstatfs(pts, &st) < 0)
		return err_sys(e, "open /dev/pts of VE %u", ve->id);
	if (st.f_type != DEVPTS_SUPER_MAGIC)
		return err_set(e, ENODEV, 0, "open /dev/pts of VE %u: not a devpts", ve->id);
	*ret = TAKE_FD(pts);
	return 0;
}

/* Signals that end this command go to the one inside instead. */
static int wait_forwarding(pid_t pid)
{
	_fd_ int pidfd = pidfd_open(pid, 0), sig = -1;
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGQUIT);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	sig = signalfd(-1, &set, SFD_CLOEXEC);
	while (pidfd >= 0 && sig >= 0) {
		struct pollfd p[2] = { { pidfd, POLLIN, 0 }, { sig, POLLIN, 0 } };
		struct signalfd_siginfo si;

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			break;
		if (p[0].revents)
			break;
		if (p[1].revents && read(sig, &si, sizeof(si)) == sizeof(si))
			(void)pidfd_send_signal(pidfd, (int)si.ssi_signo, NULL, 0);
	}
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	return attach_wait(pid);
}

static int exec_plain(struct ve *ve, struct attach_spec *s, struct err *e)
{
	pid_t pid;
	int r = start_inside(ve, s, &pid, e);

	return r < 0 ? r : wait_forwarding(pid);
}

static int exec_pty(struct ve *ve, struct attach_spec *s, struct err *e)
{
	_fd_ int pts = -1, master = -1, slave = -1, pidfd = -1;
	int in = s->in, out = s->out, r;
	pid_t pid;

	r = open_pts(ve, &pts, e);
	if (!r)
		r = pty_open(pts, &master, &slave, e);
	if (r < 0)
		return r;
	s->in = s->out = s->err = slave;
	s->tty = true;
	r = start_inside(ve, s, &pid, e);
	if (r < 0)
		return r;
	cleanup_fd(&slave);                     /* so that the master sees the last user go */
	pidfd = pidfd_open(pid, 0);
	(void)pty_relay(in, out, master, pidfd, false);
	return attach_wait(pid);
}

/* bash where the VE has it, as vzctl does. */
static const char *login_shell(struct ve *ve)
{
	struct err ignored = ERR_INIT;
	_fd_ int root = -1, sh = -1;

	if (guest_open_root(ve, &root, &ignored) == 0 &&
	    fs_open_in_root_follow(root, "bin/bash", O_PATH, S_IFREG, &sh, &ignored) == 0)
		return "/bin/bash";
	return "/bin/sh";
}

static int exec_in(struct ve *ve, const struct exec_opts *o, struct err *e)
{
	const char *shell[] = { NULL, "-l", NULL };
	char term[128] = "TERM=linux";
	const char *env[] = { PATH_ENV, o->argv ? "HOME=/" : "HOME=/root", term, NULL };
	struct attach_spec s = { .argv = o->argv, .env = env, .in = o->in, .out = o->out,
				 .err = o->err };

	if (o->term && str_is_word(o->term, "._-+"))
		(void)str_fmt(term, sizeof(term), "TERM=%.100s", o->term);
	if (!o->argv) {
		shell[0] = login_shell(ve);
		s.argv = shell;
	}
	return o->pty ? exec_pty(ve, &s, e) : exec_plain(ve, &s, e);
}

static int open_running(struct ve *ve, struct inst *in, uint32_t id, struct err *e)
{
	int r = ve_open(ve, in, id, NULL, e);

	if (r < 0)
		return r;
	if (ve->state.phase == PH_RUNNING) {
		adopt_quietly(in, id);
		return 0;
	}
	ve_close(ve);
	return err_set(e, ESRCH, VZ_NOT_RUNNING, "VE %u is not running", id);
}

int ve_exec(struct inst *in, uint32_t id, const struct exec_opts *o, struct err *e)
{
	struct ve ve;
	int r = open_running(&ve, in, id, e);

	if (r < 0)
		return r;
	r = exec_in(&ve, o, e);
	ve_close(&ve);
	return r;
}

int exec_script(struct ve *ve, const char *text, struct err *e)
{
	static const char *const argv[] = { "/bin/sh", NULL };
	static const char *const env[] = { PATH_ENV, "HOME=/", "TERM=linux", NULL };
	_fd_ int script = memfd_create("script", MFD_CLOEXEC);
	_fd_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct attach_spec s = { .argv = argv, .env = env, .in = script, .out = null, .err = null };
	pid_t pid;
	int r;

	if (script < 0 || null < 0 || fs_write_all(script, text, strlen(text)) < 0 ||
	    lseek(script, 0, SEEK_SET) < 0)
		return err_sys(e, "pass a script to VE %u", ve->id);
	r = start_inside(ve, &s, &pid, e);
	return r < 0 ? r : attach_wait(pid);
}

int ve_console(struct inst *in, uint32_t id, int tty_in, int tty_out, struct err *e)
{
	_fd_ int dir = -1, sock = -1, stream = -1;
	struct keeper_msg answer;
	struct ve ve;
	int r = open_running(&ve, in, id, e);

	if (r < 0)
		return r;
	r = state_dir(in, id, false, &dir, e);
	if (!r)
		r = keeper_connect(dir, &sock, e);
	if (!r)
		r = keeper_call(sock, KEEPER_CONSOLE, 2000, &answer, &stream, e);
	if (!r && stream < 0)
		r = err_set(e, EIO, 0, "the keeper of VE %u has no console to give", id);
	if (!r)
		(void)pty_relay(tty_in, tty_out, stream, ve.pidfd, true);
	ve_close(&ve);
	return r;
}
