/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The look before an upgrade: the tenant's layer is walked beside both versions. It goes down
 * only where one of the versions has a directory, so its cost and depth are theirs and not what
 * the tenant has piled up.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "templates/diff.h"
#include "templates/store.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/plan.h"
#include "ve/upgrade.h"

#define DEPTH_MAX 64

struct look {
	struct upgrade_report *rep;
	char path[PATH_MAX];
	size_t len;
};

void upgrade_report_free(struct upgrade_report *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->file[i].path);
	free(r->file);
	free(r->change);
	r->file = NULL;
	r->change = NULL;
	r->n = r->n_changes = 0;
}

/* Where programs lie. Elsewhere (etc, var, root, ...) the tenant's word counts anyway. */
static bool is_code(const char *path)
{
	static const char *const dirs[] = { "/usr/", "/bin/", "/sbin/", "/lib", "/boot/", "/opt/" };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (str_starts(path, dirs[i]))
			return true;
	return false;
}

static int add(struct look *l, struct err *e)
{
	struct upgrade_report *r = l->rep;
	struct upgrade_file *more = reallocarray(r->file, r->n + 1, sizeof(*more));

	if (more)
		r->file = more;
	if (!more || !(more[r->n].path = strdup(l->path)))
		return err_set(e, ENOMEM, 0, "check the upgrade: out of memory");
	more[r->n].code = is_code(l->path);
	r->n_code += more[r->n].code;
	r->n++;
	return 0;
}

static bool differs(void *arg, const char *path)
{
	(void)path;
	*(bool *)arg = true;
	return false;
}

/* The tenant's directory stands for all that is below (overlayfs.rst, "whiteouts and opaque"). */
static bool hides_all(int upper)
{
	char value[2];

	return fgetxattr(upper, "trusted.overlay.opaque", value, sizeof(value)) > 0 ||
	       fgetxattr(upper, "trusted.overlay.redirect", NULL, 0) > 0;
}

static int look_dir(struct look *l, const int at[3], unsigned depth, struct err *e);

static int look_below(struct look *l, const int at[3], const char *name, unsigned depth,
		      struct err *e)
{
	_fd_ int upper = diff_enter(at[0], name), old = diff_enter(at[1], name);
	_fd_ int new = diff_enter(at[2], name);
	const int below[3] = { upper, old, new };
	bool any = false;
	int r;

	if (upper < 0 || (old < 0 && new < 0))
		return !diff_same(at[1], at[2], name) && upper >= 0 ? add(l, e) : 0;
	if (!hides_all(upper))
		return look_dir(l, below, depth + 1, e);
	if (old < 0 || new < 0)
		return add(l, e);
	r = diff_files(old, new, differs, &any, e);
	return r < 0 || !any ? r : add(l, e);
}

static int look_at(struct look *l, const int at[3], const struct dirent *de, unsigned depth,
		   struct err *e)
{
	size_t len = l->len;
	struct stat st;
	int n, r = 0;

	if (fstatat(at[0], de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;               /* gone meanwhile: the VE may run */
	n = str_fmt(l->path + len, sizeof(l->path) - len, "/%s", de->d_name);
	if (n < 0)
		return 0;
	l->len += (size_t)n;
	if (S_ISDIR(st.st_mode))
		r = look_below(l, at, de->d_name, depth, e);
	else if (!diff_same(at[1], at[2], de->d_name))
		r = add(l, e);
	l->len = len;
	l->path[len] = '\0';
	return r;
}

static int look_dir(struct look *l, const int at[3], unsigned depth, struct err *e)
{
	int fd = depth > DEPTH_MAX ? -1 : openat(at[0], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;
	int r = 0;

	if (depth > DEPTH_MAX)
		return 0;
	if (!d)
		return err_sys(e, "read %s of the tenant's layer", l->path);
	while (!r && (de = readdir(d)))
		if (!str_eq(de->d_name, ".") && !str_eq(de->d_name, ".."))
			r = look_at(l, at, de, depth, e);
	return r;
}

/* Whoever installs or removes a package writes one of these. */
static bool has_own_packages(int upper)
{
	static const char *const files[] = { "var/lib/dpkg/status", "lib/apk/db/installed",
					     "var/lib/rpm/rpmdb.sqlite", "var/lib/rpm/Packages",
					     "usr/lib/sysimage/rpm/rpmdb.sqlite",
					     "var/lib/pacman/local/ALPM_DB_VERSION" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct err none = ERR_INIT;
		_fd_ int fd = -1;

		if (fs_open_in_root(upper, files[i], O_PATH, 0, S_IFREG, &fd, &none) == 0)
			return true;
	}
	return false;
}

/* The tenant's layer, of a running VE by one more mount of its disk. */
static int open_upper(struct ve *ve, struct disk *disk, int *ret, struct err *e)
{
	bool mounted = ve->state.phase == PH_RUNNING || ve->state.phase == PH_MOUNTED;
	_fd_ int private = -1;
	struct plan plan;
	int r;

	if (mounted && ve->state.vm)
		return err_set(e, EOPNOTSUPP, VZ_NO_KERNEL_SUPPORT,
			       "check VE %u: it is a running virtual machine; stop it first", ve->id);
	r = plan_private(ve, &private, e);
	if (r < 0)
		return r;
	plan_for_undo(ve, &plan);
	if (mounted) {
		r = plan.backend->reach(private, ve->state.loop, &disk->mnt, e);
	} else {
		r = plan.backend->prepare(private, &plan.disk, e);
		if (!r)
			r = plan.backend->mount(private, &plan.disk, disk, e);
	}
	return r < 0 ? r : fs_open_dir(disk->mnt, "upper", ret, e);
}

static int compare(struct ve *ve, int old, int new, struct upgrade_report *rep, struct err *e)
{
	struct disk disk = DISK_INIT;
	struct look l = { .rep = rep };
	_fd_ int upper = -1;
	int at[3], r = open_upper(ve, &disk, &upper, e);

	at[0] = upper;
	at[1] = old;
	at[2] = new;
	if (!r)
		r = look_dir(&l, at, 0, e);
	if (!r)
		rep->packages = has_own_packages(upper);
	cleanup_fd(&upper);
	disk_done(&disk);
	return r;
}

int upgrade_check(struct ve *ve, const char *to, struct upgrade_report *ret, struct err *e)
{
	struct store st = STORE_INIT;
	_fd_ int old = -1, new = -1;
	int r = store_open(ve->in->lib, ve->in->run, &st, e);

	if (!r)
		r = store_mount(&st, ve->conf.template, false, &old, e);
	if (!r)
		r = store_mount(&st, to, false, &new, e);
	store_close(&st);
	if (!r)
		r = diff_packages(old, new, &ret->change, &ret->n_changes, e);
	if (!r && storage_is_whole(ve->conf.layout)) {
		ret->packages = true;           /* all of them are his own */
		return 0;
	}
	return r < 0 ? r : compare(ve, old, new, ret, e);
}
