/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * suspend and resume, and vzctl's chkpnt and restore, which are the same. Their --suspend and
 * --resume are what libvirt and Nova know as pause, and are that.
 */
#include "cli/cli.h"

#include <errno.h>

#include "cli/dry-run.h"
#include "cli/ids.h"
#include "cli/options.h"
#include "util/exits.h"
#include "ve/ve.h"

static int one_of(const struct args *a, const char *verb, struct err *e)
{
	if (a->ckpt_suspend + a->ckpt_resume + a->ckpt_dump + a->ckpt_undump + a->ckpt_kill <= 1)
		return 0;
	return err_set(e, EINVAL, VZ_BAD_OPTION,
		       "%s: --suspend, --resume, --dump, --undump and --kill exclude each other", verb);
}

/* --all is about those that run and can be. */
static int suspend_one(struct cli *c, const struct args *a, uint32_t id, struct err *e)
{
	int r = ve_suspend(&c->in, id, &(struct suspend_opts){ 0 }, e);

	if (r < 0 && a->all && (e->exit == VZ_NOT_RUNNING || r == -EOPNOTSUPP)) {
		err_clear(e);
		return 0;
	}
	return r;
}

/* What is there to go on: a dump, or a VE that is paused. */
static int resume_one(struct cli *c, const struct args *a, uint32_t id, struct err *e)
{
	struct ve_state state;
	int r = state_load(&c->in, id, &state, NULL, e);

	if (r < 0)
		return r;
	if (state.paused)
		return ve_pause(&c->in, id, false, e);
	r = ve_resume(&c->in, id, e);
	if (r == -ENOENT && a->all && !state.suspended) {
		err_clear(e);
		return 0;
	}
	return r;
}

/* Dump and end in two commands, or from and to a file of one's choice. */
static int no_parts(const struct args *a, const char *what, int exit, struct err *e)
{
	if (!a->ckpt_dump && !a->ckpt_undump && !a->ckpt_kill && !a->output)
		return 0;
	return err_set(e, EOPNOTSUPP, exit, "%s VE %u: only as a whole, to and from its private area", what,
		       a->ids[0]);
}

int cmd_chkpnt(struct cli *c, const struct args *a, struct err *e)
{
	int r = one_of(a, "chkpnt", e);

	if (r < 0)
		return r;
	if (a->ckpt_suspend || a->ckpt_resume)
		return ve_pause(&c->in, a->ids[0], a->ckpt_suspend, e);
	r = no_parts(a, "suspend", VZ_SUSPEND, e);
	if (r < 0)
		return r;
	return a->dry_run ? dry_run(c, a, "suspend", e) : ids_each(c, a, suspend_one, e);
}

int cmd_restore(struct cli *c, const struct args *a, struct err *e)
{
	int r = one_of(a, "restore", e);

	if (r < 0)
		return r;
	if (a->ckpt_resume)
		return ve_pause(&c->in, a->ids[0], false, e);
	r = no_parts(a, "resume", VZ_RESUME, e);
	if (r < 0)
		return r;
	return a->dry_run ? dry_run(c, a, "resume", e) : ids_each(c, a, resume_one, e);
}
