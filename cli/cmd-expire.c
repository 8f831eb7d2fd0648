/* SPDX-License-Identifier: GPL-2.0-or-later */
/* expire: what is to happen when time is over: the day VEs were paid until, the days of an undo. */
#include "cli/cli.h"

#include "cli/ids.h"
#include "cli/options.h"
#include "cli/out.h"
#include "ve/expiry.h"
#include "ve/upgrade.h"

static void failed(const struct err *e, struct err *first)
{
	out_error(e->msg);
	if (!first->eno)
		*first = *e;
}

static void say(uint32_t id, const char *what, const char *done, bool dry_run, struct json_out *j)
{
	if (j) {
		json_object(j);
		json_ku64(j, "ctid", id);
		json_kstr(j, "done", done);
		json_end(j);
	} else {
		out_printf("CT %u: %s, %s%s\n", id, what, dry_run ? "would be " : "", done);
	}
}

/* One VE that cannot be stopped does not save the others. */
static void one(struct cli *c, uint32_t id, bool dry_run, struct json_out *j, struct err *first)
{
	struct err e = ERR_INIT, of_undo = ERR_INIT;
	const char *done = "";
	bool settled;

	if (ve_expire(&c->in, id, dry_run, &done, &e) < 0)
		failed(&e, first);
	if (*done)
		say(id, "expired", done, dry_run, j);
	if (ve_upgrade_expire(&c->in, id, dry_run, &settled, &of_undo) < 0)
		failed(&of_undo, first);
	if (settled)
		say(id, "undo of its upgrade expired", "confirmed", dry_run, j);
}

int cmd_expire(struct cli *c, const struct args *a, struct err *e)
{
	struct json_out *j = c->json ? json_new(true) : NULL;
	struct args ids = { 0 };
	struct err first = ERR_INIT;
	size_t i;
	int r = 0;

	/* Each stop prints its own texts, which are not what was asked for here. */
	c->in.say = NULL;
	if (j)
		json_array(j);
	for (i = 0; i < a->n_words && r >= 0; i++)
		r = ids_add(c, &ids, a->words[i], e);
	if (r >= 0 && !a->n_words)
		r = ids_add_all(c, &ids, e);
	for (i = 0; i < ids.n_ids && r >= 0; i++)
		one(c, ids.ids[i], a->dry_run, j, &first);
	args_done(&ids);
	if (j) {
		json_end(j);
		r = r < 0 ? r : out_json(j, e);
	}
	if (r >= 0 && first.eno)
		r = err_set(e, first.eno, first.exit, "expire: not all that is over could be ended");
	return r;
}
