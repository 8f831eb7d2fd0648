/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The upgrade as a machine of phases. Each phase can be done twice: it looks at what is so (the
 * config, the version the VE was started with) and does only the rest. The phase is on the disk
 * before it is begun, so a killed upgrade goes on where it was when it is called again; and as
 * the config always names one whole version, every other verb works meanwhile.
 */
#include "ve/upgrade-impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util/exits.h"
#include "util/step.h"
#include "util/str.h"
#include "ve/conf.h"
#include "ve/exec.h"
#include "ve/health.h"
#include "ve/ready.h"
#include "ve/snapshot.h"

#define PACKAGES_MS (60 * 60 * 1000)

static int at(struct upgrade *u, const char *point, struct err *e)
{
	(void)u;
	return fault_at("upgrade", point, false, e);
}

int upgrade_enter(struct upgrade *u, enum upgrade_phase p, struct err *e)
{
	u->s.phase = p;
	return upgrade_save(u->in, u->id, &u->s, e);
}

/* ---- parts of phases ---- */

int upgrade_look(struct upgrade *u, struct ve_state *ret, struct err *e)
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
	int r = upgrade_look(u, &s, e);

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
	int r = upgrade_look(u, &s, e);

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
	return r < 0 ? r : upgrade_enter(u, UP_PACKAGES, e);
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
	return r < 0 ? r : upgrade_enter(u, UP_VERIFY, e);
}

static int phase_swap(struct upgrade *u, struct err *e)
{
	int r = stop_unless_on(u, u->s.to, e);

	if (!r)
		r = at(u, "swap", e);
	if (!r)
		r = set_version(u, u->s.to, e);
	return r < 0 ? r : upgrade_enter(u, UP_VERIFY, e);
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
	return r < 0 ? r : upgrade_enter(u, UP_KEPT, e);
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
	int r = upgrade_enter(u, UP_NONE, e);

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
	return upgrade_enter(u, UP_RETURN, e);
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
	return r < 0 ? r : upgrade_enter(u, UP_NONE, e);
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

int upgrade_run(struct upgrade *u, struct err *e)
{
	while (u->s.phase != UP_KEPT && u->s.phase != UP_NONE) {
		enum upgrade_phase was = u->s.phase;
		struct err why = ERR_INIT;
		int r = one_phase(u, &why);

		if (r == 0)
			continue;
		if (was == UP_SNAPSHOT && upgrade_enter(u, UP_NONE, e) < 0)
			return -e->eno;
		*e = why;
		if (was == UP_RETURN || was == UP_SNAPSHOT)
			return r;               /* tried again when called again; nothing changed */
		(void)str_fmt(u->s.reason, sizeof(u->s.reason), "%.500s", why.msg);
		r = upgrade_enter(u, UP_RETURN, e);
		if (r < 0)
			return r;
	}
	if (u->s.phase == UP_NONE && *u->s.reason)
		return err_set(e, ECANCELED, VZ_WAIT_FAILED, "VE %u is back on %.12s: %.380s", u->id,
			       u->s.from, u->s.reason);
	return 0;
}
