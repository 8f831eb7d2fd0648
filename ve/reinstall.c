/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fresh root for a VE: what the tenant wrote moves to /old of it, by names alone, so it takes no
 * room and no time. First the old layer goes into the fresh one, then that takes its place; killed
 * between the two, the next mount of the disk ends it, in the same way (storage/fresh.c). What came
 * unchanged from the template was never in the layer and is not under /old.
 *
 * private/ID/reinstall says before that which version the fresh root is for, and which the old root
 * is: whoever has the lock next sees whether it was exchanged, and then puts that into the config.
 */
#include "ve/reinstall.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "templates/store.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/parse.h"
#include "util/step.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/conf.h"
#include "ve/exec.h"
#include "ve/plan.h"
#include "ve/suspend.h"
#include "ve/whole.h"

#define REMOVE_MS 600000

static void note_path(uint32_t id, char dst[64])
{
	(void)str_fmt(dst, 64, "private/%u/reinstall", id);
}

static uint64_t inode_of(int root, const char *name)
{
	struct stat st;

	return fstatat(root, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : st.st_ino;
}

static int write_note(const struct ve *ve, int root, struct err *e)
{
	char path[64], text[256];

	note_path(ve->id, path);
	(void)str_fmt(text, sizeof(text), "%" PRIu64 " %s %s\n", inode_of(root, "upper"),
		      ve->conf.template, ve->conf.ostemplate);
	return fs_save_at(ve->in->lib, path, text, 0600, e);
}

static void set_version(struct ve *ve, const char *digest, const char *ostemplate)
{
	(void)str_fmt(ve->conf.template, sizeof(ve->conf.template), "%s", digest);
	(void)str_fmt(ve->conf.ostemplate, sizeof(ve->conf.ostemplate), "%s", ostemplate);
	conf_mark(&ve->conf, param_by_key("TEMPLATE_VERSION"), true);
	conf_mark(&ve->conf, param_by_key("OSTEMPLATE"), true);
}

/* The root is one or the other by now; the config follows it. */
static int end_note(struct ve *ve, int mnt, struct err *e)
{
	char path[64], upper[24] = "", digest[65] = "", ostemplate[128] = "";
	_free_ char *text = NULL;
	_fd_ int root = -1;
	const char *s;
	uint64_t old;
	int r;

	note_path(ve->id, path);
	r = fs_read_at(ve->in->lib, path, 256, &text, NULL, e);
	if (!r)
		r = fs_open_dir(mnt, ".", &root, e);
	if (!r && syncfs(root) < 0)     /* the config must not be the first on the disk */
		r = err_sys(e, "sync the fresh root");
	if (r < 0)
		return r;
	s = text;
	if (str_word(&s, upper, sizeof(upper)) > 0 && parse_u64(upper, 1, UINT64_MAX, &old) == 0 &&
	    str_word(&s, digest, sizeof(digest)) > 0 &&
	    str_word(&s, ostemplate, sizeof(ostemplate)) > 0 && inode_of(root, "upper") != old) {
		set_version(ve, digest, ostemplate);
		r = conf_save(ve->in, ve->id, &ve->conf, e);
	}
	if (!r)
		fs_unlink_saved(ve->in->lib, path);
	return r;
}

/* A fresh layer that a killed one left has no old one in it, or the mount had ended it. */
static int make_fresh(struct ve *ve, int mnt, bool whole, struct err *e)
{
	_fd_ int root = -1;
	int r = fs_open_dir(mnt, ".", &root, e);

	if (!r)
		r = fs_remove_tree(root, DISK_FRESH, e);
	if (!r && mkdirat(root, DISK_FRESH, 0755) < 0)
		r = err_sys(e, "make a fresh root");
	if (!r && whole)
		r = whole_fill(ve, root, DISK_FRESH, e);
	if (!r && syncfs(root) < 0)
		r = err_sys(e, "make a fresh root");
	if (!r)
		r = write_note(ve, root, e);
	if (!r)
		r = fault_at("reinstall", "fresh", false, e);
	if (!r && renameat2(root, "upper", root, DISK_FRESH "/old", RENAME_NOREPLACE) < 0)
		r = err_sys(e, "move the old root");
	return r ? r : fault_at("reinstall", "exchange", false, e);
}

/* The disk, mounted by plan; without `fresh` only what a killed one has left is ended. */
static int renew_root(struct ve *ve, bool fresh, struct err *e)
{
	struct disk disk = DISK_INIT;
	struct err late = ERR_INIT;
	_fd_ int private = -1;
	struct plan plan;
	int r = plan_private(ve, &private, e);

	if (r < 0)
		return r;
	plan_for_undo(ve, &plan);
	r = plan.backend->prepare(private, &plan.disk, e);
	if (!r)
		r = plan.backend->mount(private, &plan.disk, &disk, e);
	if (!r && fresh)
		r = make_fresh(ve, disk.mnt, plan.whole, e);
	if (disk.mnt >= 0 && (disk_end_reinstall(disk.mnt, plan.whole, &late) < 0 ||
			      fault_at("reinstall", "config", false, &late) < 0 ||
			      end_note(ve, disk.mnt, &late) < 0) && !r) {
		*e = late;
		r = -e->eno;
	}
	disk_done(&disk);
	return r;
}

void reinstall_mend(struct ve *ve)
{
	struct err e = ERR_INIT;
	char path[64];

	note_path(ve->id, path);
	if (ve->state.phase == PH_STOPPED &&
	    faccessat(ve->in->lib, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
	    renew_root(ve, false, &e) < 0)
		log_warn(&ve->in->log, "end the reinstall of VE %u: %s", ve->id, e.msg);
}

int reinstall_check(const struct ve *ve, struct err *e)
{
	char path[64];

	note_path(ve->id, path);
	if (faccessat(ve->in->lib, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return err_set(e, EBUSY, VZ_SYSTEM, "VE %u: its root is being made anew, its config is not of the "
		       "same version yet; the next command that can ends the reinstall", ve->id);
}

bool ve_reinstall_needs(const struct inst *in, uint32_t id, const char *digest)
{
	struct err ignored = ERR_INIT;
	_free_ char *text = NULL;
	char path[64];
	int r;

	note_path(id, path);
	r = fs_read_at(in->lib, path, 256, &text, NULL, &ignored);
	return r < 0 ? r != -ENOENT : strstr(text, digest) != NULL;
}

static int find_version(struct ve *ve, const char *name, int *ret_hold, struct err *e)
{
	char channel[sizeof(ve->conf.ostemplate)];      /* it may be the config's own */
	struct store st = STORE_INIT;
	struct template t;
	int r = store_open(ve->in->lib, ve->in->run, &st, e);

	(void)str_fmt(channel, sizeof(channel), "%s", name);
	if (!r)
		r = store_find(&st, name, &t, e);
	if (!r)
		r = store_hold(&st, t.digest, ret_hold, e);
	store_close(&st);
	if (r < 0)
		return err_exit(e, VZ_NO_TEMPLATE);
	if (t.disk || plan_boots_disk(&ve->conf))
		return err_set(e, EOPNOTSUPP, VZ_BAD_TEMPLATE, "reinstall %u: a disk with an operating "
			       "system of its own is made anew by destroy and create", ve->id);
	set_version(ve, t.digest, channel);
	return 0;
}

static int do_reinstall(struct inst *in, uint32_t id, const char *ostemplate, struct err *e)
{
	_fd_ int hold = -1;
	struct ve ve;
	int r = ve_open(&ve, in, id, "reinstall", e);

	if (r < 0)
		return r;
	if (ve.state.phase != PH_STOPPED || ve.state.suspended)
		r = err_set(e, EBUSY, VZ_RUNNING, "VE %u was started meanwhile; stop it first", id);
	if (!r)
		r = find_version(&ve, ostemplate ? ostemplate : ve.conf.ostemplate, &hold, e);
	if (!r)
		r = renew_root(&ve, true, e);
	ve_close(&ve);
	return r;
}

/* Whatever the answer would be later is wanted before anything is stopped. */
static int look_first(struct inst *in, uint32_t id, const char *ostemplate, bool *ret_running,
		      struct err *e)
{
	_fd_ int hold = -1;
	struct ve ve;
	int r = ve_open(&ve, in, id, NULL, e);

	if (r < 0)
		return r;
	*ret_running = ve.state.phase == PH_RUNNING;
	r = suspend_refuse(&ve, "reinstall", e);
	if (!r && ve.state.phase == PH_MOUNTED)
		r = err_set(e, EBUSY, VZ_MOUNTED, "VE %u is mounted; unmount it first", id);
	if (!r)
		r = find_version(&ve, ostemplate ? ostemplate : ve.conf.ostemplate, &hold, e);
	ve_close(&ve);
	return r;
}

/* Only what has booted may lose what was before; its own rm does it. */
static int drop_old(struct inst *in, uint32_t id, struct err *e)
{
	struct ve ve;
	int r = ve_open(&ve, in, id, NULL, e);

	if (r < 0)
		return r;
	r = exec_script(&ve, "rm -rf /old\n", REMOVE_MS, e);
	ve_close(&ve);
	return r > 0 ? err_set(e, EIO, VZ_EXEC_FAILED, "VE %u: /old could not be removed", id) : r;
}

int ve_reinstall(struct inst *in, uint32_t id, const struct reinstall_opts *o, struct err *e)
{
	struct start_opts start = { .wait_ms = o->skip_backup ? 120000 : 0 };
	struct stop_opts stop = { 0 };
	bool running = false;
	int r = look_first(in, id, o->ostemplate, &running, e);

	if (!r)
		r = ve_stop(in, id, &stop, e);
	if (!r)
		r = do_reinstall(in, id, o->ostemplate, e);
	if (!r && (running || o->skip_backup))
		r = ve_start(in, id, &start, e);
	if (!r && o->skip_backup)
		r = drop_old(in, id, e);
	if (!r && o->skip_backup && !running)
		r = ve_stop(in, id, &stop, e);
	return r;
}
