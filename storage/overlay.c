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

static int open_dir(int mnt, const char *name, int *ret, struct err *e)
{
	int fd = openat(mnt, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "open directory %s of the disk", name);
	*ret = fd;
	return 0;
}

static int set_fd(int ctx, const char *key, int fd)
{
	return fsconfig(ctx, FSCONFIG_SET_FD, key, NULL, fd) < 0 ? -errno : 0;
}

/* Layers by descriptor: no path is resolved again and nothing gets attached. Since 6.13. */
static int mount_by_fd(const struct overlay_spec *s, int *ret_mnt, struct err *e)
{
	_fd_ int ctx = -1, upper = -1, work = -1;
	int r = open_dir(s->upper, "upper", &upper, e);

	if (!r)
		r = open_dir(s->upper, "work", &work, e);
	if (!r)
		r = fsctx_open("overlay", &ctx, e);
	if (r < 0)
		return r;
	r = fsctx_set(ctx, options, ARRAY_SIZE(options));
	if (!r && s->read_only)
		r = set_fd(ctx, "lowerdir+", upper);    /* the first given is the topmost */
	if (!r)
		r = set_fd(ctx, "lowerdir+", s->lower);
	if (!r && !s->read_only)
		r = set_fd(ctx, "upperdir", upper);
	if (!r && !s->read_only)
		r = set_fd(ctx, "workdir", work);
	if (r < 0)
		return fsctx_err(ctx, r, "overlay", e);
	return fsctx_create(ctx, MOUNT_ATTR_NODEV, "overlay", ret_mnt, e);
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
 * Layers by path, as all kernels before 6.13 want them. They have to be attached in the
 * caller's own mount namespace: an overlay refuses layers of a detached mount there ("failed
 * to clone lowerpath"). It keeps private clones, so they are detached again at once. The
 * strings are those of mount(2): there is one lower layer, so "lowerdir+" (6.7) is not needed.
 */
static int mount_by_path(const struct overlay_spec *s, int *ret_mnt, struct err *e)
{
	char lower[128], upper[64], work[64];
	const struct fs_opt layers[] = {
		{ "lowerdir", lower }, { "upperdir", upper }, { "workdir", work },
	};
	size_t n = s->read_only ? 1 : ARRAY_SIZE(layers);
	_fd_ int ctx = -1;
	int r = fsctx_open("overlay", &ctx, e);

	(void)str_fmt(upper, sizeof(upper), "/proc/self/fd/%d/disk/upper", s->stage);
	(void)str_fmt(lower, sizeof(lower), "%s%s/proc/self/fd/%d/lower", s->read_only ? upper : "",
		      s->read_only ? ":" : "", s->stage);
	(void)str_fmt(work, sizeof(work), "/proc/self/fd/%d/disk/work", s->stage);
	if (r < 0)
		return r;
	r = fsctx_set(ctx, options, ARRAY_SIZE(options));
	if (!r)
		r = fsctx_set(ctx, layers, n);
	if (r < 0)
		return fsctx_err(ctx, r, "overlay", e);
	return fsctx_create(ctx, MOUNT_ATTR_NODEV, "overlay", ret_mnt, e);
}

static int mount_attached(const struct overlay_spec *s, int *ret_mnt, struct err *e)
{
	int r = attach(s->lower, s->stage, "lower", e);

	if (!r)
		r = attach(s->upper, s->stage, "disk", e);
	if (!r)
		r = mount_by_path(s, ret_mnt, e);
	detach(s->stage, "disk");
	detach(s->stage, "lower");
	return r;
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
	r = mount_by_fd(s, ret_mnt, e);
	if (r < 0) {
		err_clear(e);           /* an older kernel; its second answer is the one to report */
		r = mount_attached(s, ret_mnt, e);
	}
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
	_fd_ int mnt = -1;
	int r = attach(s->upper, s->stage, "disk", e);

	if (!r) {
		mnt = open_tree(s->stage, "disk/upper", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
							AT_SYMLINK_NOFOLLOW);
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
