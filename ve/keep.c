/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/keep.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "runtime/keeper.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/intent.h"
#include "ve/start.h"
#include "ve/vm.h"
#include "ve/worker.h"

#define QUICK_S 5               /* an init that lived shorter than this is restarted slowly */
#define QUICK_PAUSE_S 2

/*
 * reboot(2) in a pid namespace ends its init by SIGHUP for a restart and by SIGINT for halt and
 * power-off (pid_namespaces(7)).
 */
static bool wants_start(const struct ve *ve, int status)
{
	if (status >= 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP)
		return true;
	if (status >= 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGINT)
		return false;
	if (status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return false;
	return str_eq(ve->conf.onexit, "restart");
}

/*
 * Whoever holds the lock may copy a large disk, and nobody would do afterwards what is left
 * undone here: each time that it was waited for in vain it is waited for again.
 */
static bool was_locked(struct err *e)
{
	if (e->exit != VZ_LOCKED)
		return false;
	err_clear(e);
	return true;
}

static int start_again(struct inst *in, uint32_t id, const struct start_opts *o, struct err *e)
{
	int r;

	do
		r = ve_start(in, id, o, e);
	while (r < 0 && up_read(in, id) && was_locked(e));
	if (r != -ECANCELED || up_read(in, id))
		return r;
	err_clear(e);
	return 0;
}

int ve_exited(struct inst *in, uint32_t id, int status, struct err *e)
{
	struct start_opts plain = { .force = true, .only_up = true };
	char accel[8];
	struct timespec pause = { QUICK_PAUSE_S, 0 };
	struct ve ve;
	bool again, quick;
	int r;

	cg_leave_keepers(&in->cg);              /* this process was the keeper */
	do
		r = ve_open(&ve, in, id, "exited", e);
	while (r < 0 && was_locked(e));
	if (r < 0 || ve.state.phase != PH_DEAD) {       /* somebody else was here first */
		if (!r)
			ve_close(&ve);
		cg_tidy(&in->cg);
		return r;
	}
	if (ve.state.vm)
		vm_tell_crash(&ve, status);
	again = wants_start(&ve, status) && !ve.state.suspended;
	memcpy(accel, ve.state.accel, sizeof(accel));
	plain.accel = *accel ? accel : NULL;
	quick = (uint64_t)time(NULL) < ve.state.started + QUICK_S;
	if (again)                              /* first: who sees that it is down looks at the note */
		up_note(in, id);                /* a stop drops it, also while this waits */
	else
		up_drop(in, id);
	start_undo(&ve, "exited");
	ve_close(&ve);
	if (!again)
		return 0;
	if (quick)                              /* a reboot loop must not eat the host */
		(void)nanosleep(&pause, NULL);
	return start_again(in, id, &plain, e);
}

int keep_exec(const struct inst *in, const struct keeper_start *k, struct err *e)
{
	if (cg_join_keepers(&in->cg, e) < 0) {
		log_debug(&in->log, "%s (the keeper stays where it is)", e->msg);
		err_clear(e);
	}
	return keeper_exec(k, e);
}

/* ---- adoption ---- */

struct adoption {
	struct ve *ve;
	int listen, console, log, events, node, monitor;
	struct cg_oom oom;
};

/* Nobody else holds the listening socket: it takes connections for just as long as it lives. */
static bool keeper_lives(int dir)
{
	struct err ignored = ERR_INIT;
	_fd_ int sock = -1;

	return keeper_connect(dir, &sock, &ignored) == 0;
}

/*
 * The old console went with its master: /dev/console inside gives EIO. A new terminal of the
 * VE's devpts cannot be bound over it from here without unlocking what is locked, so an adopted
 * VE keeps its log and loses the input of its console until its next start.
 */
static int adopt_files(struct adoption *a, int dir, struct err *e)
{
	int r = keeper_listen(dir, &a->listen, e);

	if (r < 0)
		return r;
	a->log = openat(dir, "console.log", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	a->events = openat(dir, "events.jsonl",
			   O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (a->log < 0 || a->events < 0)
		return err_sys(e, "open the log of VE %u", a->ve->id);
	if (cg_open_node(&a->ve->in->cg, a->ve->cg, &a->node) < 0)
		a->node = -1;
	if (cg_open_oom(&a->ve->in->cg, a->ve->cg, &a->oom, e) < 0)
		err_clear(e);                   /* no events then */
	if (a->ve->state.vm && vm_keeper_fds(dir, &a->console, &a->monitor, e) < 0)
		err_clear(e);                   /* nor a console */
	return 0;
}

static int adopter(void *arg, int report, struct err *e)
{
	struct adoption *a = arg;
	const struct ve *ve = a->ve;
	struct keeper_start k = {
		.program = ve->in->keeper, .berth = ve->in->self, .root = ve->in->root,
		.veid = ve->id, .init = ve->state.pid, .listen = a->listen, .pidfd = ve->pidfd,
		.console = a->console, .log = a->log, .oom = a->oom.fd,
		.oom_events = a->oom.events, .oom_control = a->oom.control, .node = a->node,
		.events = a->events, .monitor = a->monitor,
	};

	worker_report(report, NULL);
	return keep_exec(ve->in, &k, e);
}

static int adopt_locked(struct ve *ve, int dir, struct err *e)
{
	struct adoption a = { .ve = ve, .listen = -1, .console = -1, .log = -1, .events = -1,
			      .oom = CG_OOM_INIT, .node = -1, .monitor = -1 };
	int r = adopt_files(&a, dir, e);

	if (!r)
		r = worker_run(ve->in, adopter, &a, e);
	cleanup_fd(&a.listen);
	cleanup_fd(&a.log);
	cleanup_fd(&a.events);
	cleanup_fd(&a.oom.fd);
	cleanup_fd(&a.oom.control);
	cleanup_fd(&a.node);
	cleanup_fd(&a.console);
	cleanup_fd(&a.monitor);
	return r;
}

int ve_adopt(struct inst *in, uint32_t id, struct err *e)
{
	_fd_ int dir = -1;
	struct ve ve;
	int r = state_dir(in, id, false, &dir, e);

	if (r < 0 || keeper_lives(dir)) {       /* the usual case takes no lock */
		err_clear(e);
		return 0;
	}
	r = ve_open(&ve, in, id, "adopt", e);
	if (r < 0)
		return r;
	if (ve.state.phase == PH_RUNNING && !keeper_lives(dir))
		r = adopt_locked(&ve, dir, e);
	ve_close(&ve);
	return r;
}

void adopt_quietly(struct inst *in, uint32_t id)
{
	struct err e = ERR_INIT;

	if (ve_adopt(in, id, &e) < 0)
		log_debug(&in->log, "adopt %u: %s", id, e.msg);
}
