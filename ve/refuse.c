/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/refuse.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "cgroups/cg-oom-policy.h"
#include "storage/storage.h"
#include "util/exits.h"
#include "util/parse.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "util/sys-proc.h"
#include "ve/plan.h"

static uint64_t file_or_none(const char *path)
{
	uint64_t v;

	return fs_read_u64(AT_FDCWD, path, &v) == 0 ? v : UINT64_MAX;
}

uint64_t most_memory(void)
{
	struct sysinfo s;

	return sysinfo(&s) < 0 ? UINT64_MAX : (uint64_t)s.totalram * s.mem_unit;
}

uint64_t most_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 0 ? (uint64_t)n : UINT64_MAX;
}

uint64_t most_cpu(void)
{
	uint64_t n = most_cpus();

	return n == UINT64_MAX ? n : n * 100;
}

uint64_t most_processes(void)
{
	return file_or_none("/proc/sys/kernel/pid_max");
}

/* Who may raise a hard limit is bound by the kernel only. */
static uint64_t most_of(int resource, uint64_t kernel)
{
	struct rlimit own;

	if (proc_has_cap(CAP_SYS_RESOURCE) || getrlimit(resource, &own) < 0)
		return kernel;
	return own.rlim_max < kernel ? own.rlim_max : kernel;
}

uint64_t most_files(void)
{
	return most_of(RLIMIT_NOFILE, file_or_none("/proc/sys/fs/nr_open"));
}

uint64_t most_locked(void)
{
	return most_of(RLIMIT_MEMLOCK, most_memory());
}

uint64_t most_signals(void)
{
	return most_of(RLIMIT_SIGPENDING, UINT64_MAX);
}

uint64_t most_ptys(void)
{
	return file_or_none("/proc/sys/kernel/pty/max");
}

uint64_t most_inotify_instances(void)
{
	return file_or_none("/proc/sys/user/max_inotify_instances");
}

uint64_t most_inotify_watches(void)
{
	return file_or_none("/proc/sys/user/max_inotify_watches");
}

bool refuse_row(const struct param *p, const struct ve_conf *to, char *why, size_t size)
{
	uint64_t v, most;

	if (!p->most || !param_number(p, to, &v) || v == U64_UNLIMITED)
		return false;
	most = p->most();
	if (v <= most)
		return false;
	(void)str_fmt(why, size, "%" PRIu64 " is above what this host has: want %" PRIu64 " to %" PRIu64,
		      v, p->min, most);
	return true;
}

bool refuse_own_disk(const struct param *p, char *why, size_t size)
{
	if (p->flags & P_OWN_INIT)
		(void)str_fmt(why, size, "the system on its own disk decides that");
	return p->flags & P_OWN_INIT;
}

/* memsw, the limit on memory and swap together, cannot stand without one on memory. */
static bool swap_alone_v1(const struct inst *in, const struct ve_conf *c)
{
	bool ram = conf_has(c, param_by_key("PHYSPAGES")) && c->ram < U64_UNLIMITED;

	return !in->cg.on_v2[CG_MEMORY] && in->cg.v1[CG_MEMORY] >= 0 && !ram &&
	       conf_has(c, param_by_key("SWAPPAGES")) && c->swap < U64_UNLIMITED;
}

int refuse_conf(const struct inst *in, const struct ve_conf *to, struct err *e)
{
	uint64_t cap = to->cpulimit, cpus = to->cpus * 100;

	const struct storage_backend *b = storage_find(to->layout);

	if (str_eq(to->kind, "vm") && b && !b->attach)
		return err_set(e, EOPNOTSUPP, VZ_BAD_VALUE,
			       "--kind vm: a virtual machine mounts its disk itself, and a %s is a "
			       "directory of the host; want --layout image", b->name);
	if (swap_alone_v1(in, to))
		return err_set(e, EOPNOTSUPP, VZ_NO_KERNEL_SUPPORT,
			       "--swap: cgroup v1 limits swap only beside a memory limit; "
			       "give --ram a size or --swap unlimited");
	if (in->cg.on_v2[CG_MEMORY] && str_eq(to->oom_policy, CG_OOM_FREEZE))
		return err_set(e, EOPNOTSUPP, VZ_NO_KERNEL_SUPPORT,
			       "--oom-policy freeze: cgroup v2 cannot hold back the kernel's "
			       "killer; want kill-ve or kill-largest");
	if (to->ram_guarantee && conf_has(to, param_by_key("PHYSPAGES")) &&
	    to->ram_guarantee > to->ram)
		return err_set(e, EINVAL, VZ_SET_UBC,
			       "--ram-guarantee: %" PRIu64 " is above the limit (--ram) of %" PRIu64,
			       to->ram_guarantee, to->ram);
	if (cpus && (!cap || cpus < cap))
		cap = cpus;
	if (cap && to->cpuburst > cap)
		return err_set(e, EINVAL, VZ_SET_CPU,
			       "--cpuburst: a burst of %" PRIu64 " is above the limit of %" PRIu64,
			       to->cpuburst, cap);
	return str_eq(to->kind, "vm") ? plan_vm(to, &(struct vm_plan){ 0 }, e) : 0;
}
