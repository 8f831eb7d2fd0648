/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "storage/fsctx.h"
#include "storage/loop.h"
#include "templates/detect.h"
#include "util/cleanup.h"
#include "util/str.h"
#include "util/sys-copy.h"

int pack_open_dir(int at, const char *path, int *ret, struct err *e)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
					       MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC };
	_fd_ int fd = open_tree(at, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);

	if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return err_sys(e, "open directory %s", path);
	*ret = TAKE_FD(fd);
	return 0;
}

/* The image is ours, made by a confined writer; it is mounted where nobody sees it. */
static int look(int scratch, struct template *t, struct err *e)
{
	_fd_ int image = openat(scratch, PACK_IMAGE, O_RDONLY | O_CLOEXEC), mnt = -1;
	struct loop l = LOOP_INIT;
	char dev[32];
	const struct fs_opt opts[] = { { "source", dev }, { "ro", NULL } };
	int r;

	if (image < 0)
		return err_sys(e, "open %s", PACK_IMAGE);
	r = loop_attach(image, true, &l, e);
	if (r < 0)
		return r;
	(void)str_fmt(dev, sizeof(dev), "/dev/loop%d", l.num);
	r = fsctx_mount("erofs", opts, ARRAY_SIZE(opts),
			MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
			"the new image", &mnt, e);
	loop_close(&l);
	return r < 0 ? r : detect_root(mnt, scratch, t, e);
}

int pack_image(struct unpack *u, struct template *t, struct unpack_report *ret, struct err *e)
{
	const int flags = O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC;
	_fd_ int image = openat(u->scratch, PACK_IMAGE, flags, 0600);
	_fd_ int list = openat(u->scratch, PACK_FILES, flags, 0600);
	int r;

	if (image < 0 || list < 0)
		return err_sys(e, "make the image");
	u->image = image;
	u->list = list;
	r = unpack_run(u, ret, e);
	return r < 0 ? r : look(u->scratch, t, e);
}

int pack_copy(int from, int scratch, struct template *t, struct err *e)
{
	_fd_ int to = openat(scratch, PACK_IMAGE, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			     0600);
	int r = to < 0 ? err_sys(e, "make the image") : copy_sparse(from, to, NULL, e);

	return r < 0 ? r : look(scratch, t, e);
}
