/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps of ve/vm-start.c that a container has not. Rules for them: ve/start-steps.c. */
#include "ve/vm-steps.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "templates/store.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/addrs.h"
#include "ve/apply.h"
#include "ve/links.h"
#include "ve/place.h"
#include "ve/start-steps.h"
#include "ve/vm.h"
#include "vm/agent.h"
#include "vm/dump.h"
#include "vm/jail.h"
#include "vm/kernel.h"
#include "vm/qemu.h"
#include "vm/qmp.h"
#include "vm/sock.h"

#define BOOT_MS 60000                   /* to the agent's first word, under TCG on a busy host */
#define SETUP_MS 30000

int vm_record(struct start *s, const char *accel, struct err *e)
{
	const struct vm_plan *p = &s->plan.vm;
	struct ve_state st = { .vm = true, .ram = p->ram, .ram_now = p->ram, .ram_max = p->ram_max,
			       .cpus_now = p->cpus, .cpus_max = p->cpus_max };

	(void)str_fmt(st.machine, sizeof(st.machine), "%s", vm_type_word(p->type));
	(void)str_fmt(st.accel, sizeof(st.accel), "%s", accel);
	s->vm.kvm = str_eq(accel, "kvm");
	return steps_record(s, &st, e);
}

int up_vm_record(void *ctx, struct err *e)
{
	struct start *s = ctx;

	inst_say(s->ve->in, "Starting virtual machine...");
	return vm_record(s, s->ve->state.accel, e);
}

int up_vm_template(void *ctx, struct err *e)
{
	struct start *s = ctx;

	if (!s->plan.vm.own_disk)
		return steps_open_template(s, store_device, e);
	(void)str_fmt(s->ve->state.init, sizeof(s->ve->state.init), "acpi");
	return 0;
}

int up_vm_disk(void *ctx, struct err *e)
{
	struct start *s = ctx;

	return steps_open_disk(s, true, s->plan.backend->attach, e);
}

int up_vm_cgroup(void *ctx, struct err *e)
{
	static const struct cg_dev kvm = { 'c', 10, 232, true, true };
	struct start *s = ctx;
	int r = place_make(s->ve, e);

	return r < 0 ? r : cg_set_devices(&s->ve->in->cg, s->ve->cg, &kvm, s->vm.kvm, e);
}

/* A machine has memory whether its config says how much or not. */
int up_vm_limits(void *ctx, struct err *e)
{
	const struct param *ram = param_by_key("PHYSPAGES");
	struct start *s = ctx;
	int r = up_limits(ctx, e);

	return r < 0 || conf_has(&s->ve->conf, ram) ? r : param_apply(s->ve, ram, e);
}

int up_vm_kernel(void *ctx, struct err *e)
{
	struct start *s = ctx;
	const struct inst *in = s->ve->in;
	const char *slash = strrchr(in->keeper, '/');
	char agent[PATH_MAX], kernel[KERNEL_NAME];
	int r;

	if (s->plan.vm.own_disk)
		return 0;
	(void)str_fmt(agent, sizeof(agent), "%.*s/berth-agent", (int)(slash - in->keeper), in->keeper);
	vm_kernel(s->ve, kernel);
	r = kernel_open(in->lib, s->vm.from ? s->vm.from->kernel : kernel, agent, &s->vm.kernel, e);
	(void)str_fmt(s->ve->state.kernel, sizeof(s->ve->state.kernel), "%s", s->vm.kernel.name);
	return r;
}

int up_vm_network(void *ctx, struct err *e)
{
	struct start *s = ctx;
	int r = links_probe(NULL, &s->plan.links, e);

	if (!r)
		r = links_up_taps(s->ve->in, &s->plan.links, s->vm.taps, e);
	if (r < 0)
		return err_exit(e, VZ_VETH);
	cleanup_fd(&s->fence);
	steps_say_addresses(s->ve);
	return 0;
}

int up_vm_sockets(void *ctx, struct err *e)
{
	struct start *s = ctx;
	struct vm_start *v = &s->vm;
	_fd_ int dir = -1;
	char name[24];
	int r = state_dir(s->ve->in, s->ve->id, true, &dir, e);

	if (!r)
		r = vm_listen(dir, VM_SOCK_QMP, &v->qmp, e);
	if (!r)
		r = vm_listen(dir, VM_SOCK_EVENTS, &v->sock_events, e);
	if (!r)
		r = vm_listen(dir, VM_SOCK_CONSOLE, &v->sock_console, e);
	for (unsigned i = 0; !r && i < AGENT_PORTS && !s->plan.vm.own_disk; i++) {
		vm_agent_sock(i, name);
		r = vm_listen(dir, name, &v->agents[i], e);
	}
	if (!r)
		r = steps_open_log(dir, "qemu.log", O_WRONLY | O_APPEND, &v->qemu_log, e);
	return r;
}

/* "cpu MHz : 2450.000"; 0 where it is not said. */
static uint32_t host_khz(void)
{
	struct err ignored = ERR_INIT;
	_free_ char *text = NULL;
	const char *p;
	uint32_t khz = 0;
	int places = -1;

	if (fs_read_at(AT_FDCWD, "/proc/cpuinfo", 1 << 20, &text, NULL, &ignored) < 0)
		return 0;
	p = strstr(text, "cpu MHz");
	if (!p)
		return 0;
	for (p += strcspn(p, "0123456789\n"); places < 3 && ((*p >= '0' && *p <= '9') || *p == '.'); p++) {
		if (*p == '.')
			places = 0;
		else
			khz = khz * 10 + (uint32_t)(*p - '0');
		places += *p != '.' && places >= 0;
	}
	for (; places >= 0 && places < 3; places++)
		khz *= 10;
	return khz;
}

static void machine_of(const struct start *s, struct vm_machine *m)
{
	const struct vm_plan *p = &s->plan.vm;

	*m = (struct vm_machine){ .id = s->ve->id, .accel = s->vm.kvm ? VM_KVM : VM_TCG,
				  .type = p->type, .own_disk = p->own_disk, .whole = s->plan.whole,
				  .ram = p->ram, .ram_max = p->ram_max,
				  .cpus = p->cpus, .cpus_max = p->cpus_max, .n_links = s->plan.links.n,
				  .tsc_khz = s->vm.kvm ? 0 : host_khz() };
	for (unsigned i = 0; i < m->n_links; i++) {
		memcpy(m->nic[i].mac, s->plan.links.a[i].guest_mac, sizeof(m->nic[i].mac));
		m->nic[i].index = s->plan.links.a[i].index;
	}
}

int vm_hardware(const struct start *s, char ret[65], struct err *e)
{
	struct vm_args *args = calloc(1, sizeof(*args));
	struct vm_machine m;
	int r;

	if (!args)
		return err_set(e, ENOMEM, 0, "start QEMU: out of memory");
	machine_of(s, &m);
	r = vm_args_make(&m, args, e);
	if (!r)
		dump_machine(args, ret);
	free(args);
	return r;
}

static void jail_fds(const struct start *s, int fds[VM_FD_END])
{
	const struct vm_start *v = &s->vm;

	for (int i = 0; i < VM_FD_END; i++)
		fds[i] = -1;
	for (unsigned i = 0; i < NET_MAX_LINKS; i++)
		fds[VM_FD_TAP + i] = v->taps[i];
	fds[VM_FD_TEMPLATE] = s->template;
	fds[VM_FD_DISK] = s->disk.loop.fd;
	fds[VM_FD_QMP] = v->qmp;
	fds[VM_FD_EVENTS] = v->sock_events;
	fds[VM_FD_CONSOLE] = v->sock_console;
	for (int i = 0; i < AGENT_PORTS; i++)
		fds[VM_FD_AGENT + i] = v->agents[i];
}

int up_vm_init(void *ctx, struct err *e)
{
	struct start *s = ctx;
	struct ve *ve = s->ve;
	struct vm_args *args = calloc(1, sizeof(*args));
	struct jail_spec j = { .payload = -1, .id = (uid_t)ve->conf.local_uid, .stage = s->plan.stage,
			       .kernel = s->vm.kernel.image, .initramfs = s->vm.kernel.initramfs,
			       .log = s->vm.qemu_log, .kvm = s->vm.kvm, .args = args };
	struct vm_machine m;
	int r = args ? 0 : err_set(e, ENOMEM, 0, "start QEMU: out of memory");

	machine_of(s, &m);
	jail_fds(s, j.fds);
	if (!r)
		r = vm_args_make(&m, args, e);
	if (!r) {
		dump_machine(args, ve->state.hardware);
		r = s->vm.from ? vm_args_incoming(args, e) : 0;
	}
	if (!r)
		r = cg_open_payload(&ve->in->cg, ve->cg, false, &j.payload, e);
	if (!r)
		r = cg_open_tasks(&ve->in->cg, ve->cg, false, &j.tasks, e);
	if (!r) {
		r = jail_start(&j, &s->init.pid, &s->init.pidfd, e);
		cg_tasks_close(&j.tasks);
	}
	cleanup_fd(&j.payload);
	free(args);
	return r;
}

int vm_keeper_fds(int dir, int *ret_console, int *ret_monitor, struct err *e)
{
	static const char hello[] = "{\"execute\":\"qmp_capabilities\"}\n";
	_fd_ int console = -1, monitor = -1;
	int r = vm_connect(dir, VM_SOCK_CONSOLE, 2000, &console, e);

	if (!r)
		r = vm_connect(dir, VM_SOCK_EVENTS, 2000, &monitor, e);
	if (!r && send(monitor, hello, sizeof(hello) - 1, MSG_NOSIGNAL) < 0)
		r = err_sys(e, "ask QEMU for its events");
	if (r < 0)
		return r;
	*ret_console = TAKE_FD(console);
	*ret_monitor = TAKE_FD(monitor);
	return 0;
}

int up_vm_keeper(void *ctx, struct err *e)
{
	struct start *s = ctx;
	_fd_ int dir = -1;
	int r = up_keeper(ctx, e);

	if (!r)
		r = state_dir(s->ve->in, s->ve->id, false, &dir, e);
	return r < 0 ? r : vm_keeper_fds(dir, &s->console, &s->vm.monitor, e);
}

int vm_tell_log(const struct start *s, struct err *e)
{
	struct err ignored = ERR_INIT;
	_free_ char *text = NULL;
	_fd_ int dir = -1;
	size_t len;
	char *line;

	if (state_dir(s->ve->in, s->ve->id, false, &dir, &ignored) < 0 ||
	    fs_read_at(dir, "qemu.log", 1 << 20, &text, &len, &ignored) < 0 || !len)
		return -e->eno;
	while (len && text[len - 1] == '\n')
		text[--len] = '\0';
	line = strrchr(text, '\n');
	return err_set(e, e->eno, VZ_ENV_CREATE, "QEMU: %.400s", line ? line + 1 : text);
}

/* What is on the disk is its tenant's: there is nobody to talk to. */
static int own_disk(struct start *s, int dir, struct err *e)
{
	int r = qmp_wait_up(dir, s->init.pidfd, BOOT_MS, e);

	return r == -ECONNRESET ? vm_tell_log(s, e) : r;
}

static int with_agent(struct start *s, int dir, struct err *e)
{
	struct agent_link *l = calloc(1, sizeof(*l));
	int r = l ? 0 : err_set(e, ENOMEM, 0, "talk to the VM: out of memory");

	if (!r) {
		*l = (struct agent_link)AGENT_LINK_INIT;
		r = agent_open(dir, s->init.pidfd, BOOT_MS, l, e);
		if (r == -ECONNRESET)
			r = vm_tell_log(s, e);
		if (!r)
			r = vm_setup(s->ve, l, NULL, e);
	}
	s->vm.link = l;
	return r;
}

int up_vm_guest(void *ctx, struct err *e)
{
	struct start *s = ctx;
	_fd_ int dir = -1;
	int r = state_dir(s->ve->in, s->ve->id, false, &dir, e);

	if (!r)
		r = s->plan.vm.own_disk ? own_disk(s, dir, e) : with_agent(s, dir, e);
	if (r < 0)
		return err_exit(e, VZ_ENV_CREATE);
	inst_say(s->ve->in, "Container is mounted");
	return jail_seal(s->init.pidfd, e);
}

int up_vm_go(void *ctx, struct err *e)
{
	struct start *s = ctx;
	const struct agent_call go = { .type = AGENT_GO, .timeout_ms = SETUP_MS };
	int r = s->plan.vm.own_disk ? 0 : agent_call(s->vm.link, &go, e);

	if (!r)
		inst_say(s->ve->in, "Container start in progress...");
	return r;
}

void vm_start_done(struct start *s)
{
	struct vm_start *v = &s->vm;

	kernel_close(&v->kernel);
	for (unsigned i = 0; i < NET_MAX_LINKS; i++)
		cleanup_fd(&v->taps[i]);
	cleanup_fd(&v->qmp);
	cleanup_fd(&v->sock_events);
	cleanup_fd(&v->sock_console);
	cleanup_fd(&v->qemu_log);
	cleanup_fd(&v->memory);
	for (unsigned i = 0; i < AGENT_PORTS; i++)
		cleanup_fd(&v->agents[i]);
	if (v->link)
		agent_close(v->link);
	free(v->link);
	v->link = NULL;
}
