/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/exec.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <termios.h>

#include "runtime/attach.h"
#include "runtime/console.h"
#include "runtime/keeper.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-call.h"
#include "util/sys-fs.h"
#include "util/sys-proc.h"
#include "ve/apply.h"
#include "ve/guest.h"
#include "ve/keep.h"
#include "ve/plan.h"
#include "ve/vm.h"

#define PATH_ENV "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Control groups and namespaces of the running VE; the caller sets argv and files. */
static int prepare(struct ve *ve, struct attach_spec *s, struct err *e)
{
	int r;

	s->payload = -1;
	s->pidfd = ve->pidfd;
	s->no_core = plan_no_core();
	s->limited = rlimits_set(ve);
	r = cg_open_payload(&ve->in->cg, ve->cg, true, &s->payload, e);
	if (r < 0)
		return r;
	r = cg_open_tasks(&ve->in->cg, ve->cg, io_in_root(ve), &s->tasks, e);
	if (r < 0)
		cleanup_fd(&s->payload);
	return r;
}

int exec_start(struct ve *ve, struct attach_spec *s, pid_t *ret, struct err *e)
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
	sigset_t old;
	_fd_ int pidfd = pidfd_open(pid, 0), sig = proc_catch_signals(false, &old);

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
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	return attach_wait(pid);
}

static int exec_plain(struct ve *ve, struct attach_spec *s, struct err *e)
{
	pid_t pid;
	int r = exec_start(ve, s, &pid, e);

	return r < 0 ? r : wait_forwarding(pid);
}

/* The caller's terminal does these two already, unless it is raw. */
static void leave_to_caller(int slave)
{
	struct termios t;

	if (tcgetattr(slave, &t) < 0)
		return;
	t.c_lflag &= ~(tcflag_t)ECHO;
	t.c_oflag &= ~(tcflag_t)OPOST;
	(void)tcsetattr(slave, TCSANOW, &t);
}

/*
 * The terminal of the VE takes the place of the caller's wherever that is one of the three: who
 * holds a terminal can read what is typed there, long after the command has ended. Files and
 * pipes among them are passed as they are.
 */
static int exec_pty(struct ve *ve, struct attach_spec *s, struct err *e)
{
	_fd_ int pts = -1, master = -1, slave = -1, pidfd = -1;
	int in = isatty(s->in) ? s->in : -1;
	int out = isatty(s->out) ? s->out : isatty(s->err) ? s->err : s->in;
	unsigned flags = in >= 0 && out == s->out ? 0 : PTY_LINES;
	pid_t pid;
	int r = open_pts(ve, &pts, e);

	if (!r)
		r = pty_open(pts, &master, &slave, e);
	if (r < 0)
		return r;
	if (flags & PTY_LINES)
		leave_to_caller(slave);
	s->in = in >= 0 ? slave : s->in;
	s->out = isatty(s->out) ? slave : s->out;
	s->err = isatty(s->err) ? slave : s->err;
	s->tty = true;
	r = exec_start(ve, s, &pid, e);
	if (r < 0)
		return r;
	cleanup_fd(&slave);                     /* so that the master sees the last user go */
	pidfd = pidfd_open(pid, 0);
	(void)pty_relay(in, out, master, pidfd, flags);
	return attach_wait(pid);
}

/* With a directory of the host as its standard input the VE could walk the host's files. */
static int check_stdio(const struct attach_spec *s, struct err *e)
{
	const int fds[] = { s->in, s->out, s->err };
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fstat(fds[i], &st) == 0 && S_ISDIR(st.st_mode))
			return err_set(e, EISDIR, VZ_BAD_VALUE,
				       "pass standard file %zu: a directory of the host", i);
	return 0;
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

/* An empty name is the login shell that the guest chooses. */
static int exec_in_vm(struct ve *ve, const struct exec_opts *o, struct err *e)
{
	static const char *const shell[] = { "", NULL };
	char term[128] = "TERM=linux";
	const char *env[] = { PATH_ENV, o->argv ? "HOME=/" : "HOME=/root", term, NULL };
	const struct agent_run run = { .argv = o->argv ? o->argv : shell, .env = env, .in = o->in,
				       .out = o->out, .err = o->err };

	if (o->term && str_is_word(o->term, "._-+"))
		(void)str_fmt(term, sizeof(term), "TERM=%.100s", o->term);
	return vm_exec(ve, &run, e);
}

/* What is started in a frozen control group waits, and so would we. */
int exec_refuse_paused(const struct ve *ve, struct err *e)
{
	if (ve->state.paused)
		return err_set(e, EBUSY, VZ_NOT_RUNNING,
			       "VE %u is paused: \"berth unpause %u\" lets it go on", ve->id, ve->id);
	if (cg_oom_frozen(&ve->in->cg, ve->cg))
		return err_set(e, EBUSY, VZ_NOT_RUNNING,
			       "VE %u stands still, out of memory: more of it lets it go on (berth set %u --ram SIZE)",
			       ve->id, ve->id);
	return 0;
}

static int exec_in(struct ve *ve, const struct exec_opts *o, struct err *e)
{
	const char *shell[] = { NULL, "-l", NULL };
	char term[128] = "TERM=linux";
	const char *env[] = { PATH_ENV, o->argv ? "HOME=/" : "HOME=/root", term, NULL };
	struct attach_spec s = { .argv = o->argv, .env = env, .in = o->in, .out = o->out,
				 .err = o->err };
	bool pty = isatty(o->in) || isatty(o->out) || isatty(o->err);
	int r = exec_refuse_paused(ve, e);

	if (r >= 0)
		r = check_stdio(&s, e);
	if (r < 0)
		return r;
	if (ve->state.vm)
		return exec_in_vm(ve, o, e);
	if (pty && o->term && str_is_word(o->term, "._-+"))
		(void)str_fmt(term, sizeof(term), "TERM=%.100s", o->term);
	if (!o->argv) {
		shell[0] = login_shell(ve);
		s.argv = shell;
	}
	return pty ? exec_pty(ve, &s, e) : exec_plain(ve, &s, e);
}

int exec_open(struct ve *ve, struct inst *in, uint32_t id, struct err *e)
{
	int r = ve_open(ve, in, id, NULL, e);

	if (r < 0)
		return r;
	if (ve->state.phase == PH_RUNNING && !ve->state.suspended) {
		adopt_quietly(in, id);
		return 0;
	}
	ve_close(ve);
	if (ve->state.suspended)
		return err_set(e, ESRCH, VZ_NOT_RUNNING, "VE %u is suspended: \"berth resume %u\" lets it go on",
			       id, id);
	return err_set(e, ESRCH, VZ_NOT_RUNNING, "VE %u is not running", id);
}

int ve_exec(struct inst *in, uint32_t id, const struct exec_opts *o, struct err *e)
{
	struct ve ve;
	int r = exec_open(&ve, in, id, e);

	if (r < 0)
		return r;
	r = exec_in(&ve, o, e);
	ve_close(&ve);
	return r;
}

/* What a VE's shell does with a script is the tenant's business, how long we wait is ours. */
static int wait_at_most(struct ve *ve, pid_t pid, uint64_t end, struct err *e)
{
	_fd_ int pidfd = pidfd_open(pid, 0);
	uint64_t now = proc_now_us();

	if (pidfd >= 0 && proc_wait_gone(pidfd, now < end ? (int)((end - now) / 1000) : 0) == 0)
		return attach_wait(pid);
	(void)kill(pid, SIGKILL);
	(void)attach_wait(pid);
	return err_set(e, ETIMEDOUT, 0, "run a script in VE %u: no end in time", ve->id);
}

int exec_script(struct ve *ve, const char *text, int timeout_ms, struct err *e)
{
	static const char *const argv[] = { "/bin/sh", NULL };
	static const char *const env[] = { PATH_ENV, "HOME=/", "TERM=linux", NULL };
	_fd_ int script = memfd_create("script", MFD_CLOEXEC);
	_fd_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct attach_spec s = { .argv = argv, .env = env, .in = script, .out = null, .err = null,
				 .timeout_ms = timeout_ms > 0 ? timeout_ms : 1 };
	uint64_t end = proc_now_us() + (uint64_t)s.timeout_ms * 1000;
	pid_t pid;
	int r = exec_refuse_paused(ve, e);

	if (r < 0)
		return r;
	if (script < 0 || null < 0 || fs_write_all(script, text, strlen(text)) < 0 ||
	    lseek(script, 0, SEEK_SET) < 0)
		return err_sys(e, "pass a script to VE %u", ve->id);
	if (ve->state.vm)
		return vm_exec(ve, &(struct agent_run){ .argv = argv, .env = env, .in = script, .out = null,
						       .err = null, .timeout_ms = s.timeout_ms }, e);
	r = exec_start(ve, &s, &pid, e);
	return r < 0 ? r : wait_at_most(ve, pid, end, e);
}

int ve_console(struct inst *in, uint32_t id, int tty_in, int tty_out, struct err *e)
{
	_fd_ int dir = -1, sock = -1, stream = -1;
	struct keeper_msg answer;
	struct ve ve;
	int r = exec_open(&ve, in, id, e);

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
		(void)pty_relay(tty_in, tty_out, stream, ve.pidfd, PTY_DETACH);
	ve_close(&ve);
	return r;
}
