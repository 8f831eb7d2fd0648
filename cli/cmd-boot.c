/* SPDX-License-Identifier: GPL-2.0-or-later */
/* boot, shutdown and recover: what happens to VEs when the host comes up and goes down. */
#include "cli/cli.h"

#include <inttypes.h>

#include "cli/ids.h"
#include "cli/options.h"
#include "cli/out.h"
#include "cli/xalloc.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/sys-proc.h"
#include "ve/boot.h"
#include "ve/recover.h"

#define SHUTDOWN_S 300          /* contrib/systemd/berth.service waits somewhat longer */
#define LAST_S 5                /* of them are for killing what has not ended */

/* Other commands may start a VE meanwhile: it runs, and that is what was wanted. */
static int boot_one(struct cli *c, const struct args *a, uint32_t id, struct err *e)
{
	struct start_opts o = { .wait_ms = (int)a->wait * 1000 };
	int r;

	boot_wait_load(&c->in);
	r = ve_start(&c->in, id, &o, e);
	if (r < 0 && e->exit == VZ_RUNNING) {
		err_clear(e);
		return 0;
	}
	return r;
}

/* True when it has been; what cannot be is stopped like the others. */
static bool suspended_instead(struct cli *c, const struct args *a, uint32_t id)
{
	const struct suspend_opts o = { .for_boot = true };
	struct err e = ERR_INIT;

	if (!c->in.conf.stop_suspends || a->fast)
		return false;
	if (ve_suspend(&c->in, id, &o, &e) == 0)
		return true;
	log_debug(&c->in.log, "shutdown %u: %s (stopped instead)", id, e.msg);
	return false;
}

static int shutdown_one(struct cli *c, const struct args *a, uint32_t id, struct err *e)
{
	struct stop_opts o = { .fast = a->fast, .for_boot = true };
	uint64_t now = proc_now_us();

	if (now + 1000000 < a->until_us)
		o.at_most_s = (int)((a->until_us - now) / 1000000);
	else
		o.fast = true;
	if (!o.fast && suspended_instead(c, a, id))
		return 0;
	return ve_stop(&c->in, id, &o, e);
}

/* One order after the other, those of the same order at once. */
static int each_order(struct cli *c, const struct args *a, const struct boot_list *l,
		      id_work *work, struct err *e)
{
	_free_ struct id_result *all = xcalloc(l->n + 1, sizeof(*all));
	unsigned crew = (unsigned)(a->parallel ? a->parallel : c->in.conf.parallel);
	uint64_t start = proc_now_us();
	size_t i, end, good = 0;
	int r = 0;

	for (i = 0; r >= 0 && i < l->n; i = end) {
		struct args group = *a;

		for (end = i; end < l->n && l->orders[end] == l->orders[i]; end++)
			;
		group.ids = l->ids + i;
		group.n_ids = end - i;
		r = ids_run(c, &group, work, crew, all + i, e);
	}
	if (r < 0)
		return r;
	for (i = 0; i < l->n; i++)
		good += all[i].r >= 0;
	if (!c->json && !c->quiet)
		out_printf("%zu of %zu VEs in %.1f s\n", good, l->n,
			   (double)(proc_now_us() - start) / 1e6);
	return ids_report(c, all, l->n, e);
}

int cmd_boot(struct cli *c, const struct args *a, struct err *e)
{
	struct boot_list l = BOOT_LIST_INIT;
	int r = boot_list_up(&c->in, &l, e);

	if (r >= 0)
		r = each_order(c, a, &l, boot_one, e);
	boot_list_done(&l);
	return r;
}

int cmd_shutdown(struct cli *c, const struct args *a, struct err *e)
{
	uint64_t seconds = a->timeout ? a->timeout : SHUTDOWN_S;
	struct boot_list l = BOOT_LIST_INIT;
	struct args with = *a;
	int r = boot_list_down(&c->in, &l, e);

	seconds = seconds > 2 * LAST_S ? seconds - LAST_S : (seconds + 1) / 2;
	with.until_us = proc_now_us() + seconds * 1000000;
	if (r >= 0)
		r = each_order(c, &with, &l, shutdown_one, e);
	boot_list_done(&l);
	return r;
}

int cmd_recover(struct cli *c, const struct args *a, struct err *e)
{
	struct recovered d;
	struct json_out *j;
	int r = recover_all(&c->in, &d, e);

	(void)a;
	if (r >= 0 && d.failed)
		r = err_set(e, EIO, VZ_SYSTEM, "recover: %u of %u VEs could not be put right", d.failed,
			    d.seen);
	if (r < 0)
		return r;
	if (!c->json) {
		out_printf("%u VEs: %u creates undone, %u destroys finished, %u runs cleared, "
			   "%u claims released, %u busy\n", d.seen, d.creates, d.destroys, d.runs,
			   d.claims, d.busy);
		return 0;
	}
	j = json_new(true);
	json_object(j);
	json_ku64(j, "ves", d.seen);
	json_ku64(j, "creates_undone", d.creates);
	json_ku64(j, "destroys_finished", d.destroys);
	json_ku64(j, "runs_cleared", d.runs);
	json_ku64(j, "claims_released", d.claims);
	json_ku64(j, "busy", d.busy);
	json_end(j);
	return out_json(j, e);
}
