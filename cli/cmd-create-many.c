/* SPDX-License-Identifier: GPL-2.0-or-later */
/* create --count, create --from: check everything, write down the numbers, make them in parallel. */
#include "cli/cli.h"

#include <errno.h>
#include <inttypes.h>

#include "cli/batch.h"
#include "cli/ids.h"
#include "cli/options.h"
#include "cli/out.h"
#include "cli/xalloc.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/sys-proc.h"
#include "ve/registry.h"
#include "ve/ve.h"

static size_t row_of(const struct batch *b, uint32_t id)
{
	size_t i;

	for (i = 0; i < b->n && b->ids[i] != id; i++)
		;
	return i;
}

static int create_one(struct cli *c, const struct batch *b, uint32_t id, struct err *e)
{
	_free_ struct ve_change *change = xcalloc(1, sizeof(*change));
	int r = batch_change(b, row_of(b, id), change, e);

	if (r >= 0)
		r = ve_create(&c->in, id, change, e);
	/* Made by the run that was killed. */
	if (r < 0 && b->resumed && e->exit == VZ_PRIVATE_EXISTS) {
		err_clear(e);
		r = 0;
	}
	return r;
}

static int make_one(struct cli *c, const struct args *a, uint32_t id, struct err *e)
{
	struct start_opts o = { .wait_ms = (int)a->wait * 1000 };
	int r = create_one(c, a->batch, id, e);

	if (r < 0 || !a->start)
		return r;
	r = ve_start(&c->in, id, &o, e);
	if (r < 0 && a->batch->resumed && e->exit == VZ_RUNNING) {
		err_clear(e);
		r = 0;
	}
	return r;
}

static bool any_exists(struct cli *c, const struct batch *b)
{
	size_t i;

	for (i = 0; i < b->n; i++)
		if (reg_exists(&c->in, b->ids[i]))
			return true;
	return false;
}

static int make_all(struct cli *c, const struct batch *b, struct err *e)
{
	_free_ struct id_result *all = xcalloc(b->n, sizeof(*all));
	uint64_t start = proc_now_us(), usec;
	struct args a = *b->a;
	size_t i, good = 0;
	int r;

	a.ids = b->ids;
	a.n_ids = b->n;
	a.batch = b;
	c->in.say = NULL;
	r = ids_run(c, &a, make_one, (unsigned)a.parallel, all, e);
	if (r < 0)
		return r;
	usec = proc_now_us() - start;
	for (i = 0; i < b->n; i++)
		good += all[i].r >= 0;
	if (!c->json && !c->quiet)
		out_printf("%zu of %zu VEs created%s in %.1f s, %u to %u\n", good, b->n,
			   a.start ? " and started" : "", (double)usec / 1e6, b->ids[0], b->ids[b->n - 1]);
	if (good == b->n || !any_exists(c, b))
		batch_forget(&c->in, b);
	return ids_report(c, all, b->n, e);
}

int create_many(struct cli *c, const struct args *a, struct err *e)
{
	struct batch b = { .ids = NULL };
	int r = a->change.userpasswd ?
			err_set(e, EINVAL, VZ_BAD_OPTION, "create: one password for all is none; set it for each") :
			0;

	if (r >= 0)
		r = batch_plan(&c->in, a, &b, e);
	if (r < 0)
		return r;
	r = batch_check(&c->in, &b, e);
	if (r >= 0 && !a->dry_run)
		r = batch_record(&c->in, &b, e);
	if (r >= 0 && !a->dry_run)
		r = make_all(c, &b, e);
	else if (r >= 0)
		out_printf("%zu VEs would be created%s, %u to %u\n", b.n, a->start ? " and started" : "",
			   b.ids[0], b.ids[b.n - 1]);
	batch_done(&b);
	return r;
}
