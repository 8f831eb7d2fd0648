/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps of ve/vm-start.c that a container has not. Rules for them: ve/start-steps.c. */
#include "ve/vm.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "runtime/keeper.h"
#include "templates/store.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "util/sys-proc.h"
#include "ve/addrs.h"
#include "ve/apply.h"
#include "ve/place.h"
#include "ve/start-steps.h"
#include "ve/suspend.h"
#include "vm/jail.h"
#include "vm/qemu.h"
#include "vm/qmp.h"
#include "vm/sock.h"

#define MIB (UINT64_C(1) << 20)
#define BOOT_MS 60000                   /* to the agent's first word, under TCG on a busy host */
#define SETUP_MS 30000

bool ve_is_vm(const struct ve *ve)
{
	return ve->state.phase == PH_RUNNING || ve->state.phase == PH_DEAD
		       ? ve->state.vm : str_eq(ve->conf.kind, "vm");
}

/* ---- before anything is touched ---- */

/* kvm-pvm is KVM for kernels that know it. A stock kernel dies in its first instructions on it. */
int vm_check_kvm(struct err *e)
{
	if (access("/dev/kvm", F_OK) < 0)
		return err_set(e, ENODEV, VZ_NO_KERNEL_SUPPORT,
			       "this host has no /dev/kvm; --accel tcg --force (or VM_ACCEL=\"tcg\") emulates, "
			       "slowly and without a boundary");
	if (access("/sys/module/kvm_pvm", F_OK) == 0 && access("/sys/module/kvm_intel", F_OK) < 0 &&
	    access("/sys/module/kvm_amd", F_OK) < 0)
		return err_set(e, ENODEV, VZ_NO_KERNEL_SUPPORT,
			       "the KVM of this host (pvm) runs no stock kernel; --accel tcg --force (or "
			       "VM_ACCEL=\"tcg\") emulates, slowly and without a boundary");
	return 0;
}

static int choose_accel(struct ve *ve, const struct start_opts *o, struct err *e)
{
	const char *accel = o->accel ? o->accel : ve->in->conf.emulate ? "tcg" : "kvm";

	if (!str_eq(accel, "kvm") && !str_eq(accel, "tcg"))
		return err_set(e, EINVAL, VZ_BAD_VALUE, "--accel: bad value \"%.40s\": want kvm or tcg",
			       accel);
	(void)str_fmt(ve->state.accel, sizeof(ve->state.accel), "%s", accel);
	if (str_eq(accel, "kvm"))
		return vm_check_kvm(e);
	return o->force || ve->in->conf.emulate ? 0 : err_set(e, EPERM, VZ_NO_KERNEL_SUPPORT,
				      "--accel tcg: emulation is no boundary between the guest and this "
				      "host; --force runs it all the same");
}

uint64_t vm_least_ram(const struct ve *ve)
{
	return plan_boots_disk(&ve->conf) ? VM_LEAST_RAM_DISK : VM_LEAST_RAM;
}

/* One that is not in the store is told of by the step that wants it. */
static int check_arch(const struct ve *ve, struct err *e)
{
	struct store st = STORE_INIT;
	struct err ignored = ERR_INIT;
	struct template t;
	int r = store_open(ve->in->lib, ve->in->run, &st, e);

	if (!r && store_find(&st, ve->conf.template, &t, &ignored) == 0 && !str_eq(t.arch, "x86_64"))
		r = err_set(e, ENOEXEC, VZ_BAD_TEMPLATE, "VE %u: template %.12s is for %s; a VM of this host is "
			    "x86_64", ve->id, t.digest, t.arch);
	store_close(&st);
	return r;
}

void vm_kernel(const struct ve *ve, char ret[KERNEL_NAME])
{
	if (*ve->conf.kernel)
		(void)str_fmt(ret, KERNEL_NAME, "%s", ve->conf.kernel);
	else
		kernel_of(ve->in->lib, ve->conf.ostemplate, ret);
}

int vm_check(struct ve *ve, const struct vm_plan *p, const struct start_opts *o, struct err *e)
{
	char kernel[KERNEL_NAME];
	int r = choose_accel(ve, o, e);

	if (r < 0)
		return err_wrap(e, "VE %u", ve->id);
	if (p->ram < vm_least_ram(ve))
		return err_set(e, EINVAL, VZ_BAD_VALUE, "VE %u: --ram %" PRIu64 "M: a VM needs %" PRIu64
			       "M for its kernel", ve->id, p->ram / MIB, vm_least_ram(ve) / MIB);
	if (p->own_disk)
		return !o->wait_ms ? 0 : err_set(e, EOPNOTSUPP, VZ_WAIT_FAILED, "start --wait: VE %u boots its "
						 "own disk, and no agent in it tells when it is ready", ve->id);
	r = check_arch(ve, e);
	vm_kernel(ve, kernel);
	return r < 0 ? r : kernel_check(ve->in->lib, kernel, e);
}

/* ---- steps ---- */

int vm_record(struct start *s, const char *accel, struct err *e)
{
	const struct vm_plan *p = &s->plan.vm;
	struct ve *ve = s->ve;
	struct ve_state st = { .phase = PH_STARTING, .loop = -1, .vm = true,
			       .uid_base = (uint32_t)ve->conf.local_uid,
			       .ram = p->ram, .ram_now = p->ram, .ram_max = p->ram_max,
			       .cpus_now = p->cpus, .cpus_max = p->cpus_max, .ips = ve->conf.ips };
	int r;

	memcpy(st.network, ve->conf.network, sizeof(st.network));
	memcpy(st.fence, ve->conf.fence, sizeof(st.fence));
	memcpy(st.netif, ve->conf.netif, sizeof(st.netif));
	(void)str_fmt(st.machine, sizeof(st.machine), "%s", vm_type_word(p->type));
	(void)str_fmt(st.accel, sizeof(st.accel), "%s", accel);
	memcpy(st.template, s->plan.digest, sizeof(st.template));
	s->vm.kvm = str_eq(accel, "kvm");
	ve->state = st;
	r = state_save(ve->in, ve->id, &ve->state, e);
	if (r < 0)
		return r;
	if (mkdir(s->plan.stage, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "make %s", s->plan.stage);
	return 0;
}

int up_vm_record(void *ctx, struct err *e)
{
	struct start *s = ctx;
	char accel[sizeof(s->ve->state.accel)];

	memcpy(accel, s->ve->state.accel, sizeof(accel));
	inst_say(s->ve->in, "Starting virtual machine...");
	return vm_record(s, accel, e);
}

int up_vm_template(void *ctx, struct err *e)
{
	struct start *s = ctx;
	struct store st = STORE_INIT;
	struct template t;
	int r;

	if (s->plan.vm.own_disk) {
		(void)str_fmt(s->ve->state.init, sizeof(s->ve->state.init), "acpi");
		return 0;
	}
	r = store_open(s->ve->in->lib, s->ve->in->run, &st, e);
	if (!r)
		r = store_find(&st, s->plan.digest, &t, e);
	if (!r && !s->plan.whole)
		r = store_device(&st, s->plan.digest, s->plan.own_cache, &s->template, e);
	if (!r)
		(void)str_fmt(s->ve->state.init, sizeof(s->ve->state.init), "%s", t.init);
	store_close(&st);
	return r;
}

int up_vm_disk(void *ctx, struct err *e)
{
	struct start *s = ctx;
	_fd_ int private = -1;
	int r = plan_private(s->ve, &private, e);

	if (!r)
		r = s->plan.backend->prepare(private, &s->plan.disk, e);
	if (!r)
		r = s->plan.backend->attach(private, &s->plan.disk, &s->disk, e);
	if (r < 0)
		return err_exit(e, VZ_MOUNT);
	s->ve->state.loop = s->disk.loop.num;
	s->ve->state.disk_dev = s->disk.loop.dev;
	return state_save(s->ve->in, s->ve->id, &s->ve->state, e);
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
	char ips[4096];
	int r = links_probe(NULL, &s->plan.links, e);

	if (!r)
		r = links_up_taps(s->ve->in, &s->plan.links, s->vm.taps, e);
	if (r < 0)
		return err_exit(e, VZ_VETH);
	cleanup_fd(&s->fence);
	if (s->ve->conf.ips.n &&
	    param_format(param_by_key("IP_ADDRESS"), &s->ve->conf, true, ips, sizeof(ips)) == 0)
		inst_say(s->ve->in, "Adding IP address(es): %.900s", ips);
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
		r = cg_open_tasks(&ve->in->cg, ve->cg, &j.tasks, e);
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

/* QEMU's last line is the cause, when there is one. */
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
