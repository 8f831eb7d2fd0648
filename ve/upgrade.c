/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The upgrade as a machine of phases. Each phase can be done twice: it looks at what is so (the
 * config, the version the VE was started with) and does only the rest. The phase is on the disk
 * before it is begun, so a killed upgrade goes on where it was when it is called again; and as
 * the config always names one whole version, every other verb works meanwhile.
 */
#include "ve/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "templates/store.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/step.h"
#include "util/str.h"
#include "util/sys-proc.h"
#include "ve/conf.h"
#include "ve/exec.h"
#include "ve/health.h"
#include "ve/ready.h"
#include "ve/registry.h"
#include "ve/snapshot.h"
#include "ve/suspend.h"

#define KEEP_S (7 * 24 * 3600)
#define CHECK_MS 30000
#define WAIT_MS 120000
#define LOCK_MS 120000
#define PACKAGES_MS (60 * 60 * 1000)

struct upgrade {
	struct inst *in;
	uint32_t id;
	struct upgrade_state s;
};

static int at(struct upgrade *u, const char *point, struct err *e)
{
	(void)u;
	return fault_at("upgrade", point, false, e);
}

static int enter(struct upgrade *u, enum upgrade_phase p, struct err *e)
{
	u->s.phase = p;
	return upgrade_save(u->in, u->id, &u->s, e);
}

/*
 * One upgrade of a VE at a time; verbs in between have the VE's own lock. A worker of a roll-out
 * that was killed while it waited must not begin any more: somebody else may have gone the other
 * way meanwhile.
 */
static int lock_upgrade(struct inst *in, uint32_t id, pid_t leader, int *ret, struct err *e)
{
	uint64_t end = proc_now_us() + LOCK_MS * 1000ULL;
	struct timespec pause = { 0, 20000000 };
	_fd_ int fd = -1;
	char path[64];

	if (!reg_exists(in, id))
		return err_set(e, ENOENT, VZ_NO_CONF, "VE %u does not exist", id);
	(void)str_fmt(path, sizeof(path), "private/%u/upgrade.lck", id);
	fd = openat(in->lib, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "open %s", path);
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(e, "lock %s", path);
		if (proc_now_us() >= end)
			return err_set(e, EBUSY, VZ_LOCKED, "VE %u is being upgraded already", id);
		(void)nanosleep(&pause, NULL);
	}
	if (leader && getppid() != leader)
		return err_set(e, ECANCELED, VZ_SYSTEM, "upgrade %u: who asked for it is gone", id);
	*ret = TAKE_FD(fd);
	return 0;
}

/* ---- parts of phases ---- */

static int look(struct upgrade *u, struct ve_state *ret, struct err *e)
{
	struct ve_state s = VE_STATE_INIT;
	int r = state_load(u->in, u->id, &s, NULL, e);

	if (!r && s.phase == PH_MOUNTED)
		return err_set(e, EBUSY, VZ_MOUNTED, "VE %u is mounted; unmount it first", u->id);
	if (!r)
		*ret = s;
	return r;
}

/* Not running, or on that version already. */
static int stop_unless_on(struct upgrade *u, const char *version, struct err *e)
{
	struct stop_opts o = { 0 };
	struct ve_state s;
	int r = look(u, &s, e);

	if (r < 0 || (s.phase == PH_RUNNING && str_eq(s.template, version)))
		return r;
	return s.phase == PH_STOPPED ? 0 : ve_stop(u->in, u->id, &o, e);
}

static int set_version(struct upgrade *u, const char *version, struct err *e)
{
	struct ve ve;
	int r = ve_open(&ve, u->in, u->id, "upgrade", e);

	if (r < 0)
		return r;
	if (!str_eq(ve.conf.template, version)) {
		(void)str_fmt(ve.conf.template, sizeof(ve.conf.template), "%s", version);
		conf_mark(&ve.conf, param_by_key("TEMPLATE_VERSION"), true);
		r = conf_save(u->in, u->id, &ve.conf, e);
	}
	ve_close(&ve);
	return r;
}

static int start_waiting(struct upgrade *u, struct err *e)
{
	struct start_opts o = { .wait_ms = u->s.wait_ms, .force = true };
	struct ve_state s;
	int r = look(u, &s, e);

	if (r < 0)
		return r;
	if (s.phase != PH_RUNNING)
		r = ve_start(u->in, u->id, &o, e);
	if (r != -EALREADY)
		return r;
	err_clear(e);                   /* somebody was faster, with the config of now */
	return ready_wait(u->in, u->id, u->s.wait_ms, e);
}

static int stop_if_running(struct upgrade *u, struct err *e)
{
	struct stop_opts o = { 0 };

	return ve_stop(u->in, u->id, &o, e);
}

/* ---- phases: each enters the next ---- */

static int phase_snapshot(struct upgrade *u, struct err *e)
{
	struct snap_opts o = { .uuid = u->s.snapshot, .name = "before-upgrade" };
	struct snapshot s;
	int r = ve_snapshot(u->in, u->id, &o, &s, e);

	if (r == -EEXIST) {             /* made before we were killed */
		err_clear(e);
		r = 0;
	}
	return r < 0 ? r : enter(u, UP_PACKAGES, e);
}

/*
 * By the tenant's own package manager, asking nobody and keeping his configuration files.
 * A run that was cut short is put in order first.
 */
static int phase_packages(struct upgrade *u, struct err *e)
{
	static const char script[] =
		"export DEBIAN_FRONTEND=noninteractive\n"
		"if [ -x /usr/bin/apt-get ]; then\n"
		"  [ ! -x /usr/bin/dpkg ] || dpkg --configure -a --force-confdef --force-confold\n"
		"  apt-get -q update && apt-get -q -y -o Dpkg::Options::=--force-confdef \\\n"
		"    -o Dpkg::Options::=--force-confold dist-upgrade\n"
		"elif [ -x /usr/bin/dnf ]; then dnf -y -q upgrade\n"
		"elif [ -x /usr/bin/yum ]; then yum -y -q update\n"
		"elif [ -x /sbin/apk ]; then apk update && apk upgrade\n"
		"elif [ -x /usr/bin/zypper ]; then zypper -n -q update\n"
		"elif [ -x /usr/bin/pacman ]; then pacman -Syu --noconfirm\n"
		"else exit 127; fi\n";
	struct ve ve;
	int r = start_waiting(u, e);

	if (!r)
		r = ve_open(&ve, u->in, u->id, NULL, e);
	if (r < 0)
		return r;
	inst_say(u->in, "Upgrading the packages inside CT %u", u->id);
	r = exec_script(&ve, script, PACKAGES_MS, e);
	ve_close(&ve);
	if (r > 0)
		r = err_set(e, EIO, VZ_EXEC_FAILED, "VE %u: %s", u->id, r == 127 ?
			    "it has packages of its own, but no package manager that is known" :
			    "the package manager inside failed");
	if (!r)         /* what runs is still the old one */
		r = stop_if_running(u, e);
	return r < 0 ? r : enter(u, UP_VERIFY, e);
}

static int phase_swap(struct upgrade *u, struct err *e)
{
	int r = stop_unless_on(u, u->s.to, e);

	if (!r)
		r = at(u, "swap", e);
	if (!r)
		r = set_version(u, u->s.to, e);
	return r < 0 ? r : enter(u, UP_VERIFY, e);
}

/*
 * The version has been set. Whoever waited for the lock while the VE was stopped for that may have
 * started what was before: it is stopped once more, or the upgrade would be true on paper only.
 */
static int start_on(struct upgrade *u, const char *version, struct err *e)
{
	int r = *u->s.snapshot ? 0 : stop_unless_on(u, version, e);

	return r < 0 ? r : start_waiting(u, e);
}

static int phase_verify(struct upgrade *u, struct err *e)
{
	bool test = *u->s.check;
	int r = u->s.running || test ? start_on(u, u->s.to, e) : 0;

	if (!r)
		r = at(u, "check", e);
	if (!r && test)
		r = health_wait(u->in, u->id, u->s.check, u->s.check_ms, e);
	if (!r && !u->s.running)
		r = stop_if_running(u, e);
	if (!r)
		r = at(u, "keep", e);
	u->s.expires = (uint64_t)time(NULL) + u->s.keep_s;
	return r < 0 ? r : enter(u, UP_KEPT, e);
}

static bool snapshot_is_gone(const struct upgrade *u)
{
	char path[128];

	(void)str_fmt(path, sizeof(path), "private/%u/snapshots/%s", u->id, u->s.snapshot);
	return faccessat(u->in->lib, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

/* Nothing is stopped for it, and no later upgrade waits for a way back that is none. */
static int no_way_back(struct upgrade *u, struct err *e)
{
	int r = enter(u, UP_NONE, e);

	return r < 0 ? r : err_set(e, ENODATA, VZ_SNAP_SWITCH, "upgrade %u: snapshot %s, which was the "
				   "way back, is gone; the VE stays as it is", u->id, u->s.snapshot);
}

/*
 * After packages: what was is a snapshot; going back to it keeps what is now as another. Only once:
 * what the tenant has written since the switch, before a cut short way back is gone on with, is his.
 */
static int return_snapshot(struct upgrade *u, struct err *e)
{
	struct snap_opts o = { .uuid = u->s.snapshot, .skip_config = true, .skip_resume = true };
	struct snapshot back;
	int r;

	if (!*u->s.snapshot)
		return 0;
	if (snapshot_is_gone(u))
		return no_way_back(u, e);
	r = stop_if_running(u, e);
	if (!r)
		r = ve_snapshot_switch(u->in, u->id, &o, &back, e);
	if (r < 0)
		return r;
	u->s.snapshot[0] = '\0';
	return enter(u, UP_RETURN, e);
}

static int phase_return(struct upgrade *u, struct err *e)
{
	int r;

	inst_say(u->in, "CT %u goes back to version %.12s", u->id, u->s.from);
	r = return_snapshot(u, e);
	if (!r)
		r = stop_unless_on(u, u->s.from, e);
	if (!r)
		r = at(u, "return", e);
	if (!r)
		r = set_version(u, u->s.from, e);
	if (!r)
		r = u->s.running ? start_on(u, u->s.from, e) : stop_if_running(u, e);
	return r < 0 ? r : enter(u, UP_NONE, e);
}

/* A failure of any phase but the way back itself leads to the way back. */
static int one_phase(struct upgrade *u, struct err *e)
{
	switch (u->s.phase) {
	case UP_SNAPSHOT:
		return phase_snapshot(u, e);
	case UP_PACKAGES:
		return phase_packages(u, e);
	case UP_SWAP:
		return phase_swap(u, e);
	case UP_VERIFY:
		return phase_verify(u, e);
	case UP_RETURN:
		return phase_return(u, e);
	default:
		return 0;
	}
}

static int run(struct upgrade *u, struct err *e)
{
	while (u->s.phase != UP_KEPT && u->s.phase != UP_NONE) {
		enum upgrade_phase was = u->s.phase;
		struct err why = ERR_INIT;
		int r = one_phase(u, &why);

		if (r == 0)
			continue;
		if (was == UP_SNAPSHOT && enter(u, UP_NONE, e) < 0)
			return -e->eno;
		*e = why;
		if (was == UP_RETURN || was == UP_SNAPSHOT)
			return r;               /* tried again when called again; nothing changed */
		(void)str_fmt(u->s.reason, sizeof(u->s.reason), "%.500s", why.msg);
		r = enter(u, UP_RETURN, e);
		if (r < 0)
			return r;
	}
	if (u->s.phase == UP_NONE && *u->s.reason)
		return err_set(e, ECANCELED, VZ_WAIT_FAILED, "VE %u is back on %.12s: %.380s", u->id,
			       u->s.from, u->s.reason);
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
						      begin(&u, o, &rep, e);
	if (!r && !o->dry_run)
		r = run(&u, e);
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

/* Of packages. That it is gone is no failure: a killed one had got so far, or somebody deleted it. */
static int drop_snapshot(struct upgrade *u, struct err *e)
{
	int r = *u->s.snapshot ? ve_snapshot_delete(u->in, u->id, u->s.snapshot, e) : 0;

	if (r == -ENOENT) {
		err_clear(e);
		r = 0;
	}
	return r < 0 ? r : enter(u, UP_NONE, e);
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
		r = look(&u, &s, e);
		u.s.running = s.phase == PH_RUNNING;
	}
	u.s.reason[0] = '\0';
	if (!r && u.s.phase == UP_SNAPSHOT)
		return drop_snapshot(&u, e);
	if (!r)
		r = enter(&u, UP_RETURN, e);
	return r < 0 ? r : run(&u, e);
}
