/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/dry-run.h"
#include "cli/ids.h"
#include "cli/options.h"
#include "cli/out.h"
#include "cli/xalloc.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/ve.h"

/* libvirt names a VE by its number, which it has anyway. */
static void drop_own_number(struct ve_change *change, uint32_t id)
{
	char number[12];

	(void)str_fmt(number, sizeof(number), "%u", id);
	if (str_eq(change->to.name, number))
		conf_mark(&change->to, param_by_key("NAME"), false);
}

int cmd_create(struct cli *c, const struct args *a, struct err *e)
{
	_free_ struct ve_change *change = xcalloc(1, sizeof(*change));
	struct json_out *j;
	int r;

	if (a->count || a->from) {
		struct args many = *a;

		many.argv = c->argv;
		return create_many(c, &many, e);
	}
	if (a->n_patterns || a->start || a->dry_run)
		return err_set(e, EINVAL, VZ_BAD_OPTION,
			       "create: {n}, {id}, --start and --dry-run want --count or --from");
	*change = a->change;
	drop_own_number(change, a->ids[0]);
	r = ve_create(&c->in, a->ids[0], change, e);

	if (r < 0 || !c->json)
		return r;
	j = json_new(true);
	r = status_json(c, a->ids[0], j, e);
	return out_result(j, r, e);
}

static bool confirmed(const struct args *a)
{
	char question[80];

	if (a->n_ids == 1)
		(void)str_fmt(question, sizeof(question), "Destroy CT %u with all its data?", a->ids[0]);
	else
		(void)str_fmt(question, sizeof(question), "Destroy %zu VEs with all their data?",
			      a->n_ids);
	return out_confirmed(question);
}

static int destroy_one(struct cli *c, const struct args *a, uint32_t id, struct err *e)
{
	(void)a;
	return ve_destroy(&c->in, id, e);
}

int cmd_destroy(struct cli *c, const struct args *a, struct err *e)
{
	if (a->dry_run)
		return dry_run(c, a, "destroy", e);
	if (a->all && !a->yes)
		return err_set(e, EINVAL, VZ_BAD_OPTION, "destroy: --all wants --yes");
	if (!a->yes && !c->vz && a->n_ids && isatty(STDIN_FILENO) && !confirmed(a))
		return err_set(e, ECANCELED, VZ_SYSTEM, "destroy: not confirmed, nothing done");
	return ids_each(c, a, destroy_one, e);
}
