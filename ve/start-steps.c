/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each step of a start does. An up may leave descriptors in the struct start, which the
 * worker holds; a down must do its work without them, and close them if they are there.
 */
#include "ve/start-steps.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "runtime/console.h"
#include "runtime/idmap.h"
#include "runtime/keeper.h"
#include "runtime/mounts.h"
#include "runtime/rootfs.h"
#include "templates/store.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-call.h"
#include "util/sys-fs.h"
#include "util/sys-proc.h"
#include "ve/addrs.h"
#include "ve/apply.h"
#include "ve/events.h"
#include "ve/exec.h"
#include "ve/fence.h"
#include "ve/guest.h"
#include "ve/hooks.h"
#include "ve/host-root.h"
#include "ve/intent.h"
#include "ve/netdev.h"
#include "ve/place.h"
#include "ve/start.h"
#include "ve/traffic.h"

#define LOOP_WAIT_MS 5000
#define KILL_WAIT_MS 20000

static uid_t base_of(const struct start *s)
{
	return (uid_t)s->ve->conf.local_uid;
}

int up_record(void *ctx, struct err *e)
{
	struct start *s = ctx;
	struct ve *ve = s->ve;
	int r;

	inst_say(ve->in, "Starting container...");
	ve->state = (struct ve_state){ .phase = PH_STARTING, .loop = -1, .uid_base = base_of(s),
				       .ips = ve->conf.ips };
	memcpy(ve->state.network, ve->conf.network, sizeof(ve->state.network));
	memcpy(ve->state.netif, ve->conf.netif, sizeof(ve->state.netif));
	memcpy(ve->state.fence, ve->conf.fence, sizeof(ve->state.fence));
	memcpy(ve->state.template, s->plan.digest, sizeof(ve->state.template));
	r = state_save(ve->in, ve->id, &ve->state, e);
	if (r < 0)
		return r;
	if (mkdir(s->plan.stage, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "make %s", s->plan.stage);
	return 0;
}

/* An undo goes on after a failure; the record stays, so that the next verb does all of it again. */
static void stay_unclean(struct start *s, const struct err *e)
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

int up_template(void *ctx, struct err *e)
{
	struct start *s = ctx;
	struct store st = STORE_INIT;
	struct template t;
	int r = store_open(s->ve->in->lib, s->ve->in->run, &st, e);

	if (!r)
		r = store_find(&st, s->plan.digest, &t, e);
	if (!r && !s->plan.whole)
		r = store_mount(&st, s->plan.digest, s->plan.own_cache, &s->template, e);
	if (!r)
		(void)str_fmt(s->ve->state.init, sizeof(s->ve->state.init), "%s", t.init);
	store_close(&st);
	return r;
}

int up_disk(void *ctx, struct err *e)
{
	struct start *s = ctx;
	_fd_ int private = -1;
	int r = plan_private(s->ve, &private, e);

	if (!r)
		r = s->plan.backend->prepare(private, &s->plan.disk, e);
	if (!r)
		r = s->plan.backend->mount(private, &s->plan.disk, &s->disk, e);
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
static void wait_loop_free(const struct ve *ve, const char *image)
{
	struct timespec pause = { 0, 500000 };
	struct err ignored = ERR_INIT;
	_fd_ int dir = -1, file = -1;

	if (ve->state.loop < 0 || plan_private(ve, &dir, &ignored) < 0)
		return;
	file = openat(dir, image, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
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
	wait_loop_free(s->ve, "disk.img");
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

int up_cgroup(void *ctx, struct err *e)
{
	struct start *s = ctx;
	int r = place_make(s->ve, e);

	if (!r)
		r = cg_set_devices(&s->ve->in->cg, s->ve->cg, NULL, 0, e);
	return r;
}

void down_cgroup(void *ctx)
{
	struct start *s = ctx;
	struct err e = ERR_INIT;

	if (place_remove(s->ve, &e) < 0)
		stay_unclean(s, &e);
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

int up_stage(void *ctx, struct err *e)
{
	struct start *s = ctx;

	return ns_unshare_mounts(&s->home, e);
}

void down_stage(void *ctx)
{
	struct start *s = ctx;

	cleanup_fd(&s->root);
	cleanup_fd(&s->console_slave);
	cleanup_fd(&s->disk.mnt);
	ns_return_mounts(&s->home);
}

int up_init(void *ctx, struct err *e)
{
	struct start *s = ctx;
	struct ve *ve = s->ve;
	struct spawn_spec spec = { .payload = -1, .base = base_of(s), .init = s->plan.init,
				   .hostname = s->plan.hostname, .env = s->plan.env,
				   .no_core = s->plan.no_core };
	int r = cg_open_payload(&ve->in->cg, ve->cg, false, &spec.payload, e);

	if (r < 0)
		return r;
	r = cg_open_tasks(&ve->in->cg, ve->cg, &spec.tasks, e);
	if (!r) {
		r = spawn_init(&spec, &s->init, e);
		cg_tasks_close(&spec.tasks);
	}
	(void)close(spec.payload);
	return r;
}

void down_init(void *ctx)
{
	struct start *s = ctx;
	const struct cg_host *cg = &s->ve->in->cg;
	struct err e = ERR_INIT;

	if (cg_populated(cg, s->ve->cg) &&
	    (cg_kill(cg, s->ve->cg, &e) < 0 ||
	     cg_wait_empty(cg, s->ve->cg, KILL_WAIT_MS, &e) < 0))
		stay_unclean(s, &e);
	if (s->init.pid > 0)
		while (waitpid(s->init.pid, NULL, 0) < 0 && errno == EINTR)
			;
	s->init.pid = 0;
	spawn_done(&s->init);
	cleanup_fd(&s->console);
	cleanup_fd(&s->oom);
	cleanup_fd(&s->node);
}

/* /dev is the tmpfs that mounts_build has just made; nothing of the guest has run yet. */
static int open_console(struct start *s, int pts, struct err *e)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
				.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS };
	_fd_ int dev = sys_openat2(s->root, "dev", &how);
	int r;

	if (dev < 0)
		return err_sys(e, "open /dev of the VE");
	r = pty_open(pts, &s->console, &s->console_slave, e);
	return r < 0 ? r : pty_bind(pts, s->console_slave, dev, "console", e);
}

/* How a later `set` knows the VE's own mounts from what its tenant has put over them. */
static int note_mounts(struct start *s, int pts, struct err *e)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC,
				.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS };
	_fd_ int shm = sys_openat2(s->root, "dev/shm", &how);
	struct stat st[2];

	if (shm < 0 || fstat(shm, &st[0]) < 0 || fstat(pts, &st[1]) < 0)
		return err_sys(e, "look at /dev of the VE");
	s->ve->state.shm_dev = st[0].st_dev;
	s->ve->state.pts_dev = st[1].st_dev;
	return 0;
}

static uint64_t shm_size(const struct ve *ve)
{
	uint64_t v = wanted_or_none(ve, param_by_key("SHMPAGES"));

	return v == U64_UNLIMITED ? 0 : v;
}

static int build_mounts(struct start *s, struct err *e)
{
	struct mounts_spec m = { .root = s->root, .uid = base_of(s), .gid = base_of(s),
				 .ptys = (unsigned)wanted_ptys(s->ve, param_by_key("NUMPTY")),
				 .shm = shm_size(s->ve),
				 .lxcfs = s->ve->in->conf.lxcfs && mounts_lxcfs_present() };
	struct ns_visit home;
	_fd_ int pts = -1;
	struct err left = ERR_INIT;
	int r = ns_enter(s->init.pidfd, &home, e);

	if (r < 0)
		return r;
	r = mounts_build(&m, &pts, e);
	if (ns_leave(&home, &left) < 0 && !r) {
		*e = left;
		r = -e->eno;
	}
	if (!r)
		r = note_mounts(s, pts, e);
	return r < 0 ? r : open_console(s, pts, e);
}

int up_root(void *ctx, struct err *e)
{
	struct start *s = ctx;
	struct overlay_spec o = { .lower = s->template, .upper = s->disk.mnt, .userns = -1,
				  .root_uid = base_of(s), .root_gid = base_of(s), .stage = -1 };
	int r = s->ve->in->conf.host_roots ? idmap_open_shared(base_of(s), &o.userns, e) :
					     ns_open(s->init.pid, "user", &o.userns, e);

	if (r < 0)
		return r;
	r = rootfs_attach(&o, s->plan.stage, &s->root, e);
	(void)close(o.userns);
	if (r < 0)
		return err_exit(e, VZ_MOUNT);
	r = spawn_joined(&s->init, e);
	if (r < 0)
		return r;
	r = build_mounts(s, e);
	if (r < 0)
		return err_exit(e, VZ_MOUNT);
	inst_say(s->ve->in, "Container is mounted");
	return 0;
}

int up_show(void *ctx, struct err *e)
{
	struct start *s = ctx;
	int r = 0;

	if (s->ve->in->conf.host_roots)
		r = host_root_show(s->ve, s->root, &s->home, e);
	return r < 0 ? err_exit(e, VZ_MOUNT) : 0;
}

/* Also where the switch has been turned off meanwhile. */
void down_show(void *ctx)
{
	struct start *s = ctx;

	ns_return_mounts(&s->home);
	host_root_hide(s->ve);
}

int up_network(void *ctx, struct err *e)
{
	struct start *s = ctx;
	_fd_ int netns = -1;
	char ips[4096];
	int r = ns_open(s->init.pid, "net", &netns, e);

	if (!r)
		r = links_probe(NULL, &s->plan.links, e);
	if (!r)
		r = links_up(s->ve->in, &s->plan.links, netns, e);
	if (r < 0)
		return err_exit(e, VZ_VETH);
	cleanup_fd(&s->fence);
	if (s->ve->conf.ips.n &&
	    param_format(param_by_key("IP_ADDRESS"), &s->ve->conf, true, ips, sizeof(ips)) == 0)
		inst_say(s->ve->in, "Adding IP address(es): %.900s", ips);
	return 0;
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

int up_guest(void *ctx, struct err *e)
{
	struct start *s = ctx;

	return guest_setup(s->ve, s->root, e);
}

int up_pivot(void *ctx, struct err *e)
{
	struct start *s = ctx;
	int r = spawn_root(&s->init, s->root, s->console_slave, e);

	if (r < 0)
		return r;
	cleanup_fd(&s->root);
	cleanup_fd(&s->console_slave);
	ns_return_mounts(&s->home);             /* frees the private copy: init has its own */
	s->ve->state.pid = s->init.pid;
	s->ve->pidfd = s->init.pidfd;           /* lent */
	r = apply_inside(s->ve, e);
	s->ve->pidfd = -1;
	return r;
}

/* Not before the mounts that are made here are the host's again. */
int up_device(void *ctx, struct err *e)
{
	struct start *s = ctx;
	_fd_ int netns = -1;
	int r = ns_open(s->init.pid, "net", &netns, e);

	if (r == 0)
		r = netdev_up_all(s->ve->in, &s->plan.links, netns, e);
	return r < 0 ? err_exit(e, VZ_NETDEV) : 0;
}

void down_device(void *ctx)
{
	struct start *s = ctx;
	struct err e = ERR_INIT;

	if (netdev_down_all(s->ve->in, &s->plan.links, &e) < 0)
		stay_unclean(s, &e);
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
	if (cg_open_oom(&ve->in->cg, ve->cg, &s->oom, &s->oom_events, e) < 0) {
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

int up_go(void *ctx, struct err *e)
{
	struct start *s = ctx;
	const struct ve_conf *c = &s->ve->conf;
	const struct inst *in = s->ve->in;
	int r;

	if (c->cpulimit)
		inst_say(in, "Setting CPU limit: %" PRIu64, c->cpulimit);
	if (c->cpuunits)
		inst_say(in, "Setting CPU units: %" PRIu64, c->cpuunits);
	if (c->cpus)
		inst_say(in, "Setting CPUs: %" PRIu64, c->cpus);
	r = spawn_go(&s->init, e);
	if (r < 0)
		return r;
	inst_say(in, "Container start in progress...");
	return 0;
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

/* ---- start --wait ---- */

static int ready(struct ve *ve, int timeout_ms, struct err *e)
{
	static const char script[] =
		"if [ -d /run/systemd/system ]; then\n"
		"  s=$(systemctl is-system-running 2>/dev/null)\n"
		"  case \"$s\" in running|degraded) exit 0;; esac\n"
		"  exit 1\n"
		"fi\n"
		"[ ! -e /lib/systemd/systemd ] || exit 1\n"
		"[ ! -x /sbin/runlevel ] || /sbin/runlevel 2>/dev/null | grep -q ' [2-5]$'\n";

	return exec_script(ve, script, timeout_ms, e);
}

int start_wait_ready(struct inst *in, uint32_t id, int wait_ms, struct err *e)
{
	uint64_t end = proc_now_us() + (uint64_t)wait_ms * 1000;
	struct timespec pause = { 0, 50000000 };
	struct ve ve;
	int r = ve_open(&ve, in, id, NULL, e);

	if (r < 0)
		return r;
	do {
		r = ve.pidfd < 0 || proc_wait_gone(ve.pidfd, 0) == 0 ? -ESRCH :
		    ready(&ve, (int)((int64_t)(end - proc_now_us()) / 1000), e);
		if (r > 0)
			(void)nanosleep(&pause, NULL);
	} while (r > 0 && proc_now_us() < end);
	ve_close(&ve);
	if (r == 0)
		return 0;
	return err_set(e, ETIMEDOUT, VZ_WAIT_FAILED, "VE %u %s", id,
		       r == -ESRCH ? "stopped while it was booting"
				   : "runs, but has not reached its ready state in time");
}
