/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guaranteed CPU by weights. Weights promise a share of what runs at the moment, so a VE's own
 * weight among all others promises nothing: each VE that starts beside it takes some away. Here
 * the weights are arranged so that what others do does not enter:
 *
 *   /                            C: all CPUs, in percent of one
 *     others                     of the host: S, together
 *     INSTANCE/                  VEs without a guarantee, however many: weight S too
 *     INSTANCE-guaranteed/       weight w, so that w / (w + S + S) = G / C
 *       ID/                      weight g, so that it has g / G of that: g of C at the least
 *
 * G is the sum of the g of those that run. They are the weights of the nodes, so the kernel
 * keeps the account and nothing can drift; making, changing or removing one means to look at
 * the others in there, never at VEs without a guarantee. Who does holds the lock of ve/place.c.
 * What is left over is shared by the same weights.
 *
 * On v1 processes in the root group count each by itself, on each CPU, with the default weight;
 * ROOT_TASKS of them per CPU are allowed for.
 *
 * S is not ours, and weights end: what w would have to be above that for cannot be promised. On
 * v1, where S grows with the CPUs, that is all but half of a host of 64.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cgroups/cgroup.h"
#include "cgroups/cg-internal.h"
#include "util/cleanup.h"
#include "util/str.h"

#define ROOT_TASKS 2

/* A percent is `unit` of weight; what is there without any setting has `usual`. */
struct scale {
	const char *file;
	uint64_t unit, usual, min, max;
};

static const struct scale *scale_of(const struct cg_host *h)
{
	static const struct scale v2 = { "cpu.weight", 1, 100, 1, 10000 };
	static const struct scale v1 = { "cpu.shares", 8, 1024, 2, 262144 };

	return h->on_v2[CG_CPU] ? &v2 : &v1;
}

static int cpu_root(const struct cg_host *h)
{
	return h->on_v2[CG_CPU] ? h->v2 : h->v1[CG_CPU];
}

static bool is_ours(const struct cg_host *h, const char *name)
{
	return str_eq(name, h->base) ||
	       (str_starts(name, h->base) && str_eq(name + strlen(h->base), "-guaranteed"));
}

/* Sum of the weights of the nodes right below path, those of the instance left out. */
static int sum_weights(const struct cg_host *h, const char *path, uint64_t *ret)
{
	const struct scale *s = scale_of(h);
	int fd = openat(cpu_root(h), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	*ret = 0;
	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while ((de = readdir(d))) {
		struct cg_node n = { dirfd(d), "" };
		uint64_t v;

		if (de->d_type != DT_DIR || de->d_name[0] == '.' || is_ours(h, de->d_name) ||
		    str_fmt(n.path, sizeof(n.path), "%s", de->d_name) < 0 ||
		    cg_node_u64(&n, s->file, &v) < 0)
			continue;
		*ret += v;
	}
	return 0;
}

static int top_node(const struct cg_host *h, struct cg_node *ret)
{
	ret->root = cpu_root(h);
	return str_fmt(ret->path, sizeof(ret->path), "%s-guaranteed", h->base);
}

int cg_sure_total(const struct cg_host *h, uint64_t *ret)
{
	struct cg_node top;
	uint64_t sum = 0;
	int r = top_node(h, &top);

	if (r > 0)
		r = sum_weights(h, top.path, &sum);
	if (r >= 0)
		*ret = sum / scale_of(h)->unit;
	return r < 0 ? r : 0;
}

static int put(const struct cg_node *n, const struct scale *s, uint64_t weight)
{
	char text[24];
	uint64_t now;
	int r;

	weight = weight < s->min ? s->min : weight > s->max ? s->max : weight;
	r = str_fmt(text, sizeof(text), "%" PRIu64, weight);
	if (r > 0)
		r = cg_node_write(n, s->file, text);
	if (r == 0)
		r = cg_node_u64(n, s->file, &now);
	return r < 0 ? r : now == weight ? 0 : -EIO;
}

/* S */
static int weigh_others(const struct cg_host *h, uint64_t all, uint64_t *ret)
{
	const struct scale *s = scale_of(h);
	uint64_t others;
	int r = sum_weights(h, ".", &others);

	if (r < 0)
		return r;
	if (!h->on_v2[CG_CPU])
		others += all / 100 * ROOT_TASKS * s->usual;
	*ret = others < s->usual ? s->usual : others;
	return 0;
}

int cg_sure_most(const struct cg_host *h, uint64_t all, uint64_t *ret)
{
	uint64_t others, max = scale_of(h)->max;
	int r = weigh_others(h, all, &others);

	if (r == 0)
		*ret = all * max / (max + 2 * others);
	return r;
}

/* Give the two top nodes their parts of the host; `all` is C. */
static int balance(const struct cg_host *h, uint64_t all)
{
	const struct scale *s = scale_of(h);
	struct cg_node top, rest = { cpu_root(h), "" };
	uint64_t promised, others;
	int r = top_node(h, &top);

	if (r > 0)
		r = str_fmt(rest.path, sizeof(rest.path), "%s", h->base);
	if (r > 0)
		r = cg_sure_total(h, &promised);
	if (r == 0)
		r = weigh_others(h, all, &others);
	if (r < 0)
		return r;
	if (!promised) {
		(void)put(&rest, s, s->usual);
		return 0;
	}
	promised = promised < all ? promised : all - 1;
	(void)put(&rest, s, others);            /* not there while no such VE runs */
	return put(&top, s, (2 * others * promised + all - promised - 1) / (all - promised));
}

int cg_sure_set(const struct cg_host *h, const char *id, uint64_t percent, uint64_t all,
		struct err *e)
{
	const struct scale *s = scale_of(h);
	struct cg_node n;
	int r = cg_node(h, CG_CPU, id, &n);

	if (r == 0)
		r = put(&n, s, percent * s->unit);
	if (r == 0)
		r = balance(h, all);
	return r < 0 ? cg_fail(e, CG_CPU, r, "guarantee CPU to %s%s", CG_WHO(id)) : 0;
}

int cg_sure_get(const struct cg_host *h, const char *id, uint64_t *ret)
{
	const struct scale *s = scale_of(h);
	struct cg_node n;
	int r = cg_node(h, CG_CPU, id, &n);

	if (r == 0)
		r = cg_node_u64(&n, s->file, ret);
	*ret /= r == 0 ? s->unit : 1;
	return r;
}

void cg_sure_removed(const struct cg_host *h, uint64_t all)
{
	(void)balance(h, all);
}
