/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a killed snapshot command left. Before the exchange of a switch, `.new` holds a copy and
 * is nothing; after it, it holds the disk that the VE had, which nothing else does. So it is
 * removed only when the disk that was live at the beginning is still the live one.
 */
#include "ve/snap-store.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/json.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/conf.h"
#include "ve/plan.h"
#include "ve/snap-memory.h"
#include "ve/snap-switch.h"

/* ---- the config of a snapshot ---- */

/* Who the VE is has not been changed by going back; what it is made of has. */
static void keep_identity(struct ve_conf *to, const struct ve_conf *now)
{
	static const char *const keys[] = { "NAME", "IP_ADDRESS", "NETWORK", "NETIF", "POOL", "LOCAL_UID",
					    "LOCAL_GID", "VE_LAYOUT", "KIND" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		param_copy(param_by_key(keys[i]), to, now);
}

static void set_template(struct ve_conf *c, const struct snapshot *s)
{
	(void)str_fmt(c->template, sizeof(c->template), "%s", s->template);
	(void)str_fmt(c->ostemplate, sizeof(c->ostemplate), "%s", s->ostemplate);
	conf_mark(c, param_by_key("TEMPLATE_VERSION"), true);
	conf_mark(c, param_by_key("OSTEMPLATE"), true);
}

static int restore_whole(struct ve *ve, const char *old, size_t len, const struct snapshot *s,
			 struct err *e)
{
	struct ve_conf c = { 0 };
	_free_ char *text = NULL;
	char path[64];
	int r = conf_parse(old, len, "ve.conf", &c, e);

	if (r < 0)
		return r;
	keep_identity(&c, &ve->conf);
	if (*s->template)
		set_template(&c, s);
	r = conf_format(old, &c, &text, e);
	(void)str_fmt(path, sizeof(path), "conf/%u.conf", ve->id);
	if (!r)
		r = fs_save_at(ve->in->etc, path, text, 0644, e);
	if (!r)
		ve->conf = c;
	return r;
}

int snap_restore_conf(struct ve *ve, int dir, const struct snapshot *s, bool whole,
		      struct err *e)
{
	_free_ char *text = NULL;
	char path[128];
	size_t len;

	(void)str_fmt(path, sizeof(path), "%s/ve.conf", s->uuid);
	if (whole && fs_read_at(dir, path, 65536, &text, &len, e) == 0)
		return restore_whole(ve, text, len, s, e);
	if (whole && e->eno != ENOENT)
		return -e->eno;
	err_clear(e);
	if (!*s->template)
		return 0;               /* an info that was lost: the version of now must do */
	set_template(&ve->conf, s);
	return conf_save(ve->in, ve->id, &ve->conf, e);
}

/* ---- a switch that was cut short ---- */

static uint64_t inode_of(int dir, const char *path)
{
	struct stat st;

	return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : st.st_ino;
}

static int load_note(int dir, struct switch_note *ret, struct err *e)
{
	_free_ char *text = NULL;
	struct json_val *v;
	size_t len;
	int r = fs_read_at(dir, SNAP_NEW "/switch", 4096, &text, &len, e);

	if (!r)
		r = json_parse(text, len, "switch", &v, e);
	if (r < 0)
		return r;
	ret->live = json_get_u64(v, "live", 0);
	ret->skip_config = json_get_bool(v, "skip_config", false);
	(void)str_fmt(ret->target, sizeof(ret->target), "%s", json_get_str(v, "target", ""));
	json_val_free(v);
	return 0;
}

/* The disk was exchanged: the rest of the switch, each part of which may be done already. */
static int end_switch(struct ve *ve, int dir, const struct switch_note *note, struct err *e)
{
	const struct storage_backend *b = plan_backend(&ve->conf);
	struct snapshot target = { 0 }, back;
	struct err lost = ERR_INIT;     /* the target's info: the disk is there, and is what counts */
	_fd_ int new = -1;
	char path[128];
	int r = snap_load(dir, SNAP_NEW, &back, e);

	if (!r)
		r = fs_open_dir(dir, SNAP_NEW, &new, e);
	if (!r && b && b->retire)
		b->retire(new);
	if (!r)
		r = snap_memory_exchange(ve, new, note->live, e);
	if (!r && snap_load(dir, note->target, &target, &lost) < 0)
		(void)str_fmt(target.uuid, sizeof(target.uuid), "%s", note->target);
	if (!r)
		r = snap_restore_conf(ve, dir, &target, !note->skip_config, e);
	if (!r)
		r = snap_set_current(dir, note->target, e);
	if (!r)
		r = snap_finish(dir, &back, e);
	if (r < 0)
		return r;
	/* Only now: without the note `.new` would be taken for a copy. A leftover is harmless. */
	(void)str_fmt(path, sizeof(path), "%s/switch", back.uuid);
	(void)unlinkat(dir, path, 0);
	return 0;
}

int switch_end(struct ve *ve, int dir, struct err *e)
{
	_fd_ int private = -1;
	struct switch_note note;
	struct snapshot back;
	char other[64];
	int r = plan_private(ve, &private, e);

	if (!r)
		r = load_note(dir, &note, e);
	if (r < 0)
		return r;
	(void)str_fmt(other, sizeof(other), SNAP_NEW "/%s", snap_disk(ve));
	if (inode_of(private, snap_disk(ve)) == note.live) {
		snap_memory_drop(ve);
		return fs_remove_tree(dir, SNAP_NEW, e);
	}
	if (inode_of(dir, other) == note.live)
		return end_switch(ve, dir, &note, e);
	/* Moved to another filesystem meanwhile: nobody knows any more, so nothing is thrown away. */
	r = snap_load(dir, SNAP_NEW, &back, e);
	return r < 0 ? r : snap_finish(dir, &back, e);
}

int snap_mend(struct ve *ve, int dir, struct err *e)
{
	bool begun = faccessat(dir, SNAP_NEW "/switch", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	int r;

	if (!begun)
		snap_memory_drop(ve);
	r = begun ? switch_end(ve, dir, e) : fs_remove_tree(dir, SNAP_NEW, e);
	return r < 0 ? r : fs_remove_tree(dir, SNAP_DEL, e);
}

static bool has(const struct ve *ve, const char *name)
{
	char path[64];

	(void)str_fmt(path, sizeof(path), "private/%u/snapshots/%s", ve->id, name);
	return faccessat(ve->in->lib, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void snap_mend_all(struct ve *ve)
{
	struct err e = ERR_INIT;
	_fd_ int dir = -1;

	if (!has(ve, SNAP_NEW) && !has(ve, SNAP_DEL))
		return;
	if (snap_open(ve, false, &dir, &e) < 0 || snap_mend(ve, dir, &e) < 0)
		log_warn(&ve->in->log, "mend the snapshots of VE %u: %s", ve->id, e.msg);
}

/*
 * Exchanged, and what is left cannot be done: the configs may lie on a disk that is full. The tenant's
 * layer over a version that it was not made on is a mix that no later end of the switch takes back.
 */
int snap_switch_check(const struct ve *ve, struct err *e)
{
	struct err ignored = ERR_INIT;
	_fd_ int private = -1, dir = -1;
	struct switch_note note;

	if (!has(ve, SNAP_NEW "/switch") || plan_private(ve, &private, &ignored) < 0 ||
	    snap_open(ve, false, &dir, &ignored) < 0 || load_note(dir, &note, &ignored) < 0 ||
	    inode_of(private, snap_disk(ve)) == note.live)
		return 0;
	return err_set(e, EBUSY, VZ_SNAP_SWITCH,
		       "VE %u: its disk is that of snapshot %s, its config is not yet; the next command "
		       "that can ends the switch", ve->id, note.target);
}
