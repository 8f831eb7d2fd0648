/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * v1 hierarchies: one node per VE (and per pool above those of its VEs) that carries limits and holds all its processes, never
 * delegated, hence always a leaf. A leaf matters twice: a blkio throttle does not bind child
 * groups, and a CPU quota needs no order between parent and child when no child has one.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cgroups/cg-internal.h"
#include "util/exits.h"
#include "util/str.h"

/*
 * A new v1 cpuset is empty and takes no task until it has CPUs and memory nodes
 * (cgroup-v1/cpusets.rst 1.1). Filled ones are left alone: the list may be a VE's limit.
 */
static int inherit(const struct cg_node *from, const struct cg_node *to)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	char text[4096];
	int r;

	for (unsigned i = 0; i < ARRAY_SIZE(files); i++) {
		r = cg_node_read(to, files[i], text, sizeof(text));
		if (r == 0)
			r = cg_node_read(from, files[i], text, sizeof(text));
		else if (r > 0)
			continue;
		if (r < 0)
			return r;
		r = cg_node_write(to, files[i], text);
		if (r < 0)
			return r;
	}
	return 0;
}

/* From the root down: what is above n may be as new as n. At most three levels. */
static int fill_cpuset(const struct cg_node *n)
{
	struct cg_node parent;
	int r = 0;

	cg_node_parent(n, &parent);
	if (!str_eq(parent.path, "."))
		r = fill_cpuset(&parent);
	return r < 0 ? r : inherit(&parent, n);
}

int cg_v1_make(const struct cg_host *h, enum cg_ctl ctl, const char *id, struct err *e)
{
	struct cg_node n;
	int r = cg_node_v1(h, ctl, id, &n);

	if (r == 0)
		r = cg_make_dir(&n);
	/* the instance's node cannot vanish any more: it has a child */
	if (r == 0 && ctl == CG_CPUSET)
		r = fill_cpuset(&n);
	return r < 0 ? cg_fail(e, ctl, r, "make v1 cgroup of %s%s", CG_WHO(id)) : 0;
}

int cg_v1_remove(const struct cg_host *h, enum cg_ctl ctl, const char *id, struct err *e)
{
	struct cg_node n;
	int r = cg_node_v1(h, ctl, id, &n);

	if (r == 0)
		r = cg_remove_dir(&n);
	if (r < 0)
		return err_set(e, -r, VZ_SYSTEM, "remove v1 cgroup %s: %s", n.path, strerror(-r));
	cg_tidy_top(&n);
	return 0;
}

/* No root has limits, and a node for who uses next to nothing would have to be removed again. */
int cg_v1_leave(const struct cg_host *h)
{
	int r = 0;

	for (unsigned c = 0; c < CG_V1_MAX; c++) {
		struct cg_node root = { h->v1[c], "." };
		int one = h->v1[c] < 0 ? 0 : cg_node_write(&root, "tasks", "0");

		r = r < 0 ? r : one;
	}
	return r;
}
