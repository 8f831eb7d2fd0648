/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mounting a stopped VE: the same layers as at start, with ids as they lie on disk, at
 * lib/root/ID in the host's mount table because that is what was asked for. The scripts that a
 * start runs on the host run here as well.
 */
#include "ve/mount.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#include "storage/overlay.h"
#include "templates/store.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/sys-fs.h"
#include "ve/create.h"
#include "ve/hooks.h"
#include "ve/host-root.h"
#include "ve/plan.h"
#include "ve/start.h"
#include "ve/suspend.h"

static int mount_layers(struct ve *ve, struct plan *plan, struct disk *disk, int *ret_mnt,
			struct err *e)
{
	struct overlay_spec o = { .lower = -1, .userns = -1, .stage = -1 };
	struct store st = STORE_INIT;
	_fd_ int private = -1, lower = -1, stage = -1;
	char path[PATH_MAX];
	int r = plan_private(ve, &private, e);

	host_root_path(ve, path);
	if (!r)
		r = store_open(ve->in->lib, ve->in->run, &st, e);
	if (!r && !plan->whole)
		r = store_mount(&st, plan->digest, false, &lower, e);
	store_close(&st);
	if (!r)
		r = plan->backend->prepare(private, &plan->disk, e);
	if (!r)
		r = plan->backend->mount(private, &plan->disk, disk, e);
	if (!r && mkdir(path, 0700) < 0 && errno != EEXIST)
		r = err_sys(e, "make %s", path);
	if (!r)
		r = fs_open_dir(AT_FDCWD, path, &stage, e);
	if (r < 0)
		return r;
	o.lower = lower;
	o.upper = disk->mnt;
	o.stage = stage;
	return overlay_mount(&o, ret_mnt, e);
}

int mount_tree(struct ve *ve, struct disk *disk, int *ret_mnt, struct err *e)
{
	char path[PATH_MAX];
	struct plan plan;
	int r = suspend_refuse(ve, "mount", e);

	if (!r)
		r = plan_make(ve, &plan, e);
	if (r < 0)
		return r;
	if (ve->state.phase != PH_STOPPED)
		start_undo(ve, "tidy up");
	r = mount_layers(ve, &plan, disk, ret_mnt, e);
	host_root_path(ve, path);
	(void)rmdir(path);              /* it was the stage */
	return r;
}

static int do_mount(struct ve *ve, struct err *e)
{
	struct disk disk = DISK_INIT;
	_fd_ int mnt = -1;
	struct plan plan;
	int r = suspend_refuse(ve, "mount", e);

	if (!r)
		r = create_check_made(ve, e);
	if (!r)
		r = plan_make(ve, &plan, e);
	if (r < 0)
		return r;
	if (ve->state.phase != PH_STOPPED)
		start_undo(ve, "tidy up");
	r = hook_run(ve, HOOK_PREMOUNT, e);
	if (!r)
		r = mount_layers(ve, &plan, &disk, &mnt, e);
	ve->state = (struct ve_state){ .phase = PH_MOUNTED, .loop = disk.loop.num,
				       .disk_dev = disk.loop.dev };
	disk_done(&disk);
	if (!r)                 /* first: what is on the host and in no state nobody unmounts */
		r = state_save(ve->in, ve->id, &ve->state, e);
	if (!r)
		r = fault_at("mount", "attach", false, e);
	if (!r)
		r = host_root_attach(ve, mnt, e);
	if (!r)
		r = hook_run(ve, HOOK_MOUNT, e);
	if (r < 0) {
		void (*say)(void *, const char *) = ve->in->say;

		ve->in->say = NULL;
		start_undo(ve, "undo mount");
		ve->in->say = say;
		return e->exit ? r : err_exit(e, VZ_MOUNT);
	}
	return 0;
}

int ve_mount(struct inst *in, uint32_t id, struct err *e)
{
	struct ve ve;
	int r = ve_open(&ve, in, id, "mount", e);

	if (r < 0)
		return r;
	if (plan_boots_disk(&ve.conf)) {
		r = err_set(e, EOPNOTSUPP, VZ_MOUNT, "VE %u boots its own disk, which the host does not "
			    "look into", id);
	} else if (ve.state.phase == PH_RUNNING || ve.state.phase == PH_MOUNTED) {
		inst_say(in, "Container is already mounted");
	} else {
		r = do_mount(&ve, e);
		if (!r)
			inst_say(in, "Container is mounted");
	}
	ve_close(&ve);
	return r;
}

/* A script that fails, and a process with its files open, keep it mounted. */
int mount_undo(struct ve *ve, struct err *e)
{
	char path[PATH_MAX];
	int r = hook_run(ve, HOOK_UMOUNT, e);

	if (r < 0)
		return r;
	host_root_path(ve, path);
	if (umount2(path, UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT) {
		(void)err_sys(e, "unmount %s", path);
		return err_exit(e, VZ_UMOUNT);
	}
	start_undo_disk(ve, "umount");
	return 0;
}

int ve_umount(struct inst *in, uint32_t id, struct err *e)
{
	struct ve ve;
	int r = ve_open(&ve, in, id, "umount", e);

	if (r < 0)
		return r;
	if (ve.state.phase == PH_RUNNING)
		r = err_set(e, EBUSY, VZ_RUNNING, "VE %u is running; stop it first", id);
	else if (ve.state.phase != PH_MOUNTED)
		r = err_set(e, EINVAL, VZ_NOT_MOUNTED, "VE %u is not mounted", id);
	else
		r = mount_undo(&ve, e);
	ve_close(&ve);
	return r;
}
