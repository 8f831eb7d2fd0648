/* SPDX-License-Identifier: GPL-2.0-or-later */
/* expire: what VEs' configs say is to happen when the day they were paid until is over. */
#include "cli/cli.h"

#include "cli/ids.h"
#include "cli/options.h"
#include "cli/out.h"
#include "ve/expiry.h"

/* One VE that cannot be stopped does not save the others. */
static void one(struct cli *c, uint32_t id, bool dry_run, struct json_out *j, struct err *first)
{
	struct err e = ERR_INIT;
	const char *done = "";

	if (ve_expire(&c->in, id, dry_run, &done, &e) < 0) {
		out_error(e.msg);
		if (!first->eno)
			*first = e;
	}
	if (*done && j) {
		json_object(j);
		json_ku64(j, "ctid", id);
		json_kstr(j, "done", done);
		json_end(j);
	} else if (*done) {
		out_printf("CT %u: expired, %s%s\n", id, dry_run ? "would be " : "", done);
	}
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
		r = err_set(e, first.eno, first.exit, "expire: not every expired VE could be stopped or archived");
	return r;
}
