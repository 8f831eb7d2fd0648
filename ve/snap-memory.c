/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/snap-memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "util/cleanup.h"
#include "util/sys-copy.h"
#include "ve/plan.h"
#include "ve/snap-store.h"
#include "ve/suspend.h"
#include "vm/dump.h"

#define DUMP_NEXT "dump.next"

uint64_t snap_memory_size(int dir)
{
	struct stat st;

	return fstatat(dir, SNAP_MEMORY, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : (uint64_t)st.st_size;
}

static int open_dump(int dir, const char *name, int flags, int *ret, struct err *e)
{
	int fd = openat(dir, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, "open %s", name);
	*ret = fd;
	return 0;
}

static int copy_file(int from, const char *name, int to, const char *new, int *ret, struct err *e)
{
	_fd_ int in = -1, out = -1;
	int r;

	(void)unlinkat(to, new, 0);             /* of one that was killed */
	r = open_dump(from, name, O_RDONLY, &in, e);
	if (!r)
		r = open_dump(to, new, O_RDWR | O_CREAT | O_EXCL, &out, e);
	if (!r)
		r = copy_sparse(in, out, NULL, e);
	if (!r && fsync(out) < 0)
		r = err_sys(e, "copy the memory: sync");
	if (!r)
		*ret = TAKE_FD(out);
	return r;
}

int snap_memory_take(struct ve *ve, int dir, struct err *e)
{
	_fd_ int private = -1, fd = -1;
	int r;

	if (!ve->state.suspended)
		return suspend_save(ve, dir, SNAP_MEMORY, e);
	r = plan_private(ve, &private, e);
	return r < 0 ? r : copy_file(private, DUMP, dir, SNAP_MEMORY, &fd, e);
}

/* Only what is ours gets another head, which is as good as the first. */
int snap_memory_prepare(struct ve *ve, int from, int disk, struct err *e)
{
	_fd_ int private = -1, fd = -1;
	struct dump d;
	int r = plan_private(ve, &private, e);

	if (!r)
		r = copy_file(from, SNAP_MEMORY, private, DUMP_NEXT, &fd, e);
	if (!r)
		r = dump_read(ve->in->lib, fd, &d, e);
	if (!r)
		r = suspend_note_disk(ve, disk, &d, e);
	return r < 0 ? r : dump_seal(ve->in->lib, fd, &d, e);
}

/* Whether the dump there is goes with the disk of this inode; one that nobody can read does. */
static bool is_of(const struct ve *ve, int private, uint64_t inode)
{
	struct err ignored = ERR_INIT;
	_fd_ int fd = -1;
	struct dump d;

	if (open_dump(private, DUMP, O_RDONLY, &fd, &ignored) < 0)
		return false;
	return dump_read(ve->in->lib, fd, &d, &ignored) < 0 || d.disk_inode == inode;
}

int snap_memory_exchange(struct ve *ve, int back, uint64_t inode, struct err *e)
{
	_fd_ int private = -1;
	int r = plan_private(ve, &private, e);

	if (r < 0)
		return r;
	if (is_of(ve, private, inode) && renameat(private, DUMP, back, SNAP_MEMORY) < 0)
		return err_sys(e, "keep the memory of VE %u", ve->id);
	if (renameat(private, DUMP_NEXT, private, DUMP) < 0 && errno != ENOENT)
		return err_sys(e, "put the memory of VE %u in place", ve->id);
	if (fsync(private) < 0)
		return err_sys(e, "exchange the memory: sync");
	ve->state.suspended = state_has_dump(ve->in, ve->id);
	return 0;
}

void snap_memory_drop(const struct ve *ve)
{
	struct err ignored = ERR_INIT;
	_fd_ int private = -1;

	if (plan_private(ve, &private, &ignored) == 0)
		(void)unlinkat(private, DUMP_NEXT, 0);
}
