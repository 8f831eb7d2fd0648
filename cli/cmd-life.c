/* SPDX-License-Identifier: GPL-2.0-or-later */
/* start, stop, restart, pause, mount, umount, and what the keeper calls when init has ended. */
#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/dry-run.h"
#include "cli/ids.h"
#include "cli/options.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/first.h"
#include "ve/ve.h"

static int start_one(struct cli *c, const struct args *a, uint32_t id, struct err *e)
{
	struct start_opts o = { .wait_ms = (int)a->wait * 1000, .force = a->force, .accel = a->accel };
	int r = ve_start(&c->in, id, &o, e);

	/* --all means every VE that is down and may run; for the others there is nothing to do. */
	if (r < 0 && a->all && (e->exit == VZ_RUNNING || e->exit == VZ_DISABLED)) {
		err_clear(e);
		return 0;
	}
	return r;
}

static int stop_one(struct cli *c, const struct args *a, uint32_t id, struct err *e)
{
	struct stop_opts o = { .fast = a->fast, .timeout_s = (int)a->timeout };

	return ve_stop(&c->in, id, &o, e);
}

static int restart_one(struct cli *c, const struct args *a, uint32_t id, struct err *e)
{
	int r = stop_one(c, a, id, e);

	return r < 0 ? r : start_one(c, a, id, e);
}

static int mount_one(struct cli *c, const struct args *a, uint32_t id, struct err *e)
{
	(void)a;
	return ve_mount(&c->in, id, e);
}

static int umount_one(struct cli *c, const struct args *a, uint32_t id, struct err *e)
{
	int r = ve_umount(&c->in, id, e);

	if (r < 0 && a->all && (e->exit == VZ_NOT_MOUNTED || e->exit == VZ_RUNNING)) {
		err_clear(e);
		return 0;
	}
	return r;
}

/* --all is about those that run. */
static int pause_one(struct cli *c, const struct args *a, uint32_t id, bool on, struct err *e)
{
	int r = ve_pause(&c->in, id, on, e);

	if (r < 0 && a->all && e->exit == VZ_NOT_RUNNING) {
		err_clear(e);
		return 0;
	}
	return r;
}

static int pause_it(struct cli *c, const struct args *a, uint32_t id, struct err *e)
{
	return pause_one(c, a, id, true, e);
}

static int unpause_it(struct cli *c, const struct args *a, uint32_t id, struct err *e)
{
	return pause_one(c, a, id, false, e);
}

int cmd_pause(struct cli *c, const struct args *a, struct err *e)
{
	return a->dry_run ? dry_run(c, a, "pause", e) : ids_each(c, a, pause_it, e);
}

int cmd_unpause(struct cli *c, const struct args *a, struct err *e)
{
	return a->dry_run ? dry_run(c, a, "unpause", e) : ids_each(c, a, unpause_it, e);
}

int cmd_start(struct cli *c, const struct args *a, struct err *e)
{
	return a->dry_run ? dry_run(c, a, "start", e) : ids_each(c, a, start_one, e);
}

int cmd_stop(struct cli *c, const struct args *a, struct err *e)
{
	return a->dry_run ? dry_run(c, a, "stop", e) : ids_each(c, a, stop_one, e);
}

int cmd_restart(struct cli *c, const struct args *a, struct err *e)
{
	return a->dry_run ? dry_run(c, a, "restart", e) : ids_each(c, a, restart_one, e);
}

int cmd_mount(struct cli *c, const struct args *a, struct err *e)
{
	return a->dry_run ? dry_run(c, a, "mount", e) : ids_each(c, a, mount_one, e);
}

int cmd_umount(struct cli *c, const struct args *a, struct err *e)
{
	return a->dry_run ? dry_run(c, a, "umount", e) : ids_each(c, a, umount_one, e);
}

static int compact_one(struct cli *c, const struct args *a, uint32_t id, struct err *e)
{
	struct ve_compacted done;
	int r = ve_compact(&c->in, id, &done, e);

	(void)a;
	if (r < 0)
		return r;
	inst_say(&c->in, "CT %u took %llu KiB on the host, now %llu KiB", id,
		 (unsigned long long)(done.before / 1024), (unsigned long long)(done.after / 1024));
	return 0;
}

int cmd_compact(struct cli *c, const struct args *a, struct err *e)
{
	return ids_each(c, a, compact_one, e);
}

/* STATUS is a wait status, or -1 where the keeper was not init's parent. */
int cmd_exited(struct cli *c, const struct args *a, struct err *e)
{
	uint32_t status = 0;

	if (str_eq(a->words[0], "-1"))
		return ve_exited(&c->in, a->ids[0], -1, e);
	if (parse_u32(a->words[0], 0, 0xffff, &status) < 0)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "_exited: \"%.20s\" is not a wait status",
			       a->words[0]);
	return ve_exited(&c->in, a->ids[0], (int)status, e);
}

int cmd_first_boot(struct cli *c, const struct args *a, struct err *e)
{
	return ve_first_boot(&c->in, a->ids[0], e);
}
