/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Huge pages of 2 MiB (Documentation/admin-guide/cgroup-v2.rst, "HugeTLB"). The controller is
 * turned on below the instance when the first VE has such a limit, not before: it adds a dozen
 * files to every node, and most hosts reserve no huge pages at all.
 */
#include <errno.h>
#include <string.h>

#include "cgroups/cg-internal.h"
#include "util/parse.h"
#include "util/str.h"

static const struct cg_file v2 = { "hugetlb.2MB.max", &cg_codec_max };
static const struct cg_file v1 = { "hugetlb.2MB.limit_in_bytes", &cg_codec_v1_bytes };

const char *cg_hugetlb_lacks(const struct cg_host *h)
{
	return h->on_v2[CG_HUGETLB] || h->v1[CG_HUGETLB] >= 0 ? NULL :
								"this host has no hugetlb controller";
}

/* From the root down to the parent of n. Writing what is on already changes nothing. */
static int turn_on_above(const struct cg_host *h, const struct cg_node *n)
{
	struct cg_node parent, top;
	int r = 0;

	cg_node_parent(n, &parent);
	cg_top(h, &top);
	if (!str_eq(parent.path, "."))
		r = turn_on_above(h, &parent);
	else if (h->top >= 0)
		r = cg_node_write(&top, "cgroup.subtree_control", "+hugetlb");
	return r < 0 ? r : cg_node_write(&parent, "cgroup.subtree_control", "+hugetlb");
}

int cg_hugetlb_set(const struct cg_host *h, const char *id, uint64_t bytes, struct err *e)
{
	const struct cg_file *f = h->on_v2[CG_HUGETLB] ? &v2 : &v1;
	const char *why = cg_hugetlb_lacks(h);
	struct cg_node n;
	int r = why ? -EOPNOTSUPP : cg_node(h, CG_HUGETLB, id, &n);

	if (why)
		return err_set(e, EOPNOTSUPP, cg_exit_number(CG_HUGETLB), "limit huge pages of %s%s: %s",
			       CG_WHO(id), why);
	if (r == 0 && h->on_v2[CG_HUGETLB])
		r = turn_on_above(h, &n);
	if (r == 0)
		r = cg_put_or_restore(&n, f, bytes >= U64_UNLIMITED ? CG_NONE : bytes);
	return r < 0 ? cg_fail(e, CG_HUGETLB, r, "set %s of %s%s", f->file, CG_WHO(id)) : 0;
}

int cg_hugetlb_get(const struct cg_host *h, const char *id, uint64_t *ret)
{
	struct cg_node n;
	int r = cg_hugetlb_lacks(h) ? -EOPNOTSUPP : cg_node(h, CG_HUGETLB, id, &n);

	if (r == 0)
		r = cg_take(&n, h->on_v2[CG_HUGETLB] ? &v2 : &v1, ret);
	if (r == 0 && *ret >= U64_UNLIMITED)
		*ret = U64_UNLIMITED;
	/* Not turned on: nothing limits it. */
	if (r == -ENOENT) {
		*ret = U64_UNLIMITED;
		r = 0;
	}
	return r;
}
