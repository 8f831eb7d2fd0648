/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's layout, decided once, and what spans hierarchies: making and removing a VE's
 * nodes, joining them. Nothing is ever mounted here and no other cgroup is touched.
 *
 * The layout is read from the filesystem magic of the usual mount points (file-hierarchy of
 * systemd and of every distribution since 2016), not from /proc/self/mountinfo, whose lines
 * can be anything inside a private mount namespace.
 *
 * Order in create: v2 first, because a VE without its lifecycle node could not be killed.
 * Order in destroy: v2 first as well, because it alone can tell that processes are left; the
 * limits stay in force until it says that none are.
 */
#include "cgroups/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cgroups/cg-internal.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"

#define MOUNT "/sys/fs/cgroup"

const char *const cg_v2_names[CG_CTL_MAX] = {
	[CG_CPU] = "cpu",	[CG_CPUACCT] = NULL, [CG_CPUSET] = "cpuset",
	[CG_MEMORY] = "memory", [CG_IO] = "io",	     [CG_PIDS] = "pids",
};

/* Controllers mounted together are reached by the symlinks that lie beside the mount. */
static const char *const v1_mounts[CG_CTL_MAX] = {
	[CG_CPU] = MOUNT "/cpu",       [CG_CPUACCT] = MOUNT "/cpuacct",
	[CG_CPUSET] = MOUNT "/cpuset", [CG_MEMORY] = MOUNT "/memory",
	[CG_IO] = MOUNT "/blkio",      [CG_PIDS] = MOUNT "/pids",
};

/* Directory fd of path when a filesystem of that kind is there, else -ENOENT. */
static int open_mount(const char *path, __typeof__(((struct statfs *)0)->f_type) magic)
{
	_fd_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0 || fstatfs(fd, &fs) < 0)
		return errno == ENOTDIR ? -ENOENT : -errno;
	return fs.f_type == magic ? TAKE_FD(fd) : -ENOENT;
}

static bool has_word(const char *list, const char *word)
{
	char one[32];

	while (str_word(&list, one, sizeof(one)) > 0)
		if (str_eq(one, word))
			return true;
	return false;
}

/* What the v2 hierarchy offers; v2 counts CPU time even without any controller. */
static int find_v2(struct cg_host *h)
{
	struct cg_node root = { h->v2, "." };
	char list[256];
	int r = cg_node_read(&root, "cgroup.controllers", list, sizeof(list));

	if (r < 0)
		return r;
	for (unsigned c = 0; c < CG_CTL_MAX; c++)
		h->on_v2[c] = h->v1[c] < 0 && (!cg_v2_names[c] || has_word(list, cg_v2_names[c]));
	return 0;
}

static int find_all(struct cg_host *h)
{
	h->v2 = open_mount(MOUNT, CGROUP2_SUPER_MAGIC);
	if (h->v2 == -ENOENT) {
		h->v2 = open_mount(MOUNT "/unified", CGROUP2_SUPER_MAGIC);
		for (unsigned c = 0; h->v2 >= 0 && c < CG_CTL_MAX; c++)
			h->v1[c] = open_mount(v1_mounts[c], CGROUP_SUPER_MAGIC);
	}
	return h->v2 < 0 ? h->v2 : find_v2(h);
}

int cg_host_open(struct cg_host *h, const char *base, struct err *e)
{
	struct cg_host found = CG_HOST_INIT;
	int r;

	if (!str_is_word(base, "-_.") || base[0] == '.' ||
	    str_fmt(found.base, sizeof(found.base), "%s", base) < 0)
		return err_set(e, EINVAL, VZ_SYSTEM, "use cgroup %s: bad name", base);
	r = find_all(&found);
	if (r < 0) {
		cg_host_close(&found);
		if (r == -ENOENT)
			return err_set(e, EOPNOTSUPP, VZ_NO_KERNEL_SUPPORT,
				       "find cgroup2: not mounted on " MOUNT " or " MOUNT
				       "/unified");
		return err_set(e, -r, VZ_SYSTEM, "open " MOUNT ": %s", strerror(-r));
	}
	*h = found;
	return 0;
}

void cg_host_close(struct cg_host *h)
{
	cleanup_fd(&h->v2);
	for (unsigned c = 0; c < CG_CTL_MAX; c++)
		cleanup_fd(&h->v1[c]);
}

int cg_create(const struct cg_host *h, const char *id, uid_t uid, gid_t gid, struct err *e)
{
	int r = cg_v2_make(h, id, uid, gid, e);

	for (unsigned c = 0; r == 0 && c < CG_CTL_MAX; c++)
		if (h->v1[c] >= 0)
			r = cg_v1_make(h, c, id, e);
	return r;
}

int cg_destroy(const struct cg_host *h, const char *id, struct err *e)
{
	int r = cg_v2_remove(h, id, e);

	for (unsigned c = 0; r == 0 && c < CG_CTL_MAX; c++)
		if (h->v1[c] >= 0)
			r = cg_v1_remove(h, c, id, e);
	return r;
}

/* A node below payload; made by us it belongs to the VE's root as the rest there does. */
static int make_attach(int payload)
{
	struct stat st;

	if (mkdirat(payload, "attach", 0755) < 0)
		return errno == EEXIST ? 0 : -errno;
	if (fstat(payload, &st) < 0 ||
	    fchownat(payload, "attach", st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

int cg_open_payload(const struct cg_host *h, const char *id, bool attach, int *ret, struct err *e)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
	_fd_ int fd = -1, sub = -1;
	struct cg_node n;
	char path[192];
	int r;

	r = cg_node_v2(h, id, &n);
	if (r == 0)
		r = str_fmt(path, sizeof(path), "%s/payload", n.path);
	if (r < 0)
		return err_set(e, -r, VZ_SYSTEM, "open cgroup of VE %s: %s", id, strerror(-r));
	fd = openat(h->v2, path, flags);
	if (fd < 0)
		return err_sys(e, "open cgroup %s", path);
	if (!attach) {
		*ret = TAKE_FD(fd);
		return 0;
	}
	r = make_attach(fd);
	if (r < 0)
		return err_set(e, -r, VZ_SYSTEM, "make cgroup %s/attach: %s", path, strerror(-r));
	sub = openat(fd, "attach", flags);
	if (sub < 0)
		return err_sys(e, "open cgroup %s/attach", path);
	*ret = TAKE_FD(sub);
	return 0;
}

int cg_open_tasks(const struct cg_host *h, const char *id, struct cg_tasks *ret, struct err *e)
{
	struct cg_tasks t = { .n = 0 };
	struct cg_node n;
	char path[192];

	for (unsigned c = 0; c < CG_CTL_MAX; c++) {
		int fd = -1;

		if (h->v1[c] < 0)
			continue;
		if (cg_node_v1(h, c, id, &n) == 0 &&
		    str_fmt(path, sizeof(path), "%s/tasks", n.path) > 0)
			fd = openat(n.root, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0) {
			(void)err_sys(e, "open %s/%s/%s/tasks", v1_mounts[c], h->base, id);
			cg_tasks_close(&t);
			return -e->eno;
		}
		t.fd[t.n++] = fd;
	}
	*ret = t;
	return 0;
}

int cg_join(const struct cg_tasks *t)
{
	for (unsigned i = 0; i < t->n; i++)
		if (write(t->fd[i], "0", 1) != 1)
			return -errno;
	return 0;
}

void cg_tasks_close(struct cg_tasks *t)
{
	for (unsigned i = 0; i < t->n; i++)
		cleanup_fd(&t->fd[i]);
	t->n = 0;
}
