/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Limits that are one file: pick the file of the running hierarchy, write, read back, and go
 * back to the old value when the kernel took something else. cpusets are lists, not numbers,
 * and are here as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cgroups/cgroup.h"
#include "cgroups/cg-internal.h"
#include "util/exits.h"
#include "util/parse.h"
#include "util/str.h"

static const struct cg_file *file_of(const struct cg_host *h, const struct cg_knob *k)
{
	return h->on_v2[k->ctl] ? &k->v2 : &k->v1;
}

static const char *lacks_controller(enum cg_ctl ctl)
{
	static const char *const text[CG_CTL_MAX] = {
		[CG_CPU] = "this host has no cpu controller",
		[CG_CPUACCT] = "this host has no cpuacct controller",
		[CG_CPUSET] = "this host has no cpuset controller",
		[CG_MEMORY] = "this host has no memory controller",
		[CG_IO] = "this host has no io controller",
		[CG_PIDS] = "this host has no pids controller",
		[CG_HUGETLB] = "this host has no hugetlb controller",
	};

	return text[ctl];
}

const char *cg_lacks(const struct cg_host *h, const struct cg_knob *k)
{
	int root = h->on_v2[k->ctl] ? h->v2 : h->v1[k->ctl];
	const struct cg_file *f = file_of(h, k);
	char path[192];

	if (root < 0 || (root == h->v2 && !h->on_v2[k->ctl]))
		return lacks_controller(k->ctl);
	if (!f->file)
		return root == h->v2 ? "cgroup v2 has no such limit"
				     : "cgroup v1 has no such limit";
	/*
	 * Some files depend on how the kernel was built or on a loaded scheduler. The root has
	 * not all of them, so only an existing instance can tell; cg_set says the same later.
	 */
	if (faccessat(root, h->base, F_OK, 0) == 0 &&
	    str_fmt(path, sizeof(path), "%s/%s", h->base, f->file) > 0 &&
	    faccessat(root, path, F_OK, 0) < 0 && errno == ENOENT)
		return "this kernel has no such limit";
	return NULL;
}

int cg_take(const struct cg_node *n, const struct cg_file *f, uint64_t *ret)
{
	char text[256];
	int r = cg_node_read(n, f->file, text, sizeof(text));

	return r < 0 ? r : f->codec->dec(text, ret);
}

int cg_put(const struct cg_node *n, const struct cg_file *f, uint64_t value)
{
	uint64_t want, have;
	char text[64];
	int r = f->codec->enc(value, text, sizeof(text));

	if (r == 0)
		r = cg_node_write(n, f->file, text);
	if (r == 0)
		r = cg_take(n, f, &have);
	if (r == 0)
		r = f->codec->dec(text, &want);
	if (r < 0)
		return r;
	return want == have ? 0 : -EIO;
}

int cg_put_or_restore(const struct cg_node *n, const struct cg_file *f, uint64_t value)
{
	uint64_t old;
	int r = cg_take(n, f, &old);

	if (r < 0)
		return r;
	r = cg_put(n, f, value);
	if (r < 0)
		(void)cg_put(n, f, old);
	return r;
}

int cg_set(const struct cg_host *h, const char *id, const struct cg_ask *a, struct err *e)
{
	const struct cg_knob *k = a->k;
	const struct cg_file *f = file_of(h, k);
	struct cg_ask ask = *a;
	const char *why = cg_lacks(h, k);
	struct cg_node n;
	int r;

	if (why)
		return err_set(e, EOPNOTSUPP, VZ_NO_KERNEL_SUPPORT, "set %s of %s%s: %s",
			       f->file ? f->file : "limit", CG_WHO(id), why);
	if (ask.value >= U64_UNLIMITED)
		ask.value = CG_NONE;
	else if (k->ctl == CG_MEMORY) /* counted in whole pages, rounded down (page_counter) */
		ask.value -= ask.value % (uint64_t)sysconf(_SC_PAGESIZE);
	if (k->set)
		return k->set(h, id, &ask, e);
	r = cg_node(h, k->ctl, id, &n);
	if (r == 0)
		r = cg_put_or_restore(&n, f, ask.value);
	return r < 0 ? cg_fail(e, k->ctl, r, "set %s of %s%s", f->file, CG_WHO(id)) : 0;
}

int cg_get(const struct cg_host *h, const char *id, const struct cg_knob *k, uint64_t *ret)
{
	struct cg_node n;
	int r;

	if (cg_lacks(h, k))
		return -EOPNOTSUPP;
	if (k->get)
		return k->get(h, id, k, ret);
	r = cg_node(h, k->ctl, id, &n);
	return r < 0 ? r : cg_take(&n, file_of(h, k), ret);
}

/* ---- cpusets --------------------------------------------------------------------------- */

struct cpuset_file {
	const char *file, *effective; /* v1 holds what is effective; v2 holds the wish */
	const char *host;             /* directory whose `possible` lists all there can ever be */
};

static const struct cpuset_file cpus_file = { "cpuset.cpus", "cpuset.cpus.effective",
					      "/sys/devices/system/cpu" };
static const struct cpuset_file mems_file = { "cpuset.mems", "cpuset.mems.effective",
					      "/sys/devices/system/node" };

static int shown_list(const struct cg_host *h, const struct cg_node *n, const struct cpuset_file *f,
		      char *dst, size_t size)
{
	return cg_node_read(n, h->on_v2[CG_CPUSET] ? f->effective : f->file, dst, size);
}

static int put_whole_v1(const struct cg_node *n, const struct cpuset_file *f)
{
	struct cg_node parent;
	char text[4096];
	int r;

	cg_node_parent(n, &parent);
	r = cg_node_read(&parent, f->file, text, sizeof(text));
	return r < 0 ? r : cg_node_write(n, f->file, text);
}

/*
 * Every CPU. On v1 the parent's list; on v2 none, which inherits. But a group that has both a
 * list and tasks may not lose the list (ENOSPC, validate_change() in kernel/cgroup/cpuset.c):
 * there it is all that the host can ever have, of which what exists is effective.
 */
static int put_whole(const struct cg_host *h, const struct cg_node *n, const struct cpuset_file *f)
{
	struct cg_node host = { AT_FDCWD, "" };
	char text[4096];
	int r;

	if (!h->on_v2[CG_CPUSET])
		return put_whole_v1(n, f);
	r = cg_node_write(n, f->file, "\n");
	if (r != -ENOSPC)
		return r;
	r = str_fmt(host.path, sizeof(host.path), "%s", f->host);
	if (r >= 0)
		r = cg_node_read(&host, "possible", text, sizeof(text));
	return r < 0 ? r : cg_node_write(n, f->file, text);
}

/* v2 accepts CPUs that are not there and falls back to all: only the effective list tells. */
static int put_list(const struct cg_host *h, const struct cg_node *n, const struct cpuset_file *f,
		    const char *list)
{
	uint64_t want[16], have[16];
	char text[4096];
	int r;

	if (!*list)
		return put_whole(h, n, f);
	r = parse_cpulist(list, 0, want);
	if (r == 0)
		r = cg_node_write(n, f->file, list);
	if (r == 0)
		r = shown_list(h, n, f, text, sizeof(text));
	if (r < 0)
		return r;
	if (parse_cpulist(text, 0, have) < 0 || memcmp(want, have, sizeof(want)) != 0)
		return -ENXIO;
	return 0;
}

static void restore_list(const struct cg_host *h, const struct cg_node *n,
			 const struct cpuset_file *f, const char *old)
{
	(void)(old[0] ? cg_node_write(n, f->file, old) : put_whole(h, n, f));
}

static int put_list_or_restore(const struct cg_host *h, const struct cg_node *n,
			       const struct cpuset_file *f, const char *list)
{
	char old[4096];
	int r = list ? cg_node_read(n, f->file, old, sizeof(old)) : 0;

	if (r < 0 || !list)
		return r;
	r = put_list(h, n, f, list);
	if (r < 0)
		restore_list(h, n, f, old);
	return r;
}

int cg_set_cpus(const struct cg_host *h, const char *id, const char *cpus, const char *mems,
		struct err *e)
{
	char old[4096];
	struct cg_node n;
	int r = cg_node(h, CG_CPUSET, id, &n);

	if (r == -EOPNOTSUPP)
		return err_set(e, EOPNOTSUPP, VZ_NO_KERNEL_SUPPORT, "set CPUs of %s%s: %s", CG_WHO(id),
			       lacks_controller(CG_CPUSET));
	if (r == 0)
		r = cg_node_read(&n, cpus_file.file, old, sizeof(old));
	if (r >= 0)
		r = put_list_or_restore(h, &n, &cpus_file, cpus);
	if (r < 0)
		return cg_fail(e, CG_CPUSET, r, "set CPUs of %s%s to %s", CG_WHO(id),
			       cpus && *cpus ? cpus : "all");
	r = put_list_or_restore(h, &n, &mems_file, mems);
	if (r == 0)
		return 0;
	restore_list(h, &n, &cpus_file, old);
	return cg_fail(e, CG_CPUSET, r, "set memory nodes of %s%s to %s", CG_WHO(id),
		       mems && *mems ? mems : "all");
}

int cg_get_cpus(const struct cg_host *h, const char *id, char *ret, size_t size)
{
	struct cg_node n;
	int r = cg_node(h, CG_CPUSET, id, &n);

	if (r == 0)
		r = shown_list(h, &n, &cpus_file, ret, size);
	return r < 0 ? r : 0;
}
