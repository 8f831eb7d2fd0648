/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The start of a container, on one page: what is done in which order, with the undo beside it.
 * The steps themselves are in ve/start-steps.c and ve/ct-steps.c, the guest's side in
 * runtime/child.c.
 *
 *    host: the worker                            guest: init to be
 *    template and disk mounted, detached
 *    cgroups made, limits set
 *    private mount namespace; clone3        -->  waits
 *    id maps written                   MAPPED -->  root of the VE, in its cgroups,
 *    overlay mounted                               its own namespaces made
 *                                           <-- JOINED
 *    /proc /sys /dev, masks built in the shared
 *    mount namespace; root shown on the host,
 *    scripts run there; link made in the VE's
 *    network namespace
 *    console opened                      ROOT -->  own mount namespace (all locked), pivot
 *                                           <-- ROOTED
 *    guest files, keeper's socket          GO -->  capabilities, filter, exec of init
 *    end of file = init runs: state         <-- ERR(struct err) at any point
 *    written
 *
 * The worker is a child of the command, one per VE. When init runs it executes berth-keeper
 * and so stays init's parent. When a step fails it undoes that step and all before it.
 */
#include "ve/start.h"

#include "runtime/keeper.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/addrs.h"
#include "ve/create.h"
#include "ve/ct-steps.h"
#include "ve/first.h"
#include "ve/intent.h"
#include "ve/keep.h"
#include "ve/mount.h"
#include "ve/ready.h"
#include "ve/registry.h"
#include "ve/start-steps.h"
#include "ve/suspend.h"
#include "ve/vm-steps.h"
#include "ve/vm.h"
#include "ve/worker.h"

/* clang-format off */
const struct step start_steps[] = {
	{ "record",   up_record,   down_record },       /* a start that dies is found by its record */
	{ "premount", up_premount, down_premount },
	{ "template", up_template, NULL },
	{ "disk",     up_disk,     down_disk },
	{ "cgroup",   up_cgroup,   down_cgroup },
	{ "limits",   up_limits,   down_limits },
	{ "fence",    up_fence,    down_fence },        /* of a copy in one: its namespace, bound on the host */
	{ "stage",    up_stage,    down_stage },        /* private mount namespace */
	{ "init",     up_init,     down_init },
	{ "root",     up_root,     NULL },
	{ "show",     up_show,     down_show },         /* on the host, where that is wanted */
	{ "mount",    up_mount,    down_mount },        /* the administrator's scripts */
	{ "network",  up_network,  down_network },
	{ "guest",    up_guest,    NULL },
	{ "pivot",    up_pivot,    NULL },
	{ "device",   up_device,   down_device },       /* links of the host that move in */
	{ "keeper",   up_keeper,   NULL },
	{ "go",       up_go,       NULL },
	{ "state",    up_state,    NULL },              /* killed before this: not started, undone */
	{ "hook",     up_hook,     NULL },
};
/* clang-format on */
const size_t n_start_steps = ARRAY_SIZE(start_steps);

/*
 * The last to close a mount that is attached nowhere waits for a grace period of RCU: a start
 * closes those of template and disk only when it has reported, and holds them longer than init.
 */
static void start_done(struct start *s)
{
	vm_start_done(s);
	cleanup_fd(&s->template);
	cleanup_fd(&s->root);
	cleanup_fd(&s->console_slave);
	cleanup_fd(&s->proc_sys);
	disk_done(&s->disk);
}

void start_init(struct start *s, struct ve *ve)
{
	*s = (struct start){ .ve = ve, .fence = -1, .template = -1, .disk = DISK_INIT, .home = NS_HOME_INIT,
			     .init = SPAWN_INIT, .root = -1, .console = -1, .console_slave = -1, .proc_sys = -1,
			     .listen = -1, .log = -1, .events = -1, .oom = CG_OOM_INIT, .node = -1,
			     .vm = { .kernel = KERNEL_FILES_INIT, .qmp = -1,
				     .sock_events = -1, .sock_console = -1, .qemu_log = -1, .memory = -1,
				     .monitor = -1 } };
	for (unsigned i = 0; i < AGENT_PORTS; i++)
		s->vm.agents[i] = -1;
	for (unsigned i = 0; i < NET_MAX_LINKS; i++)
		s->vm.taps[i] = -1;
}

/* Nobody knows of the VM's rest but its own table; that of a container undoes a mount, too. */
void start_undo(struct ve *ve, const char *what)
{
	struct start s;

	start_init(&s, ve);
	plan_for_undo(ve, &s.plan);
	if (ve->state.vm)
		steps_down(vm_start_steps, n_vm_start_steps, &s, &ve->in->log, what);
	else
		steps_down(start_steps, n_start_steps, &s, &ve->in->log, what);
}

void start_undo_disk(struct ve *ve, const char *what)
{
	struct start s;
	size_t n = 0;

	while (start_steps[n].up != up_show)
		n++;
	start_init(&s, ve);
	plan_for_undo(ve, &s.plan);
	steps_down(start_steps, n + 1, &s, &ve->in->log, what);
}

/* Hand init over: this process is its parent and becomes the keeper. */
static int become_keeper(struct start *s, struct err *e)
{
	struct keeper_start k = {
		.program = s->ve->in->keeper, .berth = s->ve->in->self, .root = s->ve->in->root,
		.veid = s->ve->id, .init = s->init.pid, .listen = s->listen,
		.pidfd = s->init.pidfd, .console = s->console, .log = s->log, .oom = s->oom.fd,
		.oom_events = s->oom.events, .oom_control = s->oom.control, .node = s->node,
		.events = s->events, .monitor = s->vm.monitor,
	};

	return keep_exec(s->ve->in, &k, e);
}

/* The worker. Returns only when the start failed, everything undone. */
static int worker(void *arg, int report, struct err *e)
{
	struct start *s = arg;
	bool vm = str_eq(s->ve->conf.kind, "vm");
	char what[32];
	int r;

	(void)str_fmt(what, sizeof(what), "%s %u", s->vm.from ? "restore" : vm ? "start-vm" : "start",
		      s->ve->id);
	if (s->vm.from)
		r = steps_up(vm_restore_steps, n_vm_restore_steps, s, &s->ve->in->log, what, e);
	else if (vm)
		r = steps_up(vm_start_steps, n_vm_start_steps, s, &s->ve->in->log, what, e);
	else
		r = steps_up(start_steps, n_start_steps, s, &s->ve->in->log, what, e);
	if (!r)
		worker_report(report, NULL);
	if (!r)
		links_announce(&s->plan.links, s->vm.taps);
	start_done(s);
	if (r < 0)
		return r;
	return become_keeper(s, e);
}

static int refuse(const struct ve *ve, const struct start_opts *o, struct err *e)
{
	if (ve->state.phase == PH_RUNNING)
		return err_set(e, EALREADY, VZ_RUNNING, "VE %u is already running", ve->id);
	if (o->only_up && !up_read(ve->in, ve->id))
		return err_set(e, ECANCELED, 0, "VE %u was stopped meanwhile", ve->id);
	if (ve->conf.disabled && !o->force)
		return err_set(e, EPERM, VZ_DISABLED,
			       "VE %u is disabled; start --force starts it all the same", ve->id);
	if (o->accel && !str_eq(ve->conf.kind, "vm"))
		return err_set(e, EINVAL, VZ_BAD_OPTION, "VE %u: --accel is for virtual machines", ve->id);
	return create_check_made(ve, e);
}

/*
 * What the config names may be another's: it was copied or edited by hand, or the claims lay in
 * another filesystem than the config when power was cut.
 */
static int claim(const struct ve *ve, const struct plan *p, struct err *e)
{
	int r = reg_ids_claim(ve->in, ve->id, ve->conf.local_uid, e);

	if (!r)
		r = addrs_claim(ve, &p->links, e);
	return r < 0 ? err_wrap(e, "start %u", ve->id) : 0;
}

/* What a mount, a killed start or a dead init left; nobody asked to hear of it. */
static int tidy_up(struct ve *ve, struct err *e)
{
	void (*say)(void *, const char *) = ve->in->say;
	int r = 0;

	ve->in->say = NULL;
	if (ve->state.phase == PH_MOUNTED)
		r = mount_undo(ve, e);
	else if (ve->state.phase != PH_STOPPED)
		start_undo(ve, "tidy up");
	ve->in->say = say;
	return r;
}

int ve_start(struct inst *in, uint32_t id, const struct start_opts *o, struct err *e)
{
	bool suspended;
	struct dump dump;
	struct start s;
	struct ve ve;
	int r = ve_open(&ve, in, id, "start", e);

	if (r < 0)
		return r;
	start_init(&s, &ve);
	s.opts = o;
	suspended = ve.state.suspended;
	r = refuse(&ve, o, e);
	if (!r)
		r = plan_make(&ve, &s.plan, e);
	if (!r)
		r = tidy_up(&ve, e);
	if (!r)
		r = links_check_names(NULL, &s.plan.links, e);
	if (!r && suspended)
		r = restore_check(&s, &dump, e);
	else if (!r && str_eq(ve.conf.kind, "vm"))
		r = vm_check(&ve, &s.plan.vm, o, e);
	if (!r)
		r = claim(&ve, &s.plan, e);
	if (!r) {
		cg_load_devices(&in->cg);
		r = worker_run(in, worker, &s, e);
	}
	if (!r && !str_eq(ve.conf.kind, "vm"))
		first_go(&ve);
	if (r < 0 && s.vm.from)
		r = err_exit(e, VZ_RESUME);
	else if (s.vm.from)
		restore_done(&ve);
	start_done(&s);
	ve_close(&ve);
	if (!r && o->wait_ms)
		r = ready_wait(in, id, o->wait_ms, e);
	return r;
}
