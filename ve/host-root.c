/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/host-root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/str.h"

void host_root_path(const struct ve *ve, char dst[PATH_MAX])
{
	(void)str_fmt(dst, PATH_MAX, "%s/var/lib/berth/root/%u", ve->in->root, ve->id);
}

int host_root_attach(const struct ve *ve, int mnt, struct err *e)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
	};
	char path[PATH_MAX];

	host_root_path(ve, path);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "make %s", path);
	if (mount_setattr(mnt, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ||
	    move_mount(mnt, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, "mount at %s", path);
	return 0;
}

static int propagate(int mnt, uint64_t how, struct err *e)
{
	struct mount_attr attr = { .propagation = how };

	if (mount_setattr(mnt, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return err_sys(e, "set the propagation of the root of the VE");
	return 0;
}

/*
 * The host's mount is a clone of the VE's from when the two are peers; then the VE's becomes a
 * slave of it. What init's user namespace copies stays a slave (mount_namespaces(7)), and so
 * does what systemd makes shared inside. Only the root is cloned, not /proc and the others.
 */
int host_root_show(const struct ve *ve, int root, const struct ns_home *home, struct err *e)
{
	_fd_ int tree = -1, back = -1;
	int r = propagate(root, MS_SHARED, e);

	if (r < 0)
		return r;
	tree = open_tree(root, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (tree < 0)
		return err_sys(e, "clone the root of the VE");
	r = ns_visit_home(home, &back, e);
	if (!r)
		r = host_root_attach(ve, tree, e);
	if (back >= 0 && ns_visit_end(back, r < 0 ? &(struct err)ERR_INIT : e) < 0 && !r)
		r = -e->eno;
	return r < 0 ? r : propagate(root, MS_SLAVE, e);
}

void host_root_hide(const struct ve *ve)
{
	char path[PATH_MAX];

	host_root_path(ve, path);
	while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		;
	(void)rmdir(path);
}
