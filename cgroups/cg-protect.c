/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guaranteed memory: memory.min of v2. What a VE uses below it is not reclaimed, whoever needs
 * memory. v1 has nothing like it.
 *
 * A node protects no more than the node above it does, so each one above a VE's has the sum of
 * those below it. The two top ones, INSTANCE and INSTANCE-guaranteed, thereby hold what is
 * promised in all: the kernel keeps the account and asking for it takes two reads, however many
 * VEs there are. A raise begins at the top and a cut below, so that who is killed in between
 * leaves a sum too high, never too low; cg_protect_recount puts it right. Whoever changes one
 * holds the lock of ve/guarantee.c.
 *
 * What the guest makes below its node has no protection of its own; the mount option
 * memory_recursiveprot (since 5.7, systemd's default) hands that of the VE down to it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cgroups/cgroup.h"
#include "cgroups/cg-internal.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"

#define FILE_MIN "memory.min"

/* The options of the hierarchy itself are the last word of its line in mountinfo (proc(5)). */
static bool hands_down(void)
{
	_free_ char *text = NULL;
	struct err ignored = ERR_INIT;
	const char *at;

	if (fs_read_at(AT_FDCWD, "/proc/self/mountinfo", 4 << 20, &text, NULL, &ignored) < 0)
		return false;
	at = strstr(text, " - cgroup2 ");
	return at && memmem(at, strcspn(at, "\n"), "memory_recursiveprot", 20);
}

const char *cg_protect_lacks(const struct cg_host *h)
{
	if (!h->on_v2[CG_MEMORY])
		return h->v1[CG_MEMORY] < 0 ? "this host has no memory controller"
			: "cgroup v1 has nothing that keeps a VE's memory from being reclaimed";
	return hands_down() ? NULL
		: "cgroup2 is mounted without memory_recursiveprot, so nothing below a VE would be kept: "
		  "mount -o remount,memory_recursiveprot /sys/fs/cgroup";
}

static int put(const struct cg_node *n, uint64_t bytes)
{
	uint64_t now;
	char text[24];
	int r = str_fmt(text, sizeof(text), "%" PRIu64, bytes);

	if (r > 0)
		r = cg_node_write(n, FILE_MIN, text);
	if (r == 0)
		r = cg_node_u64(n, FILE_MIN, &now);
	return r < 0 ? r : now == bytes ? 0 : -EIO;
}

/* By `up` more or `down` less in all nodes above n. */
static int shift_above(const struct cg_node *n, uint64_t up, uint64_t down)
{
	struct cg_node above;
	uint64_t now;
	int r;

	cg_node_parent(n, &above);
	if (str_eq(above.path, "."))
		return 0;
	/* a raise begins at the top */
	r = up ? shift_above(&above, up, down) : 0;
	if (r == 0)
		r = cg_node_u64(&above, FILE_MIN, &now);
	if (r == 0)
		r = put(&above, now + up - (down < now ? down : now));
	return r < 0 || up ? r : shift_above(&above, up, down);
}

int cg_protect_get(const struct cg_host *h, const char *id, uint64_t *ret)
{
	struct cg_node n;
	int r = h->on_v2[CG_MEMORY] ? cg_node_v2(h, id, &n) : -EOPNOTSUPP;

	return r < 0 ? r : cg_node_u64(&n, FILE_MIN, ret);
}

static int set(const struct cg_node *n, uint64_t bytes)
{
	uint64_t now;
	int r = cg_node_u64(n, FILE_MIN, &now);

	if (r == 0 && bytes > now) {
		r = shift_above(n, bytes - now, 0);
		if (r == 0)
			r = put(n, bytes);
		if (r < 0)
			(void)shift_above(n, 0, bytes - now);
	} else if (r == 0 && bytes < now) {
		r = put(n, bytes);
		if (r == 0)
			r = shift_above(n, 0, now - bytes);
	}
	return r;
}

int cg_protect_set(const struct cg_host *h, const char *id, uint64_t bytes, struct err *e)
{
	const char *why = cg_protect_lacks(h);
	struct cg_node n;
	uint64_t now;
	int r;

	if (why && bytes)
		return err_set(e, EOPNOTSUPP, VZ_NO_KERNEL_SUPPORT, "guarantee memory to %s%s: %s",
			       CG_WHO(id), why);
	r = h->on_v2[CG_MEMORY] ? cg_node_v2(h, id, &n) : -EOPNOTSUPP;
	if (r == 0 && cg_node_u64(&n, FILE_MIN, &now) == 0 && bytes > now &&
	    cg_slice_protects(h, cg_protect_total(h) + bytes - now, e) < 0)
		return -e->eno;
	if (r == 0)
		r = set(&n, bytes);
	if (r == -EOPNOTSUPP && !bytes)
		return 0;
	return r < 0 ? cg_fail(e, CG_MEMORY, r, "guarantee memory to %s%s", CG_WHO(id)) : 0;
}

#define TOPS 2

static int top_node(const struct cg_host *h, unsigned i, struct cg_node *ret)
{
	int r = i ? str_fmt(ret->path, sizeof(ret->path), "%s-guaranteed", h->base)
		  : str_fmt(ret->path, sizeof(ret->path), "%s", h->base);

	ret->root = h->v2;
	return r < 0 ? r : 0;
}

uint64_t cg_protect_total(const struct cg_host *h)
{
	uint64_t sum = 0, v;
	struct cg_node top;

	for (unsigned i = 0; h->on_v2[CG_MEMORY] && i < TOPS; i++)
		if (top_node(h, i, &top) == 0 && cg_node_u64(&top, FILE_MIN, &v) == 0)
			sum += v;
	return sum;
}

/* The sum of what is below n, written to it; a VE's node has its own. */
static uint64_t recount(const struct cg_node *n, unsigned levels)
{
	int fd = openat(n->root, n->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;
	uint64_t sum = 0;

	while (d && (de = readdir(d))) {
		struct cg_node sub = { n->root, "" };
		uint64_t v = 0;

		if (de->d_type != DT_DIR || de->d_name[0] == '.' ||
		    str_fmt(sub.path, sizeof(sub.path), "%s/%s", n->path, de->d_name) < 0)
			continue;
		if (str_starts(de->d_name, CG_POOL) && levels)
			sum += recount(&sub, levels - 1);
		else if (cg_node_u64(&sub, FILE_MIN, &v) == 0)
			sum += v;
	}
	if (d)
		(void)put(n, sum);
	return sum;
}

void cg_protect_recount(const struct cg_host *h)
{
	struct cg_node top;

	for (unsigned i = 0; h->on_v2[CG_MEMORY] && i < TOPS; i++)
		if (top_node(h, i, &top) == 0)
			(void)recount(&top, 1);
}
