/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps of ve/start.c that only a container has. Rules for them: ve/start-steps.c. */
#include "ve/ct-steps.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/console.h"
#include "runtime/idmap.h"
#include "runtime/mounts.h"
#include "runtime/nsenter.h"
#include "runtime/rootfs.h"
#include "runtime/spawn.h"
#include "templates/store.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/sys-call.h"
#include "ve/addrs.h"
#include "ve/apply.h"
#include "ve/guest.h"
#include "ve/host-root.h"
#include "ve/links.h"
#include "ve/netdev.h"
#include "ve/place.h"
#include "ve/start-steps.h"

static uid_t base_of(const struct start *s)
{
	return (uid_t)s->ve->conf.local_uid;
}

int up_record(void *ctx, struct err *e)
{
	struct start *s = ctx;

	inst_say(s->ve->in, "Starting container...");
	return steps_record(s, &(struct ve_state)VE_STATE_INIT, e);
}

int up_template(void *ctx, struct err *e)
{
	return steps_open_template(ctx, store_mount, e);
}

int up_disk(void *ctx, struct err *e)
{
	struct start *s = ctx;

	return steps_open_disk(s, true, s->plan.backend->mount, e);
}

int up_cgroup(void *ctx, struct err *e)
{
	struct start *s = ctx;
	int r = place_make(s->ve, e);

	if (!r)
		r = cg_set_devices(&s->ve->in->cg, s->ve->cg, NULL, 0, e);
	return r;
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
	cleanup_fd(&s->proc_sys);
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
	r = cg_open_tasks(&ve->in->cg, ve->cg, io_in_root(ve), &spec.tasks, e);
	if (!r) {
		r = spawn_init(&spec, &s->init, e);
		cg_tasks_close(&spec.tasks);
	}
	(void)close(spec.payload);
	return r;
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
	struct mounts_made made = MOUNTS_MADE_INIT;
	struct ns_visit home;
	struct err left = ERR_INIT;
	int r = ns_enter(s->init.pidfd, &home, e);

	if (r < 0)
		return r;
	r = mounts_build(&m, &made, e);
	if (ns_leave(&home, &left) < 0 && !r) {
		*e = left;
		r = -e->eno;
	}
	if (!r)
		r = note_mounts(s, made.pts, e);
	if (!r)
		r = open_console(s, made.pts, e);
	s->proc_sys = TAKE_FD(made.sys);
	mounts_made_close(&made);
	return r;
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
	int r = ns_open(s->init.pid, "net", &netns, e);

	if (!r)
		r = links_probe(NULL, &s->plan.links, e);
	if (!r)
		r = links_up(s->ve->in, &s->plan.links, netns, e);
	if (r < 0)
		return err_exit(e, VZ_VETH);
	cleanup_fd(&s->fence);
	steps_say_addresses(s->ve);
	return 0;
}

int up_guest(void *ctx, struct err *e)
{
	struct start *s = ctx;

	return guest_setup(s->ve, s->root, e);
}

int up_pivot(void *ctx, struct err *e)
{
	struct start *s = ctx;
	int r = spawn_root(&s->init, s->root, s->console_slave, s->proc_sys, e);

	if (r < 0)
		return r;
	cleanup_fd(&s->root);
	cleanup_fd(&s->console_slave);
	cleanup_fd(&s->proc_sys);
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
		steps_stay_unclean(s, &e);
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
