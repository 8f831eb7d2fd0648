/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verbs of an upgrade: begin or take up, confirm, undo. What is done is in upgrade-phases.c. */
#include "ve/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "templates/store.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-lock.h"
#include "util/sys-proc.h"
#include "ve/conf.h"
#include "ve/health.h"
#include "ve/registry.h"
#include "ve/snapshot.h"
#include "ve/suspend.h"
#include "ve/upgrade-impl.h"

#define KEEP_S (7 * 24 * 3600)
#define CHECK_MS 30000
#define WAIT_MS 120000
#define LOCK_MS 120000

/*
 * One upgrade of a VE at a time; verbs in between have the VE's own lock. A worker of a roll-out
 * that was killed while it waited must not begin any more: somebody else may have gone the other
 * way meanwhile.
 */
static int lock_upgrade(struct inst *in, uint32_t id, pid_t leader, int *ret, struct err *e)
{
	_fd_ int fd = -1;
	char path[64], what[40];
	int r;

	if (!reg_exists(in, id))
		return err_set(e, ENOENT, VZ_NO_CONF, "VE %u does not exist", id);
	(void)str_fmt(path, sizeof(path), "private/%u/upgrade.lck", id);
	(void)str_fmt(what, sizeof(what), "upgrades of VE %u", id);
	r = flock_path(in->lib, path, what, LOCK_MS, &fd, e);
	if (r < 0)
		return r;
	if (leader && getppid() != leader)
		return err_set(e, ECANCELED, VZ_SYSTEM, "upgrade %u: who asked for it is gone", id);
	*ret = TAKE_FD(fd);
	return 0;
}

/* ---- the beginning ---- */

static int find_version(struct inst *in, const char *name, char ret[65], int *ret_hold,
			struct err *e)
{
	struct store st = STORE_INIT;
	struct template t;
	int r = store_open(in->lib, in->run, &st, e);

	if (!r)
		r = store_find(&st, name, &t, e);
	if (!r)
		r = store_hold(&st, t.digest, ret_hold, e);
	store_close(&st);
	if (!r)
		(void)str_fmt(ret, 65, "%s", t.digest);
	return r;
}

static int refuse(const struct upgrade_opts *o, const struct ve *ve,
		  const struct upgrade_report *rep, struct err *e)
{
	if (ve->state.phase == PH_MOUNTED)
		return err_set(e, EBUSY, VZ_MOUNTED, "VE %u is mounted; unmount it first", ve->id);
	if (!rep->n_code || rep->packages || o->force)
		return 0;
	for (size_t i = 0; i < rep->n; i++)
		if (rep->file[i].code)
			return err_set(e, EEXIST, VZ_VALIDATION,
				       "upgrade %u: %s and %zu more of the tenant hide what the new "
				       "version changes; --dry-run lists them, --force goes on", ve->id,
				       str_has_control(rep->file[i].path) ? "?" : rep->file[i].path,
				       rep->n_code - 1);
	return 0;
}

static int fill_state(struct upgrade *u, const struct upgrade_opts *o, const struct ve *ve,
		      const struct upgrade_report *rep, struct err *e)
{
	struct upgrade_state s = { .phase = rep->packages ? UP_SNAPSHOT : UP_SWAP };
	int r = rep->packages ? uuid_make(s.snapshot) : 0;

	if (r < 0)
		return err_set(e, -r, 0, "make a UUID: %s", strerror(-r));
	(void)str_fmt(s.from, sizeof(s.from), "%s", rep->from);
	(void)str_fmt(s.to, sizeof(s.to), "%s", rep->to);
	(void)str_fmt(s.check, sizeof(s.check), "%s", o->check ? o->check : "");
	s.started = (uint64_t)time(NULL);
	s.keep_s = o->keep_s ? o->keep_s : KEEP_S;
	s.check_ms = o->check_ms ? o->check_ms : CHECK_MS;
	s.wait_ms = o->wait_ms ? o->wait_ms : WAIT_MS;
	s.running = ve->state.phase == PH_RUNNING;
	u->s = s;
	return upgrade_save(u->in, u->id, &s, e);
}

/* The look, under the VE's lock; u has a phase when there is something to do. */
static int begin_locked(struct upgrade *u, const struct upgrade_opts *o, struct ve *ve,
			struct upgrade_report *rep, struct err *e)
{
	const char *name = o->to ? o->to : ve->conf.ostemplate;
	_fd_ int hold = -1;             /* until the phase is on the disk, which keeps it as well */
	int r = find_version(u->in, name, rep->to, &hold, e);

	if (r < 0)
		return r;
	(void)str_fmt(rep->from, sizeof(rep->from), "%s", ve->conf.template);
	rep->same = str_eq(rep->from, rep->to);
	if (rep->same)
		return 0;
	r = upgrade_check(ve, rep->to, rep, e);
	if (r < 0 || o->dry_run)
		return r;
	r = refuse(o, ve, rep, e);
	return r < 0 ? r : fill_state(u, o, ve, rep, e);
}

static int begin(struct upgrade *u, const struct upgrade_opts *o, struct upgrade_report *rep,
		 struct err *e)
{
	struct ve ve;
	int r = ve_open(&ve, u->in, u->id, "upgrade", e);

	if (r < 0)
		return r;
	u->s.phase = UP_NONE;
	r = suspend_refuse(&ve, "upgrade", e);
	if (!r)
		r = begin_locked(u, o, &ve, rep, e);
	ve_close(&ve);
	return r;
}

static int delete_snapshot(struct upgrade *u, const char *snapshot, struct err *e)
{
	int r = *snapshot ? ve_snapshot_delete(u->in, u->id, snapshot, e) : 0;

	if (r != -ENOENT)
		return r;
	err_clear(e);           /* a killed one had got so far, or somebody deleted it */
	return 0;
}

/* The one before cannot be undone from then on, so that its snapshot is of no use. */
static int begin_anew(struct upgrade *u, const struct upgrade_opts *o, struct upgrade_report *rep,
		      struct err *e)
{
	const struct upgrade_state before = u->s;
	int r = begin(u, o, rep, e);

	return r < 0 || u->s.phase == UP_NONE ? r : delete_snapshot(u, before.snapshot, e);
}

static bool unfinished(const struct upgrade_state *s)
{
	return s->phase != UP_NONE && s->phase != UP_KEPT;
}

/* What was begun is ended first, and only that. */
static int take_up(struct upgrade *u, const struct upgrade_opts *o, struct upgrade_report *rep,
		   struct err *e)
{
	bool back = u->s.phase == UP_RETURN && !*u->s.reason;
	_fd_ int hold = -1;
	char to[65];
	int r = o->to ? find_version(u->in, o->to, to, &hold, e) : 0;

	if (r < 0)
		return r;
	if (o->to && back)
		return err_set(e, EBUSY, VZ_LOCKED, "upgrade %u: the one to %.12s is being taken back; "
			       "end that with --undo", u->id, u->s.to);
	if (o->to && !str_eq(to, u->s.to))
		return err_set(e, EBUSY, VZ_LOCKED,
			       "upgrade %u: one to %.12s was begun; end it with \"upgrade %u\", or take it "
			       "back with --undo", u->id, u->s.to, u->id);
	memcpy(rep->from, u->s.from, sizeof(rep->from));
	memcpy(rep->to, back ? u->s.from : u->s.to, sizeof(rep->to));
	rep->same = back;
	rep->packages = *u->s.snapshot;
	return 0;
}

int ve_upgrade(struct inst *in, uint32_t id, const struct upgrade_opts *o,
	       struct upgrade_report *ret, struct err *e)
{
	struct upgrade u = { .in = in, .id = id };
	struct upgrade_report rep = { .n = 0 };
	_fd_ int lock = -1;
	int r = o->check ? health_check_ok(o->check, e) : 0;

	if (!r)
		r = lock_upgrade(in, id, o->leader, &lock, e);
	if (!r)
		r = upgrade_load(in, id, &u.s, e);
	if (!r)
		r = unfinished(&u.s) && !o->dry_run ? take_up(&u, o, &rep, e) :
						      begin_anew(&u, o, &rep, e);
	if (!r && !o->dry_run)
		r = upgrade_run(&u, e);
	if (r < 0) {
		upgrade_report_free(&rep);
		return r;
	}
	*ret = rep;
	return 0;
}

/* ---- afterwards ---- */

static int load_pending(struct upgrade *u, pid_t leader, int *ret_lock, struct err *e)
{
	_fd_ int lock = -1;
	struct ve ve;
	int r = ve_open(&ve, u->in, u->id, NULL, e);

	if (r < 0)
		return r;
	ve_close(&ve);
	r = lock_upgrade(u->in, u->id, leader, &lock, e);
	if (!r)
		r = upgrade_load(u->in, u->id, &u->s, e);
	if (!r && u->s.phase == UP_NONE)
		r = err_set(e, ENOENT, VZ_BAD_VALUE, "VE %u has no upgrade to confirm or to undo",
			    u->id);
	if (!r)
		*ret_lock = TAKE_FD(lock);
	return r;
}

static int drop_snapshot(struct upgrade *u, struct err *e)
{
	int r = delete_snapshot(u, u->s.snapshot, e);

	return r < 0 ? r : upgrade_enter(u, UP_NONE, e);
}

int ve_upgrade_confirm(struct inst *in, uint32_t id, struct err *e)
{
	struct upgrade u = { .in = in, .id = id };
	_fd_ int lock = -1;
	int r = load_pending(&u, 0, &lock, e);

	if (!r && u.s.phase != UP_KEPT)
		r = err_set(e, EBUSY, VZ_BAD_VALUE,
			    "upgrade %u: it is not done yet (%s); end it with \"upgrade %u\"", id,
			    upgrade_phase_word(u.s.phase), id);
	return r < 0 ? r : drop_snapshot(&u, e);
}

int ve_upgrade_undo(struct inst *in, uint32_t id, pid_t leader, struct err *e)
{
	struct upgrade u = { .in = in, .id = id };
	struct ve_state s = VE_STATE_INIT;
	_fd_ int lock = -1;
	int r = load_pending(&u, leader, &lock, e);

	if (r < 0)
		return r;
	if (u.s.phase == UP_KEPT) {
		r = upgrade_look(&u, &s, e);
		u.s.running = s.phase == PH_RUNNING;
	}
	u.s.reason[0] = '\0';
	if (!r && u.s.phase == UP_SNAPSHOT)
		return drop_snapshot(&u, e);
	if (!r)
		r = upgrade_enter(&u, UP_RETURN, e);
	return r < 0 ? r : upgrade_run(&u, e);
}

int ve_upgrade_expire(struct inst *in, uint32_t id, bool dry_run, bool *ret_done, struct err *e)
{
	struct upgrade u = { .in = in, .id = id };
	_fd_ int lock = -1;
	int r;

	*ret_done = false;
	if (!reg_exists(in, id))
		return 0;
	r = upgrade_load(in, id, &u.s, e);
	if (r < 0 || u.s.phase != UP_NONE || !*u.s.snapshot)
		return r;
	r = lock_upgrade(in, id, 0, &lock, e);
	if (!r)                 /* another may have begun meanwhile */
		r = upgrade_load(in, id, &u.s, e);
	if (r < 0 || u.s.phase != UP_NONE || !*u.s.snapshot)
		return r;
	if (!dry_run)
		r = drop_snapshot(&u, e);
	*ret_done = r == 0;
	return r;
}
