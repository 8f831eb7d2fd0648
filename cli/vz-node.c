/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vzctl's companions that reckon with the whole host; the figures are those of `berth node`. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cli/options.h"
#include "cli/out.h"
#include "cli/xalloc.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/node.h"
#include "ve/registry.h"

#define HOST_UNITS 1000         /* weight of the host's own work, as vzctl counts it */
#define UNITS_PER_CPU 50000     /* power of a CPU in units: vzctl measured MHz, which says little now */

static uint64_t percent(uint64_t part, uint64_t whole)
{
	return whole ? part * 100 / whole : 0;
}

/*
 * One line of eight figures for the node. Low memory is a thing of 32-bit kernels; "alloc" is
 * what the limits add up to.
 */
int cmd_vzmemcheck(struct cli *c, const struct args *a, struct err *e)
{
	const struct node_res *m;
	uint64_t used, all, scale = a->all ? 1 << 20 : 0;
	struct node n;
	int r = node_read(&c->in, c->in.conf.configfile, &n, e);

	if (r < 0)
		return r;
	m = &n.res[NODE_MEMORY];
	used = scale ? m->used / scale : percent(m->used, m->has);
	all = scale ? m->promised / scale : percent(m->promised, m->has);
	out_printf("Output values in %s\n"
		   "LowMem  LowMem     RAM MemSwap MemSwap   Alloc   Alloc   Alloc\n"
		   "  util  commit    util    util  commit    util  commit   limit\n"
		   "%6u %7u %7" PRIu64 " %7" PRIu64 " %7" PRIu64 " %7" PRIu64 " %7" PRIu64 " %7" PRIu64 "\n",
		   scale ? "Mbytes" : "%", 0U, 0U, used, used, all, used, all, all);
	return 0;
}

static int add_units(struct cli *c, bool each, uint64_t *ret, struct err *e)
{
	struct ve_status *s = xcalloc(1, sizeof(*s));
	_free_ uint32_t *ids = NULL;
	size_t i, n = 0;
	int r = reg_list(&c->in, &ids, &n, e);

	*ret = HOST_UNITS;
	if (each)
		out_printf("VEID\t\tCPUUNITS\n-------------------------\n0\t\t%d\n", HOST_UNITS);
	for (i = 0; i < n && r >= 0; i++) {
		r = ve_status(&c->in, ids[i], 0, s, e);
		if (r < 0 || !s->running)
			continue;
		*ret += s->conf.cpuunits ? s->conf.cpuunits : 1000;
		if (each)
			out_printf("%u\t\t%" PRIu64 "\n", ids[i], s->conf.cpuunits ? s->conf.cpuunits : 1000);
	}
	free(s);
	return r;
}

int cmd_vzcpucheck(struct cli *c, const struct args *a, struct err *e)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t units;
	int r = add_units(c, a->raw, &units, e);

	if (r < 0)
		return r;
	out_printf("Current CPU utilization: %" PRIu64 "\nPower of the node: %" PRIu64 "\n", units,
		   (uint64_t)(cpus > 0 ? cpus : 1) * UNITS_PER_CPU);
	return 0;
}

/* Shares of the host: what the VE uses now, and what its limits promise. */
int cmd_vzcalc(struct cli *c, const struct args *a, struct err *e)
{
	struct ve_status *s = xcalloc(1, sizeof(*s));
	struct node n;
	int r = node_read(&c->in, c->in.conf.configfile, &n, e);

	if (r >= 0)
		r = ve_status(&c->in, a->ids[0], STATUS_STAT, s, e);
	if (r >= 0 && !s->exists)
		r = err_set(e, ENOENT, VZ_NO_CONF, "VE %u does not exist", a->ids[0]);
	if (r >= 0) {
		uint64_t ram = s->conf.ram >= INT64_MAX ? n.res[NODE_MEMORY].has : s->conf.ram;
		uint64_t procs = s->conf.numproc >= INT64_MAX ? n.res[NODE_PROCESSES].has : s->conf.numproc;

		out_printf("Resource     Current(%%)  Promised(%%)  Max(%%)\n"
			   "Memory       %10" PRIu64 "  %11" PRIu64 "  %6" PRIu64 "\n"
			   "Processes    %10" PRIu64 "  %11" PRIu64 "  %6" PRIu64 "\n",
			   s->running ? percent(s->stat.mem_current, n.res[NODE_MEMORY].has) : 0,
			   percent(ram, n.res[NODE_MEMORY].has), percent(ram, n.res[NODE_MEMORY].has),
			   s->running ? percent(s->stat.pids_current, n.res[NODE_PROCESSES].has) : 0,
			   percent(procs, n.res[NODE_PROCESSES].has),
			   percent(procs, n.res[NODE_PROCESSES].has));
	}
	free(s);
	return r;
}

/* A plan for N VEs of one size that fill the host without overcommitment. */
static int split(const struct node *n, uint64_t parts, char *dst, size_t size)
{
	uint64_t pages = n->res[NODE_MEMORY].has / parts / 4096;
	uint64_t disk = n->res[NODE_DISK].has / parts / 1024;

	return str_fmt(dst, size,
		       "# 1 of %" PRIu64 " equal parts of the host.\n"
		       "PHYSPAGES=\"0:%" PRIu64 "\"\nSWAPPAGES=\"0:0\"\n"
		       "NUMPROC=\"%" PRIu64 ":%" PRIu64 "\"\nCPUUNITS=\"1000\"\n"
		       "DISKSPACE=\"%" PRIu64 ":%" PRIu64 "\"\n",
		       parts, pages, n->res[NODE_PROCESSES].has / parts,
		       n->res[NODE_PROCESSES].has / parts, disk, disk);
}

int cmd_vzsplit(struct cli *c, const struct args *a, struct err *e)
{
	char text[512], path[128];
	struct node n;
	int r;

	if (!a->timeout)
		return err_set(e, EINVAL, VZ_SET_UBC, "vzsplit: -n N says into how many parts");
	if (a->name && !str_is_word(a->name, "._-"))
		return err_set(e, EINVAL, VZ_SET_UBC, "vzsplit: \"%.60s\" is not the name of a plan", a->name);
	r = node_read(&c->in, c->in.conf.configfile, &n, e);
	if (r >= 0 && split(&n, a->timeout, text, sizeof(text)) < 0)
		r = err_set(e, ERANGE, VZ_SET_UBC, "vzsplit: too many parts");
	if (r < 0)
		return r;
	if (!a->name) {
		out_printf("%s", text);
		return 0;
	}
	(void)str_fmt(path, sizeof(path), "conf/ve-%.80s.conf-sample", a->name);
	if (faccessat(c->in.etc, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(e, EEXIST, VZ_SET_UBC, "vzsplit: plan %s exists already", a->name);
	r = fs_save_at(c->in.etc, path, text, 0644, e);
	if (r >= 0)
		out_printf("Config %s/etc/berth/%s was created\n", c->in.root, path);
	return r;
}
