/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/vm-hold.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/vm.h"
#include "vm/qmp.h"

#define MARK "held"
#define GO_ON_MS 10000                  /* QEMU goes on only when it has done with its memory */

static int freeze_tasks(struct ve *ve, bool on)
{
	struct err ignored = ERR_INIT;

	return cg_freeze(&ve->in->cg, ve->cg, on, &ignored);
}

static int go_on(struct ve *ve, int dir, struct err *e)
{
	static const struct timespec pause = { 0, 20000000 };
	int r = -EAGAIN;

	for (int ms = 0; r < 0 && ms < GO_ON_MS; ms += 20) {
		err_clear(e);
		r = qmp_cont(dir, e);
		if (r == -ECONNRESET || r == -ECONNREFUSED)     /* it has ended: nothing to go on */
			break;
		if (r < 0)
			(void)nanosleep(&pause, NULL);
	}
	if (ve->state.paused)                   /* it stood still before, and goes on doing so */
		(void)freeze_tasks(ve, true);
	return r;
}

static void thaw_inside(struct ve *ve)
{
	struct err e = ERR_INIT;

	if (vm_freeze(ve, false, &e) < 0)
		log_debug(&ve->in->log, "%s (its disk may be frozen)", e.msg);
}

/* Ends by the pipe's end or by the clock; no signal of a terminal or a group reaches it. */
static _Noreturn void guard(struct vm_hold *h, int dir, int rd, int deadline_ms)
{
	struct pollfd p = { .fd = rd, .events = POLLIN };
	struct err ignored = ERR_INIT;
	sigset_t all;
	char byte;

	(void)setsid();
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	(void)poll(&p, 1, deadline_ms ? deadline_ms : -1);
	if (p.revents && read(rd, &byte, 1) == 1)
		_exit(0);               /* it is being seen to */
	if (state_has_dump(h->ve->in, h->ve->id))
		_exit(0);               /* whole: suspended, which the next command ends */
	(void)go_on(h->ve, dir, &ignored);
	if (h->inside)
		thaw_inside(h->ve);
	if (p.revents)                  /* else the command takes it away */
		(void)unlinkat(dir, MARK, 0);
	_exit(0);
}

static int start_guard(struct vm_hold *h, int dir, int deadline_ms, struct err *e)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, "hold VE %u: pipe", h->ve->id);
	h->guard = fork();
	if (h->guard == 0) {
		(void)close(fds[1]);
		guard(h, dir, fds[0], deadline_ms);
	}
	(void)close(fds[0]);
	h->pipe = fds[1];
	return h->guard < 0 ? err_sys(e, "hold VE %u: fork", h->ve->id) : 0;
}

void vm_hold_leave(struct vm_hold *h)
{
	if (h->pipe >= 0)
		(void)!write(h->pipe, "q", 1);
	cleanup_fd(&h->pipe);
	while (h->guard > 0 && waitpid(h->guard, NULL, 0) < 0 && errno == EINTR)
		;
	h->guard = -1;
}

/* One that is paused has to be let run to hear it. */
static int stand_still(struct ve *ve, int dir, struct err *e)
{
	if (ve->state.paused)
		(void)freeze_tasks(ve, false);
	return qmp_stop(dir, e);
}

int vm_hold(struct ve *ve, int deadline_ms, bool inside, struct vm_hold *ret, struct err *e)
{
	struct vm_hold h = { .ve = ve, .guard = -1, .pipe = -1, .inside = inside && !ve->state.paused };
	struct err ignored = ERR_INIT;
	_fd_ int dir = -1;
	int r = state_dir(ve->in, ve->id, false, &dir, e);

	if (!r)
		r = fs_save_at(dir, MARK, h.inside ? "inside" : "", 0600, e);
	if (!r)
		r = start_guard(&h, dir, deadline_ms, e);
	if (!r && h.inside && vm_freeze(ve, true, &ignored) < 0) {
		log_debug(&ve->in->log, "%s (going on)", ignored.msg);
		h.inside = false;
	}
	if (!r)
		r = stand_still(ve, dir, e);
	*ret = h;
	if (r < 0 && h.guard > 0 && vm_hold_release(ret, &ignored) < 0)
		err_clear(&ignored);            /* it never stood still */
	return r;
}

int vm_hold_release(struct vm_hold *h, struct err *e)
{
	bool stood = false;
	_fd_ int dir = -1;
	int r = state_dir(h->ve->in, h->ve->id, false, &dir, e);

	if (!r)
		r = qmp_stands(dir, &stood, e);
	if (!r)
		r = go_on(h->ve, dir, e);
	if (h->inside)
		thaw_inside(h->ve);
	vm_hold_leave(h);
	if (dir >= 0)
		(void)unlinkat(dir, MARK, 0);
	if (r < 0 || stood)
		return r;
	return err_set(e, ETIMEDOUT, 0, "copy the disk of VE %u: not done within the time that it may stand "
		       "still; allow more by --freeze, or stop the VE first", h->ve->id);
}

void vm_hold_mend(struct ve *ve)
{
	struct err e = ERR_INIT;
	_free_ char *how = NULL;
	_fd_ int dir = -1;

	if (state_dir(ve->in, ve->id, false, &dir, &e) < 0 ||
	    fs_read_at(dir, MARK, 16, &how, NULL, &e) < 0)
		return;
	if (go_on(ve, dir, &e) < 0)
		log_warn(&ve->in->log, "let VE %u go on: %s", ve->id, e.msg);
	if (str_eq(how, "inside"))
		thaw_inside(ve);
	(void)unlinkat(dir, MARK, 0);
}
