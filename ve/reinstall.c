/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fresh root for a VE: what the tenant wrote moves to /old of it, by names alone, so it takes no
 * room and no time. First the old layer goes into the fresh one, then that takes its place;
 * killed between the two, the next mount of the disk ends it (storage/image.c).
 *
 * What came unchanged from the template was never in the layer and is not under /old. The marks
 * of overlayfs (whiteouts, opaque and redirected directories) mean nothing there and are taken
 * off: a whiteout could not even be removed from inside.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "templates/store.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/step.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/conf.h"
#include "ve/exec.h"
#include "ve/plan.h"
#include "ve/suspend.h"
#include "ve/whole.h"

#define FRESH "upper.fresh"
#define DEPTH_MAX 256           /* of directories; files of an own template lie far above that */
#define REMOVE_MS 600000

typedef void entry_fn(int dir, const char *name, mode_t mode, dev_t dev);

static void walk(int dir, entry_fn *fn, unsigned depth)
{
	int fd = depth > DEPTH_MAX ? -1 : openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		_fd_ int below = -1;
		struct stat st;

		if (str_eq(de->d_name, ".") || str_eq(de->d_name, "..") ||
		    fstatat(dir, de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISDIR(st.st_mode))
			below = openat(dir, de->d_name,
				       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		fn(dir, de->d_name, st.st_mode, st.st_rdev);
		if (below >= 0)
			walk(below, fn, depth + 1);
	}
}

/* By the name in an open directory: a link cannot be opened, and is not followed. */
static void drop_attr(int dir, const char *name, const char *attr)
{
	char path[NAME_MAX + 64];

	if (str_fmt(path, sizeof(path), "/proc/self/fd/%d/%s", dir, name) > 0)
		(void)lremovexattr(path, attr);
}

/*
 * overlayfs finds inodes by where a file was copied up from: with it the old file and the
 * template's own would be one. Harmless in place (inode numbers may change), so done before.
 */
static void forget_origin(int dir, const char *name, mode_t mode, dev_t dev)
{
	(void)mode;
	(void)dev;
	drop_attr(dir, name, "trusted.overlay.origin");
	drop_attr(dir, name, "trusted.overlay.impure");
}

static void drop_marks(int dir, const char *name, mode_t mode, dev_t dev)
{
	if (S_ISCHR(mode) && dev == 0)
		(void)unlinkat(dir, name, 0);
	if (!S_ISDIR(mode))
		return;
	drop_attr(dir, name, "trusted.overlay.opaque");
	drop_attr(dir, name, "trusted.overlay.redirect");
}

/* A fresh layer that a killed one left has no old one in it, or the mount had ended it. */
static int exchange(struct ve *ve, int mnt, struct err *e)
{
	bool whole = storage_is_whole(ve->conf.layout);
	_fd_ int root = -1, upper = -1;
	int r = fs_open_dir(mnt, ".", &root, e);

	if (!r)
		r = fs_open_dir(root, "upper", &upper, e);
	if (!r && !whole)
		walk(upper, forget_origin, 0);
	if (!r)
		r = fs_remove_tree(root, FRESH, e);
	if (!r && mkdirat(root, FRESH, 0755) < 0)
		r = err_sys(e, "make a fresh root");
	if (!r && whole)
		r = whole_fill(ve, root, FRESH, e);
	if (!r && syncfs(root) < 0)
		r = err_sys(e, "make a fresh root");
	if (!r && renameat2(root, "upper", root, FRESH "/old", RENAME_NOREPLACE) < 0)
		r = err_sys(e, "move the old root");
	if (!r)
		r = fault_at("reinstall", "exchange", false, e);
	if (!r && renameat2(root, FRESH, root, "upper", RENAME_NOREPLACE) < 0)
		r = err_sys(e, "put the fresh root in place");
	return r;
}

static int renew_root(struct ve *ve, struct err *e)
{
	struct disk disk = DISK_INIT;
	_fd_ int private = -1, old = -1;
	struct plan plan;
	int r = plan_private(ve, &private, e);

	if (r < 0)
		return r;
	plan_for_undo(ve, &plan);
	r = plan.backend->prepare(private, &plan.disk, e);
	if (!r)
		r = plan.backend->mount(private, &plan.disk, &disk, e);
	if (!r)
		r = exchange(ve, disk.mnt, e);
	if (!r && !plan.whole) {
		r = fs_open_dir(disk.mnt, "upper/old", &old, e);
		if (!r)
			walk(old, drop_marks, 0);
	}
	if (r < 0 && disk.mnt >= 0)
		disk_end_reinstall(disk.mnt);
	cleanup_fd(&old);
	disk_done(&disk);
	return r;
}

static int find_version(struct ve *ve, const char *name, struct err *e)
{
	struct store st = STORE_INIT;
	struct template t;
	int r = store_open(ve->in->lib, ve->in->run, &st, e);

	if (!r)
		r = store_find(&st, name, &t, e);
	store_close(&st);
	if (r < 0)
		return err_exit(e, VZ_NO_TEMPLATE);
	if (t.disk || plan_boots_disk(&ve->conf))
		return err_set(e, EOPNOTSUPP, VZ_BAD_TEMPLATE, "reinstall %u: a disk with an operating "
			       "system of its own is made anew by destroy and create", ve->id);
	(void)str_fmt(ve->conf.template, sizeof(ve->conf.template), "%s", t.digest);
	if (name != ve->conf.ostemplate)
		(void)str_fmt(ve->conf.ostemplate, sizeof(ve->conf.ostemplate), "%s", name);
	conf_mark(&ve->conf, param_by_key("TEMPLATE_VERSION"), true);
	conf_mark(&ve->conf, param_by_key("OSTEMPLATE"), true);
	return 0;
}

static int do_reinstall(struct inst *in, uint32_t id, const char *ostemplate, struct err *e)
{
	struct ve ve;
	int r = ve_open(&ve, in, id, "reinstall", e);

	if (r < 0)
		return r;
	if (ve.state.phase != PH_STOPPED || ve.state.suspended)
		r = err_set(e, EBUSY, VZ_RUNNING, "VE %u was started meanwhile; stop it first", id);
	if (!r)
		r = find_version(&ve, ostemplate ? ostemplate : ve.conf.ostemplate, e);
	if (!r)
		r = renew_root(&ve, e);
	if (!r)
		r = conf_save(in, id, &ve.conf, e);
	ve_close(&ve);
	return r;
}

/* Whatever the answer would be later is wanted before anything is stopped. */
static int look_first(struct inst *in, uint32_t id, const char *ostemplate, bool *ret_running,
		      struct err *e)
{
	struct ve ve;
	int r = ve_open(&ve, in, id, NULL, e);

	if (r < 0)
		return r;
	*ret_running = ve.state.phase == PH_RUNNING;
	r = suspend_refuse(&ve, "reinstall", e);
	if (!r && ve.state.phase == PH_MOUNTED)
		r = err_set(e, EBUSY, VZ_MOUNTED, "VE %u is mounted; unmount it first", id);
	if (!r)
		r = find_version(&ve, ostemplate ? ostemplate : ve.conf.ostemplate, e);
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
