/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vzctl's chkpnt and restore. Their --suspend and --resume are what libvirt and Nova know as
 * pause, and are that. The rest means memory written to a file, which is refused: it needs CRIU.
 */
#include "cli/cli.h"

#include <errno.h>

#include "cli/options.h"
#include "util/exits.h"
#include "ve/ve.h"

#define NO_CRIU \
	"needs CRIU, which cannot dump containers here (Debian 12 has no package of it); " \
	"pause keeps a VE in memory, stop ends it"

static int one_of(const struct args *a, const char *verb, struct err *e)
{
	if (a->ckpt_suspend + a->ckpt_resume + a->ckpt_dump + a->ckpt_undump + a->ckpt_kill <= 1)
		return 0;
	return err_set(e, EINVAL, VZ_BAD_OPTION,
		       "%s: --suspend, --resume, --dump, --undump and --kill exclude each other", verb);
}

int cmd_chkpnt(struct cli *c, const struct args *a, struct err *e)
{
	int r = one_of(a, "chkpnt", e);

	if (r < 0)
		return r;
	if (a->ckpt_suspend || a->ckpt_resume)
		return ve_pause(&c->in, a->ids[0], a->ckpt_suspend, e);
	return err_set(e, EOPNOTSUPP, VZ_SUSPEND, "suspend VE %u to disk: " NO_CRIU, a->ids[0]);
}

/* Without a word: let go on what is there, a paused VE. */
int cmd_restore(struct cli *c, const struct args *a, struct err *e)
{
	struct ve_state state;
	int r = one_of(a, "restore", e);

	if (r >= 0)
		r = state_load(&c->in, a->ids[0], &state, NULL, e);
	if (r < 0)
		return r;
	if (a->ckpt_resume || (!a->ckpt_undump && !a->ckpt_kill && state.paused))
		return ve_pause(&c->in, a->ids[0], false, e);
	return err_set(e, EOPNOTSUPP, VZ_RESUME, "restore VE %u from disk: " NO_CRIU, a->ids[0]);
}
