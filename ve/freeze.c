/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/freeze.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "util/cleanup.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "util/sys-proc.h"
#include "ve/plan.h"

static void marker_path(const struct ve *ve, char dst[64])
{
	(void)str_fmt(dst, 64, "%u/frozen", ve->id);
}

/* mnt -1: only processes stand still. */
static int thaw_disk(int mnt)
{
	_fd_ int root = mnt < 0 ? -1 : openat(mnt, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return root < 0 || ioctl(root, FITHAW, 0) < 0 ? -errno : 0;
}

/* No node, no freezer: nothing is frozen. */
static void thaw_tasks(struct ve *ve)
{
	struct err ignored = ERR_INIT;

	/* it stood still before, and goes on doing so */
	if (ve->state.paused || cg_oom_frozen(&ve->in->cg, ve->cg))
		return;
	if (cg_freeze(&ve->in->cg, ve->cg, false, &ignored) < 0)
		err_clear(&ignored);
}

/* Ends by the pipe's end or by the clock; no signal of a terminal or a group reaches it. */
static void __attribute__((noreturn)) guard(const struct freeze *f, int rd)
{
	uint64_t end = proc_now_us() + (uint64_t)f->deadline_ms * 1000;
	struct pollfd p = { .fd = rd, .events = POLLIN };
	sigset_t all;

	(void)setsid();
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	for (uint64_t now = proc_now_us(); now < end && !p.revents; now = proc_now_us())
		(void)poll(&p, 1, (int)((end - now + 999) / 1000));
	(void)thaw_disk(f->mnt);
	thaw_tasks(f->ve);
	_exit(0);
}

static int start_guard(struct freeze *f, struct err *e)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, "freeze VE %u: pipe", f->ve->id);
	f->guard = fork();
	if (f->guard == 0) {
		(void)close(fds[1]);
		guard(f, fds[0]);
	}
	(void)close(fds[0]);
	f->pipe = fds[1];
	return f->guard < 0 ? err_sys(e, "freeze VE %u: fork", f->ve->id) : 0;
}

static void end_guard(struct freeze *f)
{
	char path[64];

	cleanup_fd(&f->pipe);
	while (f->guard > 0 && waitpid(f->guard, NULL, 0) < 0 && errno == EINTR)
		;
	f->guard = -1;
	marker_path(f->ve, path);
	(void)unlinkat(f->ve->in->run, path, 0);
}

/* What is dirty goes out before anything stands still. */
static int freeze_disk(const struct freeze *f, struct err *e)
{
	_fd_ int root = openat(f->mnt, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root < 0 || ioctl(root, FIFREEZE, 0) < 0)
		return err_sys(e, "freeze the disk of VE %u", f->ve->id);
	return 0;
}

static void write_back(int mnt)
{
	_fd_ int root = mnt < 0 ? -1 : openat(mnt, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root >= 0)
		(void)syncfs(root);
}

/* Before anything is frozen. */
static int provide_thaw(struct freeze *f, struct err *e)
{
	char path[64];
	int r;

	marker_path(f->ve, path);
	r = fs_save_at(f->ve->in->run, path, "", 0600, e);
	if (!r)
		r = start_guard(f, e);
	if (r < 0)
		end_guard(f);
	return r;
}

bool freeze_briefly(struct freeze *f)
{
	const struct cg_host *cg = &f->ve->in->cg;
	struct err ignored = ERR_INIT;

	f->mnt = -1;
	if (cg_frozen(cg, f->ve->cg) || provide_thaw(f, &ignored) < 0)
		return false;
	if (cg_hold(cg, f->ve->cg))
		return true;
	end_guard(f);
	return false;
}

/* For want of memory it does already, and who waits for memory cannot be parked beyond that. */
static int freeze_tasks(const struct ve *ve, struct err *e)
{
	if (ve->state.phase != PH_RUNNING || cg_oom_frozen(&ve->in->cg, ve->cg))
		return 0;
	return cg_freeze(&ve->in->cg, ve->cg, true, e);
}

int freeze_hold(struct freeze *f, int mnt, struct err *e)
{
	struct ve *ve = f->ve;
	int r;

	f->mnt = mnt;
	write_back(mnt);
	r = provide_thaw(f, e);
	if (r < 0)
		return r;
	/*
	 * A task in uninterruptible sleep cannot be parked. Where the filesystem is frozen all the same
	 * the disk is then as after a power cut, which it must bear anyway.
	 */
	r = freeze_tasks(ve, e);
	if (r < 0 && mnt >= 0) {
		log_debug(&ve->in->log, "%s (going on)", e->msg);
		err_clear(e);
		r = 0;
	}
	if (!r && mnt >= 0)
		r = freeze_disk(f, e);
	if (r < 0) {
		thaw_tasks(ve);
		end_guard(f);
	}
	return r;
}

/* But for the guard, only memory for a VE that wanted it lets the processes go on. */
static bool stands_still(struct freeze *f)
{
	const struct ve *ve = f->ve;

	if (waitpid(f->guard, NULL, WNOHANG) != f->guard)
		return ve->state.phase != PH_RUNNING || cg_frozen(&ve->in->cg, ve->cg);
	f->guard = -1;
	return false;
}

int freeze_release(struct freeze *f, struct err *e)
{
	bool held = f->mnt < 0 ? stands_still(f) : thaw_disk(f->mnt) == 0;

	thaw_tasks(f->ve);
	end_guard(f);
	if (held)
		return 0;
	return err_set(e, ETIMEDOUT, 0,
		       "copy the disk of VE %u: not done within the %d ms it may stand still; allow more "
		       "by --freeze, or stop the VE first", f->ve->id, f->deadline_ms);
}

void freeze_mend(struct ve *ve)
{
	struct err ignored = ERR_INIT;
	_fd_ int private = -1, mnt = -1;
	struct plan plan;
	char path[64];

	marker_path(ve, path);
	if (faccessat(ve->in->run, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	plan_for_undo(ve, &plan);
	if (plan.backend && !plan.backend->on_host && plan_private(ve, &private, &ignored) == 0 &&
	    plan.backend->reach(private, ve->state.loop, &mnt, &ignored) == 0)
		(void)thaw_disk(mnt);
	thaw_tasks(ve);
	(void)unlinkat(ve->in->run, path, 0);
}
