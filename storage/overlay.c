/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options of the overlay, and why (Documentation/filesystems/overlayfs.rst):
 *  redirect_dir=on  rename of a directory of the template works; dpkg does that. The redirect
 *                   is a trusted.* xattr, which nobody in a VE's user namespace can write;
 *  index=off        an index ties the upper layer to one lower layer for ever and would refuse
 *                   the same disk on a newer version of its template;
 *  metacopy=off     an upper file with metadata only would change its content with the template;
 *                   the kernel's document warns against it for layers that are not trusted;
 *  xino=auto        one st_dev for the whole tree and inode numbers that survive copy-up
 *                   (find -xdev, tar, tail -F); falls back by itself where bits are lacking;
 *  no userxattr     it would put redirects and opaque marks into the tenant's hands;
 *  no volatile      fsync inside must mean something.
 */
#include "storage/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "storage/fsctx.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-cred.h"

static const struct fs_opt options[] = {
	{ "source", "berth" },
	{ "redirect_dir", "on" },
	{ "index", "off" },
	{ "metacopy", "off" },
	{ "xino", "auto" },
};

/* Since 5.12; ext4 5.12, erofs 5.19. The mount must be detached and never have been seen. */
static int map_layer(int mnt, int userns, const char *what, struct err *e)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP,
		.userns_fd = (uint64_t)userns,
	};

	if (userns >= 0 && mount_setattr(mnt, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return err_sys(e, "map the ids of the %s layer", what);
	return 0;
}

/*
 * A VM writes all of its disk itself, these names too. They are looked up once, without following
 * a link, and whatever is done to the layers is done to these descriptors: a link in a path would
 * lead to where it points on the host.
 */
static int open_dir(int mnt, const char *name, int *ret, struct err *e)
{
	int fd = openat(mnt, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "open directory %s of the disk", name);
	*ret = fd;
	return 0;
}

struct layers {
	int lower, upper;
	int work;               /* -1: nothing is written */
};

static int set_fd(int ctx, const char *key, int fd)
{
	return fsconfig(ctx, FSCONFIG_SET_FD, key, NULL, fd) < 0 ? -errno : 0;
}

/* Layers by descriptor: no path is resolved again and nothing gets attached. Since 6.13. */
static int mount_by_fd(const struct layers *l, int *ret_mnt, struct err *e)
{
	_fd_ int ctx = -1;
	int r = fsctx_open("overlay", &ctx, e);

	if (r < 0)
		return r;
	r = fsctx_set(ctx, options, ARRAY_SIZE(options));
	if (!r && l->work < 0)
		r = set_fd(ctx, "lowerdir+", l->upper); /* the first given is the topmost */
	if (!r)
		r = set_fd(ctx, "lowerdir+", l->lower);
	if (!r && l->work >= 0)
		r = set_fd(ctx, "upperdir", l->upper);
	if (!r && l->work >= 0)
		r = set_fd(ctx, "workdir", l->work);
	if (r < 0)
		return fsctx_err(ctx, r, "overlay", e);
	return fsctx_create(ctx, MOUNT_ATTR_NODEV, "overlay", ret_mnt, e);
}

/* What fsconfig(2) says where an overlay takes strings only, or no layer that is not attached. */
static bool wants_paths(int r)
{
	return r == -EOPNOTSUPP || r == -EINVAL;
}

static int attach(int mnt, int stage, const char *name, struct err *e)
{
	if (mkdirat(stage, name, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "make directory %s to attach a layer", name);
	if (move_mount(mnt, "", stage, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, "attach a layer at %s", name);
	return 0;
}

static void detach(int stage, const char *name)
{
	char path[64];

	(void)str_fmt(path, sizeof(path), "/proc/self/fd/%d/%s", stage, name);
	(void)umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
	(void)unlinkat(stage, name, AT_REMOVEDIR);
}

/*
 * Layers by path, as all kernels before 6.13 want them; a path can be that of a descriptor. They have
 * to be attached in the caller's own mount namespace: an overlay refuses layers of a detached mount
 * there ("failed to clone lowerpath"). It keeps private clones, so they are detached again at once. The
 * strings are those of mount(2): there is one lower layer, so "lowerdir+" (6.7) is not needed.
 */
static int mount_by_path(const struct layers *l, int *ret_mnt, struct err *e)
{
	char lower[128], upper[64], work[64];
	const struct fs_opt layers[] = {
		{ "lowerdir", lower }, { "upperdir", upper }, { "workdir", work },
	};
	size_t n = l->work < 0 ? 1 : ARRAY_SIZE(layers);
	_fd_ int ctx = -1;
	int r = fsctx_open("overlay", &ctx, e);

	(void)str_fmt(upper, sizeof(upper), "/proc/self/fd/%d", l->upper);
	(void)str_fmt(lower, sizeof(lower), "%s%s/proc/self/fd/%d", l->work < 0 ? upper : "",
		      l->work < 0 ? ":" : "", l->lower);
	(void)str_fmt(work, sizeof(work), "/proc/self/fd/%d", l->work);
	if (r < 0)
		return r;
	r = fsctx_set(ctx, options, ARRAY_SIZE(options));
	if (!r)
		r = fsctx_set(ctx, layers, n);
	if (r < 0)
		return fsctx_err(ctx, r, "overlay", e);
	return fsctx_create(ctx, MOUNT_ATTR_NODEV, "overlay", ret_mnt, e);
}

/* A descriptor opened below a detached mount leads to the same place once that is attached. */
static int mount_attached(const struct overlay_spec *s, const struct layers *l, int *ret_mnt,
			  struct err *e)
{
	int r = attach(s->lower, s->stage, "lower", e);

	if (!r)
		r = attach(s->upper, s->stage, "disk", e);
	if (!r)
		r = mount_by_path(l, ret_mnt, e);
	detach(s->stage, "disk");
	detach(s->stage, "lower");
	return r;
}

static int mount_opened(const struct overlay_spec *s, int *ret_mnt, struct err *e)
{
	_fd_ int upper = -1, work = -1;
	struct layers l;
	int r = open_dir(s->upper, "upper", &upper, e);

	if (!r && !s->read_only)
		r = open_dir(s->upper, "work", &work, e);
	if (r < 0)
		return r;
	l = (struct layers){ .lower = s->lower, .upper = upper, .work = work };
	r = mount_by_fd(&l, ret_mnt, e);
	if (!wants_paths(r))
		return r;
	err_clear(e);                   /* an older kernel; its second answer is the one to report */
	return mount_attached(s, &l, ret_mnt, e);
}

/*
 * Who we are meanwhile: root of the host with fsuid and fsgid of the VE's root, all
 * capabilities but CAP_SYS_RESOURCE. The overlay keeps these credentials for all that it ever
 * does to its layers. Safe because nothing of the VE runs in this process.
 */
static int mount_as_mapped_root(const struct overlay_spec *s, int *ret_mnt, struct err *e)
{
	struct err late = ERR_INIT;
	struct cred cred;
	int r = cred_assume(s->root_uid, s->root_gid, &cred, e);

	if (r < 0)
		return r;
	r = mount_opened(s, ret_mnt, e);
	if (cred_restore(&cred, &late) < 0 && !r) {
		*e = late;
		r = -e->eno;
	}
	return r;
}

/*
 * Without a template there is nothing to lay over: the root is a mount of the disk's directory. It
 * can be had only of a mount that is attached (6.15 was the first to open below a detached one).
 */
static int mount_whole(const struct overlay_spec *s, int *ret_mnt, struct err *e)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NODEV | (s->read_only ? MOUNT_ATTR_RDONLY : 0),
		.propagation = MS_PRIVATE,
	};
	_fd_ int mnt = -1, root = -1;
	int r = open_dir(s->upper, "upper", &root, e);

	if (r < 0)
		return r;
	r = attach(s->upper, s->stage, "disk", e);
	if (!r) {
		mnt = open_tree(root, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		if (mnt < 0 || mount_setattr(mnt, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
			r = err_sys(e, "mount the root that is in the disk");
	}
	detach(s->stage, "disk");
	if (!r)
		r = map_layer(mnt, s->userns, "disk", e);
	if (!r)
		*ret_mnt = TAKE_FD(mnt);
	return r;
}

static int check_writable(int mnt, struct err *e)
{
	struct statvfs vfs;

	if (fstatvfs(mnt, &vfs) < 0)
		return err_sys(e, "stat overlay");
	if (vfs.f_flag & ST_RDONLY)
		return err_set(e, EROFS, VZ_MOUNT,
			       "mount overlay: it came up read-only (its work directory cannot be made)");
	return 0;
}

static int mount_layers(const struct overlay_spec *s, int *ret_mnt, struct err *e)
{
	int r = map_layer(s->lower, s->userns, "template", e);

	if (!r)
		r = map_layer(s->upper, s->userns, "disk", e);
	return r < 0 ? r : mount_as_mapped_root(s, ret_mnt, e);
}

int overlay_mount(const struct overlay_spec *s, int *ret_mnt, struct err *e)
{
	_fd_ int mnt = -1;
	int r = s->lower < 0 ? mount_whole(s, &mnt, e) : mount_layers(s, &mnt, e);

	if (!r && !s->read_only)
		r = check_writable(mnt, e);
	if (r < 0)
		return err_exit(e, VZ_MOUNT);
	*ret_mnt = TAKE_FD(mnt);
	return 0;
}
