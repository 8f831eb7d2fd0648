/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stopping: ask init in the way its kind understands, wait, kill the control group, and run the
 * start's table backwards. The same undo serves an init that ended by itself and a crash.
 */
#include "ve/stop.h"

#include <signal.h>
#include <sys/pidfd.h>

#include "runtime/keeper.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-proc.h"
#include "ve/apply.h"
#include "ve/exec.h"
#include "ve/hooks.h"
#include "ve/intent.h"
#include "ve/mount.h"
#include "ve/start.h"
#include "ve/suspend.h"
#include "ve/vm.h"

#define KEEPER_END_MS 2000
#define ASK_AGAIN_MS 2000
#define PRESS_AGAIN_MS 10000

/* How each kind of init is told to power off: a signal, or a command inside. */
static const struct {
	const char *init;
	int rt_signal, signal;          /* rt_signal counts from SIGRTMIN; 0: none */
	const char *script;
	bool button;
} ways[] = {
	{ "systemd", 4, 0, NULL, false },            /* SIGRTMIN+4: poweroff.target (systemd(1)) */
	{ "busybox", 0, SIGUSR2, NULL, false },        /* poweroff (busybox init) */
	{ "sysvinit", 0, 0, "/sbin/init 0\n", false },
	{ "openrc", 0, 0, "/sbin/openrc-shutdown -p now || /sbin/poweroff\n", false },
	{ "acpi", 0, 0, NULL, true },           /* a system of its own, on its own disk */
};

/* A frozen VE could neither hear nor die. */
static void thaw(struct ve *ve)
{
	struct err ignored = ERR_INIT;

	if (cg_freeze(&ve->in->cg, ve->cg, false, &ignored) < 0)
		err_clear(&ignored);            /* no node, no freezer: nothing is frozen */
	ve->state.paused = false;
}

static int left_ms(uint64_t end)
{
	uint64_t now = proc_now_us();

	return now < end ? (int)((end - now) / 1000) : 0;
}

/* True when init is gone within the time. */
static bool ask_by_script(struct ve *ve, const char *script, int timeout_ms)
{
	struct err e = ERR_INIT;

	uint64_t end = proc_now_us() + (uint64_t)timeout_ms * 1000;

	if (exec_script(ve, script, timeout_ms, &e) < 0)
		log_debug(&ve->in->log, "%s", e.msg);
	return proc_wait_gone(ve->pidfd, left_ms(end)) == 0;
}

static void send_to_init(struct ve *ve, int sig)
{
	struct err e = ERR_INIT;

	if (!ve->state.vm)
		(void)pidfd_send_signal(ve->pidfd, sig, NULL, 0);
	else if (vm_signal_init(ve, sig, &e) < 0)
		log_debug(&ve->in->log, "%s", e.msg);
}

/*
 * An init has no default actions: what comes before it has set up its signals is lost, and
 * nothing tells (pid_namespaces(7)). So it is asked again.
 */
static bool ask_by_signal(struct ve *ve, int sig, int timeout_ms)
{
	for (int left = timeout_ms; left > 0; left -= ASK_AGAIN_MS) {
		send_to_init(ve, sig);
		if (proc_wait_gone(ve->pidfd, left < ASK_AGAIN_MS ? left : ASK_AGAIN_MS) == 0)
			return true;
	}
	return false;
}

/* A system that is still booting does not see the button. */
static bool ask_by_button(struct ve *ve, int timeout_ms)
{
	for (int left = timeout_ms; left > 0; left -= PRESS_AGAIN_MS) {
		struct err e = ERR_INIT;

		if (vm_power_button(ve, &e) < 0)
			log_debug(&ve->in->log, "%s", e.msg);
		if (proc_wait_gone(ve->pidfd, left < PRESS_AGAIN_MS ? left : PRESS_AGAIN_MS) == 0)
			return true;
	}
	return false;
}

static bool ask(struct ve *ve, int timeout_ms)
{
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		if (!str_eq(ways[i].init, ve->state.init))
			continue;
		if (ways[i].button)
			return ask_by_button(ve, timeout_ms);
		if (ways[i].script)
			return ask_by_script(ve, ways[i].script, timeout_ms);
		return ask_by_signal(ve, ways[i].rt_signal ? SIGRTMIN + ways[i].rt_signal
							   : ways[i].signal, timeout_ms);
	}
	return ask_by_signal(ve, SIGTERM, timeout_ms);
}

/*
 * Tell the keeper that we tidy up, so that it does not. *ret_pidfd is its process, to wait for
 * at the end; without a keeper there is nobody to tell.
 */
static int claim_keeper(struct ve *ve, int *ret_sock, int *ret_pidfd)
{
	struct err e = ERR_INIT;
	struct keeper_msg answer;
	_fd_ int dir = -1, sock = -1;

	if (state_dir(ve->in, ve->id, false, &dir, &e) < 0 || keeper_connect(dir, &sock, &e) < 0 ||
	    keeper_call(sock, KEEPER_HELLO, 2000, &answer, NULL, &e) < 0)
		return -e.eno;
	*ret_pidfd = pidfd_open(answer.pid, 0);
	if (keeper_call(sock, KEEPER_STOPPING, 2000, &answer, NULL, &e) < 0)
		return -e.eno;
	*ret_sock = TAKE_FD(sock);
	return 0;
}

/* The script and the command run in the VE, so they have their part of the time, no more. */
static void orderly(struct ve *ve, const struct stop_opts *o)
{
	struct err e = ERR_INIT;
	uint64_t s = (uint64_t)o->timeout_s, end;

	if (!s)
		s = ve->conf.stop_timeout ? ve->conf.stop_timeout : ve->in->conf.stop_timeout;
	if (o->at_most_s && s > (uint64_t)o->at_most_s)
		s = (uint64_t)o->at_most_s;
	end = proc_now_us() + s * 1000000;
	inst_say(ve->in, "Stopping container ...");
	if (hook_run_within(ve, HOOK_STOP, left_ms(end), &e) < 0)
		log_warn(&ve->in->log, "%s (ignored)", e.msg);
	if (!ask(ve, left_ms(end)))
		log_debug(&ve->in->log, "stop %u: init is still there after %d s", ve->id, (int)s);
}

static int kill_rest(struct ve *ve, bool say, struct err *e)
{
	int r;

	if (say)
		inst_say(ve->in, "Killing container ...");
	r = cg_kill(&ve->in->cg, ve->cg, e);
	io_let_go(ve);
	if (!r && proc_wait_gone(ve->pidfd, 10000) < 0)
		r = err_set(e, EBUSY, 0, "VE %u: init does not die", ve->id);
	return r < 0 ? err_exit(e, VZ_CANNOT_STOP) : 0;
}

int stop_kill(struct ve *ve, const char *done, struct err *e)
{
	_fd_ int sock = -1, keeper = -1;
	int r;

	(void)claim_keeper(ve, &sock, &keeper);
	thaw(ve);
	r = kill_rest(ve, false, e);
	if (r < 0)
		return r;
	if (done)
		inst_say(ve->in, "%s", done);
	start_undo(ve, "stop");
	if (keeper >= 0 && proc_wait_gone(keeper, KEEPER_END_MS) == 0)
		cg_tidy(&ve->in->cg);
	return 0;
}

static int stop_running(struct ve *ve, const struct stop_opts *o, struct err *e)
{
	_fd_ int sock = -1, keeper = -1;
	int r;

	(void)claim_keeper(ve, &sock, &keeper);
	thaw(ve);
	if (!o->fast)
		orderly(ve, o);
	if (proc_wait_gone(ve->pidfd, 0) < 0) {
		r = kill_rest(ve, true, e);
		if (r < 0)
			return r;
	}
	inst_say(ve->in, "Container was stopped");
	start_undo(ve, "stop");
	if (keeper >= 0 && proc_wait_gone(keeper, KEEPER_END_MS) == 0)
		cg_tidy(&ve->in->cg);
	return 0;
}

/* What is suspended has stopped already; to give up its memory has to be said. */
static int stop_stopped(struct ve *ve, const struct stop_opts *o, struct err *e)
{
	int r;

	if (!ve->state.suspended || !o->fast || o->for_boot) {
		inst_say(ve->in, ve->state.suspended ? "Container is suspended; --fast gives up its memory"
						     : "Container is already stopped");
		return 0;
	}
	inst_say(ve->in, "Killing container ...");
	r = suspend_forget(ve, e);
	if (!r)
		inst_say(ve->in, "Container was stopped");
	return r;
}

int ve_stop(struct inst *in, uint32_t id, const struct stop_opts *o, struct err *e)
{
	struct ve ve;
	int r = ve_open(&ve, in, id, "stop", e);

	if (r < 0)
		return r;
	switch (ve.state.phase) {
	case PH_RUNNING:
		r = stop_running(&ve, o, e);
		break;
	case PH_MOUNTED:
		r = mount_undo(&ve, e);
		break;
	case PH_STARTING:
	case PH_DEAD:
		start_undo(&ve, "stop");
		break;
	case PH_STOPPED:
		r = stop_stopped(&ve, o, e);
		break;
	}
	if (!r && !o->for_boot)
		up_drop(in, id);
	ve_close(&ve);
	return r;
}
