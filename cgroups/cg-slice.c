/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A slice of systemd that all VEs of an instance lie in, so that the administrator of the host can
 * limit them together by its unit. The slice and its own files belong to systemd, which writes
 * them at every daemon-reload, and nothing here ever does; the nodes below it are ours, and systemd
 * leaves them alone as long as a process is in them.
 *
 * Delegated it is not: systemd delegates services and scopes only. A service would not do, though.
 * Its group goes when no process is in it, its restart fails while VEs have controllers on below
 * it ("no internal processes"), and resets what is set on it (all seen with 252).
 *
 * `v2` of the host is then the slice, and everything that is relative to it stays as it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cgroups/cg-internal.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"

/* A dash would make it a slice inside another. */
bool cg_slice_valid(const char *name)
{
	return str_is_word(name, "_.") && str_ends(name, ".slice") && name[0] != '.';
}

bool cg_slice_used(const struct cg_host *h, const char *name)
{
	static const char *const tops[] = { "", "-guaranteed" };
	char path[160];

	for (unsigned i = 0; i < ARRAY_SIZE(tops); i++)
		if (str_fmt(path, sizeof(path), "%s%s%s%s", name, *name ? "/" : "", h->base, tops[i]) > 0 &&
		    faccessat(h->v2, path, F_OK, 0) == 0)
			return true;
	return false;
}

int cg_slice_enter(struct cg_host *h, const char *name, struct err *e)
{
	_fd_ int fd = -1;

	if (!cg_slice_valid(name) || str_fmt(h->slice, sizeof(h->slice), "%s", name) < 0)
		return err_set(e, EINVAL, VZ_BAD_CONF, "use slice %.40s: no name of a slice", name);
	for (unsigned c = 0; c < CG_CTL_MAX; c++)
		if (h->v1[c] >= 0) {
			h->no_slice = "this host has controllers on cgroup v1, where slices hold nothing";
			return 0;
		}
	fd = openat(h->v2, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno != ENOENT)
		return err_sys(e, "open cgroup %s", name);
	if (fd < 0) {
		h->no_slice = "it is not there; systemctl start it first";
		return 0;
	}
	h->top = h->v2;
	h->v2 = TAKE_FD(fd);
	return 0;
}

int cg_slice_refuse(const struct cg_host *h, const char *id, struct err *e)
{
	if (!h->no_slice)
		return 0;
	return err_set(e, EOPNOTSUPP, VZ_NO_KERNEL_SUPPORT, "put %s%s into %s: %s", CG_WHO(id), h->slice,
		       h->no_slice);
}

void cg_top(const struct cg_host *h, struct cg_node *ret)
{
	*ret = (struct cg_node){ h->top >= 0 ? h->top : h->v2, "." };
}

/* A node protects no more than the one above it, and that one is not ours to set. */
int cg_slice_protects(const struct cg_host *h, uint64_t total, struct err *e)
{
	struct cg_node slice = { h->v2, "." };
	uint64_t has = 0;

	if (h->top < 0 || (cg_node_u64(&slice, "memory.min", &has) == 0 && has >= total))
		return 0;
	return err_set(e, EBUSY, VZ_SET_UBC,
		       "guarantee memory: all VEs together would have %" PRIu64 " bytes of it, and MemoryMin= of "
		       "%s is %" PRIu64, total, h->slice, has);
}
