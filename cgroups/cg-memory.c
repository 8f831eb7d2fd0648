/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory and swap: limits with an order and a price. Three rules hold at every instant:
 *   - no limit is lifted or raised on the way to a lower one, and none is lowered further
 *     than asked for;
 *   - a limit below what is in use is reached by reclaim, in bounded time and at a pace that
 *     the VE can bear (cg-room.c), or not at all;
 *   - the kernel is never put in the position to kill.
 *
 * v2: writing memory.max below memory.current makes the kernel reclaim and then kill, so the
 * use goes down first (memory.reclaim, 5.19) and the limit follows when it fits.
 *
 * v1: a limit below the use is refused by the kernel with EBUSY once it can reclaim no more,
 * and nothing is killed. There is no swap limit, only memory+swap (memsw), which must never
 * be below memory: raise memsw first, lower it last, and move it along with memory so that
 * the difference, the swap limit, stays.
 */
#include <errno.h>
#include <inttypes.h>

#include "cgroups/cg-knob.h"
#include "cgroups/cg-internal.h"
#include "util/exits.h"
#include "util/str.h"

#define RECLAIM_STEP (UINT64_C(32) << 20)

/* ---- v2 -------------------------------------------------------------------------------- */

static int reclaim(const struct cg_room *m, const struct cg_node *n, uint64_t bytes)
{
	char text[32];
	int r = str_fmt(text, sizeof(text), "%" PRIu64,
			bytes < RECLAIM_STEP ? bytes : RECLAIM_STEP);

	return r < 0 ? r : cg_room_write(m, n, "memory.reclaim", text);
}

static int v2_memory_set(struct cg_room *m, const struct cg_node *n, const struct cg_ask *a,
			 uint64_t *used)
{
	int r;

	for (;;) {
		r = cg_node_u64(n, "memory.current", used);
		if (r < 0)
			return r;
		if (*used <= a->value)
			return cg_put_or_restore(n, &a->k->v2, a->value);
		if (!cg_room_left(m, *used))
			return -EBUSY;
		(void)reclaim(m, n, *used - a->value); /* EAGAIN: not all of it, this time */
		cg_room_breathe(m);
	}
}

/* ---- v1 -------------------------------------------------------------------------------- */

static const struct cg_file v1_memory = { "memory.limit_in_bytes", &cg_codec_v1_bytes };
static const struct cg_file v1_memsw = { "memory.memsw.limit_in_bytes", &cg_codec_v1_bytes };

struct v1_pair {
	uint64_t memory, memsw; /* memsw is CG_NONE where the kernel does not count swap */
};

static int v1_read(const struct cg_node *n, struct v1_pair *ret)
{
	int r = cg_take(n, &v1_memory, &ret->memory);

	if (r < 0)
		return r;
	r = cg_take(n, &v1_memsw, &ret->memsw);
	if (r == -ENOENT) {
		ret->memsw = CG_NONE;
		return 0;
	}
	return r;
}

/* A value below the use: the kernel reclaims as far as it can and then says EBUSY. */
static int v1_squeeze(const struct cg_room *m, const struct cg_node *n, const struct cg_file *f,
		      uint64_t value)
{
	uint64_t now;
	char text[32];
	int r = f->codec->enc(value, text, sizeof(text));

	if (r == 0)
		r = cg_room_write(m, n, f->file, text);
	if (r < 0 && r != -EINTR)
		return r;
	/* one that was stopped may have come to its end just before */
	return cg_take(n, f, &now) == 0 && now == value ? 0 : -EBUSY;
}

/* Write one of the two. */
static int v1_write(struct cg_room *m, const struct cg_node *n, const struct cg_file *f,
		    uint64_t value)
{
	const char *usage =
		f == &v1_memsw ? "memory.memsw.usage_in_bytes" : "memory.usage_in_bytes";
	uint64_t used;
	int r;

	for (;;) {
		if (cg_node_u64(n, usage, &used) < 0 || used <= value)
			return cg_put(n, f, value);
		r = v1_squeeze(m, n, f, value);
		if (r != -EBUSY)
			return r;
		if (cg_node_u64(n, usage, &used) < 0 || !cg_room_left(m, used))
			return -EBUSY;
		cg_room_breathe(m);
	}
}

static int v1_step(struct cg_room *m, const struct cg_node *n, const struct v1_pair *from,
		   const struct v1_pair *to)
{
	int r = 0;

	if (to->memsw > from->memsw)
		r = v1_write(m, n, &v1_memsw, to->memsw);
	if (r == 0 && to->memory != from->memory)
		r = v1_write(m, n, &v1_memory, to->memory);
	if (r == 0 && to->memsw < from->memsw)
		r = v1_write(m, n, &v1_memsw, to->memsw);
	return r;
}

static int v1_move(struct cg_room *m, const struct cg_node *n, const struct v1_pair *from,
		   const struct v1_pair *to)
{
	struct v1_pair now;
	int r = v1_step(m, n, from, to);

	if (r < 0 && v1_read(n, &now) == 0)
		(void)v1_step(m, n, &now, from);
	return r;
}

static uint64_t plus(uint64_t memory, uint64_t swap)
{
	return memory == CG_NONE || swap == CG_NONE ? CG_NONE : memory + swap;
}

static uint64_t v1_swap(const struct v1_pair *p)
{
	return p->memory == CG_NONE || p->memsw == CG_NONE ? CG_NONE : p->memsw - p->memory;
}

/* Which of the two counters stood in the way, for the message. */
static uint64_t v1_used(const struct cg_node *n, const struct v1_pair *to)
{
	uint64_t memory = 0, both = 0;

	(void)cg_node_u64(n, "memory.usage_in_bytes", &memory);
	(void)cg_node_u64(n, "memory.memsw.usage_in_bytes", &both);
	return memory > to->memory || both <= to->memsw ? memory : both;
}

/* What the caller asked for, and the pair of limits that says it. */
struct v1_change {
	const char *what;
	uint64_t value;
	struct v1_pair from, to;
};

static int v1_set(struct cg_room *m, const struct cg_node *n, const struct v1_change *c,
		  struct err *e)
{
	struct cg_lack lack = { c->what, c->value, 0 };
	int r;

	/* "no memory limit but a swap limit" cannot be said with memsw */
	if (c->to.memory == CG_NONE && c->to.memsw != CG_NONE)
		return err_set(e, EOPNOTSUPP, VZ_NO_KERNEL_SUPPORT,
			       "set %s of %s%s: cgroup v1 limits swap only beside a memory limit",
			       c->what, CG_WHO(m->id));
	r = v1_move(m, n, &c->from, &c->to);
	if (r == -EBUSY) {
		lack.used = v1_used(n, &c->to);
		return cg_room_busy(m, &lack, e);
	}
	return r < 0 ? cg_fail(e, CG_MEMORY, r, "set %s of %s%s", c->what, CG_WHO(m->id)) : 0;
}

/* ---- the rows' functions ---------------------------------------------------------------- */

int cg_memory_set(const struct cg_host *h, const char *id, const struct cg_ask *a, struct err *e)
{
	struct v1_change c = { .what = "memory", .value = a->value };
	struct cg_room m = cg_room_new(h, id, a->patience_ms);
	struct cg_lack lack = { "memory", a->value, 0 };
	struct cg_node n;
	int r = cg_node(h, CG_MEMORY, id, &n);

	if (r == 0 && h->on_v2[CG_MEMORY])
		r = v2_memory_set(&m, &n, a, &lack.used);
	else if (r == 0 && (r = v1_read(&n, &c.from)) == 0) {
		c.to.memory = a->value;
		c.to.memsw = a->value == CG_NONE ? c.from.memsw : plus(a->value, v1_swap(&c.from));
		return v1_set(&m, &n, &c, e);
	}
	if (r == -EBUSY)
		return cg_room_busy(&m, &lack, e);
	return r < 0 ? cg_fail(e, CG_MEMORY, r, "set memory of %s%s", CG_WHO(id)) : 0;
}

int cg_swap_set(const struct cg_host *h, const char *id, const struct cg_ask *a, struct err *e)
{
	struct v1_change c = { .what = "swap", .value = a->value };
	struct cg_room m = cg_room_new(h, id, a->patience_ms);
	struct cg_node n;
	int r = cg_node(h, CG_MEMORY, id, &n);

	if (r == 0 && h->on_v2[CG_MEMORY])
		r = cg_put_or_restore(&n, &a->k->v2, a->value);
	else if (r == 0 && (r = v1_read(&n, &c.from)) == 0) {
		c.to.memory = c.from.memory;
		c.to.memsw = c.from.memory == CG_NONE ? a->value : plus(c.from.memory, a->value);
		return v1_set(&m, &n, &c, e);
	}
	return r < 0 ? cg_fail(e, CG_MEMORY, r, "set swap of %s%s", CG_WHO(id)) : 0;
}

int cg_swap_get(const struct cg_host *h, const char *id, const struct cg_knob *k, uint64_t *ret)
{
	struct v1_pair p;
	struct cg_node n;
	int r = cg_node(h, CG_MEMORY, id, &n);

	if (r < 0 || h->on_v2[CG_MEMORY])
		return r < 0 ? r : cg_take(&n, &k->v2, ret);
	r = v1_read(&n, &p);
	if (r == 0)
		*ret = v1_swap(&p);
	return r;
}
