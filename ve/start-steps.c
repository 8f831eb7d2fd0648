/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The steps of a start that are the same for containers and machines; those of one kind are in
 * ve/ct-steps.c and ve/vm-steps.c. An up may leave descriptors in the struct start, which the
 * worker holds; a down must do its work without them, and close them if they are there.
 */
#include "ve/start-steps.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/keeper.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-proc.h"
#include "ve/addrs.h"
#include "ve/apply.h"
#include "ve/events.h"
#include "ve/fence.h"
#include "ve/hooks.h"
#include "ve/intent.h"
#include "ve/place.h"
#include "ve/traffic.h"

#define LOOP_WAIT_MS 5000
#define KILL_WAIT_MS 20000

/*
 * The first of every start, before anything is made: how is what only its kind has. A start that
 * is killed is found by this record, and undone by what it says.
 */
int steps_record(struct start *s, const struct ve_state *how, struct err *e)
{
	const struct ve_conf *c = &s->ve->conf;
	struct ve_state *st = &s->ve->state;
	int r;

	*st = *how;
	st->phase = PH_STARTING;
	st->loop = -1;
	st->uid_base = (uint32_t)c->local_uid;
	st->ips = c->ips;
	memcpy(st->network, c->network, sizeof(st->network));
	memcpy(st->netif, c->netif, sizeof(st->netif));
	memcpy(st->fence, c->fence, sizeof(st->fence));
	memcpy(st->template, s->plan.digest, sizeof(st->template));
	r = state_save(s->ve->in, s->ve->id, st, e);
	if (r < 0)
		return r;
	if (mkdir(s->plan.stage, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "make %s", s->plan.stage);
	return 0;
}

/* An undo goes on after a failure; the record stays, so that the next verb does all of it again. */
void steps_stay_unclean(struct start *s, const struct err *e)
{
	log_warn(&s->ve->in->log, "%s (the next command tries again)", e->msg);
	s->unclean = true;
}

void down_record(void *ctx)
{
	struct start *s = ctx;
	struct err ignored = ERR_INIT;

	events_keep(s->ve->in, s->ve->id);
	if (s->ve->state.started)
		events_add(s->ve->in, s->ve->id, "stopped");
	if (s->unclean) {
		s->ve->state.phase = PH_STARTING;
		s->ve->state.pid = 0;
		s->ve->state.started = 0;
		if (state_save(s->ve->in, s->ve->id, &s->ve->state, &ignored) == 0)
			return;
	}
	state_drop(s->ve->in, s->ve->id);
	s->ve->state = (struct ve_state)VE_STATE_INIT;
}

int up_premount(void *ctx, struct err *e)
{
	struct start *s = ctx;

	return hook_run(s->ve, HOOK_PREMOUNT, e);
}

/* An undo goes on whatever a script of the administrator says; the script's own log tells. */
static void hook_ignoring(struct ve *ve, enum hook which)
{
	struct err e = ERR_INIT;

	if (hook_run(ve, which, &e) < 0)
		log_warn(&ve->in->log, "%s (ignored)", e.msg);
}

void down_premount(void *ctx)
{
	struct start *s = ctx;

	hook_ignoring(s->ve, HOOK_POSTUMOUNT);
}

int steps_open_template(struct start *s, template_open_fn *open, struct err *e)
{
	struct store st = STORE_INIT;
	struct template t;
	int r = store_open(s->ve->in->lib, s->ve->in->run, &st, e);

	if (!r)
		r = store_find(&st, s->plan.digest, &t, e);
	if (!r && !s->plan.whole)
		r = open(&st, s->plan.digest, s->plan.own_cache, &s->template, e);
	if (!r)
		(void)str_fmt(s->ve->state.init, sizeof(s->ve->state.init), "%s", t.init);
	store_close(&st);
	return r;
}

int steps_open_disk(struct start *s, bool check, disk_open_fn *open, struct err *e)
{
	_fd_ int private = -1;
	int r = plan_private(s->ve, &private, e);

	if (!r && check)
		r = s->plan.backend->prepare(private, &s->plan.disk, e);
	if (!r)
		r = open(private, &s->plan.disk, &s->disk, e);
	if (r < 0)
		return err_exit(e, VZ_MOUNT);
	s->ve->state.loop = s->disk.loop.num;
	s->ve->state.disk_dev = s->disk.loop.dev;
	return state_save(s->ve->in, s->ve->id, &s->ve->state, e);
}

/*
 * The kernel drops the last mounts of a dead mount namespace in its own time, and with them the
 * loop device. Until then the image is in use: a check or another start would find it busy.
 */
static void wait_loop_free(const struct ve *ve)
{
	struct timespec pause = { 0, 500000 };
	struct err ignored = ERR_INIT;
	_fd_ int dir = -1, file = -1;

	if (ve->state.loop < 0 || plan_private(ve, &dir, &ignored) < 0)
		return;
	file = openat(dir, "disk.img", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (file < 0)
		return;
	for (uint64_t end = proc_now_us() + LOOP_WAIT_MS * 1000; proc_now_us() < end;) {
		struct loop l = LOOP_INIT;

		if (loop_reopen(ve->state.loop, file, &l) < 0)
			return;
		loop_close(&l);
		(void)nanosleep(&pause, NULL);
	}
}

void down_disk(void *ctx)
{
	struct start *s = ctx;

	cleanup_fd(&s->template);
	disk_done(&s->disk);
	wait_loop_free(s->ve);
	inst_say(s->ve->in, "Container is unmounted");
}

/* What the scripts mount is for the host to see, not for our private copy of its mounts. */
int up_mount(void *ctx, struct err *e)
{
	struct start *s = ctx;
	_fd_ int back = -1;
	int r = ns_visit_home(&s->home, &back, e);

	if (r < 0)
		return r;
	r = hook_run(s->ve, HOOK_MOUNT, e);
	if (ns_visit_end(back, r < 0 ? &(struct err)ERR_INIT : e) < 0 && !r)
		r = -e->eno;
	return r;
}

void down_mount(void *ctx)
{
	struct start *s = ctx;

	ns_return_mounts(&s->home);
	hook_ignoring(s->ve, HOOK_UMOUNT);
}

void down_cgroup(void *ctx)
{
	struct start *s = ctx;
	struct err e = ERR_INIT;

	if (place_remove(s->ve, &e) < 0)
		steps_stay_unclean(s, &e);
}

int up_limits(void *ctx, struct err *e)
{
	struct start *s = ctx;
	_fd_ int lock = -1;
	int r = place_bound(s->ve, &lock, e);

	if (!r)
		r = apply_limits(s->ve, e);
	return r < 0 || lock < 0 ? r : apply_bounds(s->ve, e);
}

void down_limits(void *ctx)
{
	struct start *s = ctx;

	/* On a disk that is shared nothing but the VE's own node has had a limit. */
	if (s->ve->state.disk_dev && !(s->plan.backend && s->plan.backend->on_host))
		cg_forget_io(&s->ve->in->cg, (dev_t)s->ve->state.disk_dev);
}

int up_fence(void *ctx, struct err *e)
{
	struct start *s = ctx;

	return fence_up(s->ve->in, fence_of(s->ve), &s->fence, e);
}

void down_fence(void *ctx)
{
	struct start *s = ctx;

	cleanup_fd(&s->fence);
	fence_down(s->ve->in, fence_of(s->ve));
}

void down_init(void *ctx)
{
	struct start *s = ctx;
	const struct cg_host *cg = &s->ve->in->cg;
	struct err e = ERR_INIT;

	if (cg_populated(cg, s->ve->cg) &&
	    (cg_kill(cg, s->ve->cg, &e) < 0 ||
	     cg_wait_empty(cg, s->ve->cg, KILL_WAIT_MS, &e) < 0))
		steps_stay_unclean(s, &e);
	if (s->init.pid > 0)
		while (waitpid(s->init.pid, NULL, 0) < 0 && errno == EINTR)
			;
	s->init.pid = 0;
	spawn_done(&s->init);
	cleanup_fd(&s->console);
	cleanup_fd(&s->oom.fd);
	cleanup_fd(&s->oom.control);
	cleanup_fd(&s->node);
}

void steps_say_addresses(const struct ve *ve)
{
	char ips[4096];

	if (ve->conf.ips.n &&
	    param_format(param_by_key("IP_ADDRESS"), &ve->conf, true, ips, sizeof(ips)) == 0)
		inst_say(ve->in, "Adding IP address(es): %.900s", ips);
}

/* Addresses that a `set` without --save has given to the running VE only. */
static void release_unsaved(const struct ve *ve, const struct links *has)
{
	struct links_want w = links_of_conf(ve);
	struct err ignored = ERR_INIT;
	struct links saved;

	if (links_plan(ve, &w, &saved, &ignored) == 0)
		addrs_release(ve, has, &saved);
}

void down_network(void *ctx)
{
	struct start *s = ctx;
	struct err e = ERR_INIT;

	if (traffic_fold(s->ve->in, s->ve->id, &e) < 0)
		log_warn(&s->ve->in->log, "%s (counted later)", e.msg);
	release_unsaved(s->ve, &s->plan.links);
	if (links_down(s->ve->in, &s->plan.links) < 0)
		s->unclean = true;
}

int steps_open_log(int dir, const char *name, int flags, int *ret, struct err *e)
{
	int fd = openat(dir, name, flags | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, "open %s", name);
	*ret = fd;
	return 0;
}

int up_keeper(void *ctx, struct err *e)
{
	struct start *s = ctx;
	struct ve *ve = s->ve;
	_fd_ int dir = -1;
	int r = state_dir(ve->in, ve->id, true, &dir, e);

	if (!r)
		r = keeper_listen(dir, &s->listen, e);
	if (!r)
		r = steps_open_log(dir, "console.log", O_RDWR, &s->log, e);
	if (!r)
		r = steps_open_log(dir, "events.jsonl", O_WRONLY | O_APPEND, &s->events, e);
	if (r < 0)
		return r;
	if (cg_open_node(&ve->in->cg, ve->cg, &s->node) < 0)
		s->node = -1;                   /* the policy is left to the kernel */
	if (cg_open_oom(&ve->in->cg, ve->cg, &s->oom, e) < 0) {
		log_debug(&ve->in->log, "%s (no out-of-memory events)", e->msg);
		err_clear(e);
	}
	return 0;
}

int up_state(void *ctx, struct err *e)
{
	struct start *s = ctx;
	struct ve_state *st = &s->ve->state;
	int r = proc_starttime(s->init.pid, &st->starttime);

	if (r < 0) {
		errno = -r;
		return err_sys(e, "read the start time of init");
	}
	st->phase = PH_RUNNING;
	st->pid = s->init.pid;
	st->started = (uint64_t)time(NULL);
	up_note(s->ve->in, s->ve->id);
	r = state_save(s->ve->in, s->ve->id, st, e);
	if (!r)
		events_add(s->ve->in, s->ve->id, "started");
	return r;
}

int up_hook(void *ctx, struct err *e)
{
	struct start *s = ctx;
	int r;

	s->ve->pidfd = s->init.pidfd;           /* lent: the script runs inside */
	r = hook_run(s->ve, HOOK_START, e);
	s->ve->pidfd = -1;
	return r;
}
