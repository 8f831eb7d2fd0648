/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Removing a VE. Whatever a killed create or destroy left is removed as well, so the order is:
 * data and claims first, the config, which names them, last. As vzctl does, the config and the
 * action scripts are kept as *.destroyed: they are the administrator's, and small.
 *
 * The owner file goes first: with it the VE is whole, without it and with the note of a destroy
 * recovery finishes what was begun.
 */
#include "ve/destroy.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/addrs.h"
#include "ve/events.h"
#include "ve/intent.h"
#include "ve/links.h"
#include "ve/netlock.h"
#include "ve/plan.h"
#include "ve/pool.h"
#include "ve/quota.h"
#include "ve/registry.h"
#include "ve/snapshot.h"
#include "ve/start.h"
#include "ve/traffic.h"

static void release_ips(const struct ve *ve)
{
	struct links_want has = links_of_state(ve), named = links_of_conf(ve);
	struct links links;

	links_plan_undo(ve, &named, &links);
	addrs_release(ve, &links, NULL);
	links_plan_undo(ve, &has, &links);
	addrs_release(ve, &links, NULL);
}

static void retire_files(const struct ve *ve)
{
	static const char *const suffixes[] = { "premount", "mount", "start", "stop", "umount",
						"postumount", "conf" };

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		char from[64], to[80];

		(void)str_fmt(from, sizeof(from), "conf/%u.%s", ve->id, suffixes[i]);
		(void)str_fmt(to, sizeof(to), "%s.destroyed", from);
		(void)renameat(ve->in->etc, from, ve->in->etc, to);
	}
}

/*
 * Data must not come back by a power cut that leaves the config away. In one filesystem they are
 * gone no later than the config; /etc and /var may be two.
 */
static int sync_removed(const struct inst *in, struct err *e)
{
	_fd_ int fd = openat(in->lib, "private", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat data, configs;

	if (fd < 0 || fstat(fd, &data) < 0 || fstat(in->etc, &configs) < 0 ||
	    (data.st_dev != configs.st_dev && fsync(fd) < 0))
		return err_sys(e, "sync the private areas");
	return 0;
}

static int remove_private(const struct ve *ve, struct err *e)
{
	char path[64];
	int r;

	(void)str_fmt(path, sizeof(path), "private/%u/owner", ve->id);
	if (unlinkat(ve->in->lib, path, 0) < 0 && errno != ENOENT && errno != ENOTDIR) {
		(void)err_sys(e, "remove %s", path);
		return err_exit(e, VZ_DELETE_PRIVATE);
	}
	(void)str_fmt(path, sizeof(path), "private/%u", ve->id);
	inst_say(ve->in, "Destroying container private area: %s/var/lib/berth/%s", ve->in->root,
		 path);
	plan_retire_disk(ve);
	r = fs_remove_tree(ve->in->lib, path, e);
	if (!r)
		r = sync_removed(ve->in, e);
	if (r < 0)
		return err_exit(e, VZ_DELETE_PRIVATE);
	inst_say(ve->in, "Container private area was destroyed");
	return 0;
}

/* Whoever was told that a VE is gone must not see its config again after a power cut. */
static void sync_configs(const struct inst *in)
{
	_fd_ int fd = openat(in->etc, "conf", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		(void)fsync(fd);
}

static void forget(const struct ve *ve)
{
	char path[64];

	release_ips(ve);
	if (*ve->conf.name)
		reg_name_drop(ve->in, ve->id, ve->conf.name);
	pool_release(ve->in, ve->conf.pool, ve->id);
	reg_ids_drop(ve->in, ve->id, ve->conf.local_uid);
	traffic_retire(ve->in, ve->id);         /* the config knows its links */
	retire_files(ve);
	(void)str_fmt(path, sizeof(path), "conf/%u.conf", ve->id);
	fs_unlink_saved(ve->in->etc, path);     /* what a killed save left beside it */
	up_drop(ve->in, ve->id);
	quota_forget(ve->in, ve->id);
	sync_configs(ve->in);
	if (!reg_exists(ve->in, ve->id))        /* where the configs take no change, recovery tries again */
		intent_drop(ve->in, ve->id);
	/* Under the lock: whoever waits for it sees that the file is another, and looks again. */
	(void)str_fmt(path, sizeof(path), "lock/%u.lck", ve->id);
	(void)unlinkat(ve->in->run, path, 0);
}

int destroy_finish(struct ve *ve, struct err *e)
{
	int r = intent_note(ve->in, ve->id, INTENT_DESTROY, e);

	if (!r)
		r = remove_private(ve, e);
	if (!r)
		forget(ve);
	return r;
}

int ve_destroy(struct inst *in, uint32_t id, struct err *e)
{
	struct ve ve;
	int r;

	if (!reg_exists(in, id))
		return err_set(e, ENOENT, VZ_NO_CONF, "VE %u does not exist", id);
	r = ve_open(&ve, in, id, "destroy", e);
	if (r < 0)
		return r;
	if (ve.state.phase == PH_RUNNING)
		r = err_set(e, EBUSY, VZ_RUNNING, "VE %u is running; stop it first", id);
	else if (ve.state.phase == PH_MOUNTED)
		r = err_set(e, EBUSY, VZ_MOUNTED, "VE %u is mounted; unmount it first", id);
	else if (ve.state.phase != PH_STOPPED)
		start_undo(&ve, "destroy");
	if (!r)
		r = snap_none_mounted(&ve, e);
	if (!r)
		r = destroy_finish(&ve, e);
	if (!r)
		events_add(in, id, "destroyed");
	cg_tidy(&in->cg);
	netlock_tidy(in);
	ve_close(&ve);
	return r;
}
