/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/whole.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "templates/store.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/sys-fs.h"
#include "util/sys-tree.h"
#include "ve/plan.h"

#define LINKS ".links"          /* beside the root; what a killed one left is removed */

static int mount_version(struct ve *ve, int *ret, struct err *e)
{
	struct store st = STORE_INIT;
	_fd_ int mnt = -1;
	int r = store_open(ve->in->lib, ve->in->run, &st, e);

	if (!r)
		r = store_mount(&st, ve->conf.template, false, &mnt, e);
	store_close(&st);
	return r < 0 ? r : fs_open_dir(mnt, ".", ret, e);
}

static int copy(struct ve *ve, int disk, const char *name, struct err *e)
{
	struct tree_copy t = { .from = -1, .to = -1, .files = -1 };
	_fd_ int from = -1, to = -1, links = -1;
	int r = mount_version(ve, &from, e);

	if (!r)
		r = fs_remove_tree(disk, LINKS, e);
	if (!r && mkdirat(disk, LINKS, 0700) < 0)
		r = err_sys(e, "copy the template");
	if (!r)
		r = fs_open_dir(disk, LINKS, &links, e);
	if (!r)
		r = fs_open_dir(disk, name, &to, e);
	t.from = from;
	t.to = to;
	t.files = links;
	if (!r)
		r = tree_copy(&t, e);
	return r < 0 ? r : fs_remove_tree(disk, LINKS, e);
}

int whole_fill(struct ve *ve, int disk, const char *name, struct err *e)
{
	struct err ignored = ERR_INIT;
	struct disk_spec spec;
	int r = copy(ve, disk, name, e);

	if (r < 0 && fs_remove_tree(disk, LINKS, &ignored) < 0)
		err_clear(&ignored);
	if (r != -ENOSPC)
		return r;
	plan_disk(ve, &spec);
	err_clear(e);
	return err_set(e, ENOSPC, VZ_NO_DISK_SPACE,
		       "copy template %.12s: it does not fit into a disk of %llu MiB",
		       ve->conf.template, (unsigned long long)(spec.size >> 20));
}

int whole_fill_new(struct ve *ve, int private, struct err *e)
{
	struct disk disk = DISK_INIT;
	_fd_ int root = -1;
	struct plan plan;
	int r;

	plan_for_undo(ve, &plan);
	r = plan.backend->prepare(private, &plan.disk, e);
	if (!r)
		r = plan.backend->mount(private, &plan.disk, &disk, e);
	if (!r)
		r = fs_open_dir(disk.mnt, ".", &root, e);
	if (!r)
		r = whole_fill(ve, root, "upper", e);
	if (!r && syncfs(root) < 0)
		r = err_sys(e, "copy the template: sync");
	cleanup_fd(&root);
	disk_done(&disk);
	return r;
}
