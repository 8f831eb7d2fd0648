/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How this host's hierarchies lie, decided once. Nothing is ever mounted here.
 *
 * The layout is read from the filesystem magic of the usual mount points (file-hierarchy of
 * systemd and of every distribution since 2016), not from /proc/self/mountinfo, whose lines
 * can be anything inside a private mount namespace.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cgroups/cgroup.h"
#include "cgroups/cg-internal.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-proc.h"

#define MOUNT "/sys/fs/cgroup"
#define MAX_ANCESTORS 64

const char *const cg_v2_names[CG_CTL_MAX] = {
	[CG_CPU] = "cpu",	[CG_CPUACCT] = NULL, [CG_CPUSET] = "cpuset",
	[CG_MEMORY] = "memory", [CG_IO] = "io",	     [CG_PIDS] = "pids",
	[CG_HUGETLB] = "hugetlb",
};

/* Controllers mounted together are reached by the symlinks that lie beside the mount. */
static const char *const v1_mounts[CG_V1_MAX] = {
	[CG_CPU] = "cpu",	  [CG_CPUACCT] = "cpuacct",   [CG_CPUSET] = "cpuset",
	[CG_MEMORY] = "memory",   [CG_IO] = "blkio",	      [CG_PIDS] = "pids",
	[CG_HUGETLB] = "hugetlb", [CG_DEVICES] = "devices",   [CG_FREEZER] = "freezer",
	[CG_NET_CLS] = "net_cls", [CG_NET_PRIO] = "net_prio", [CG_PERF] = "perf_event",
	[CG_RDMA] = "rdma",	  [CG_MISC] = "misc",	      [CG_SYSTEMD] = "systemd",
};

/* Directory fd of path below top when a filesystem of that kind is there, else -ENOENT. */
static int open_mount(int top, const char *path, __typeof__(((struct statfs *)0)->f_type) magic)
{
	_fd_ int fd = openat(top, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
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

static int find_below(struct cg_host *h, const char *path)
{
	_fd_ int top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (top < 0)
		return -errno;
	h->v2 = open_mount(top, ".", CGROUP2_SUPER_MAGIC);
	if (h->v2 == -ENOENT) {
		h->v2 = open_mount(top, "unified", CGROUP2_SUPER_MAGIC);
		/* One that is there and cannot be opened is not absent: its limits would be void. */
		for (unsigned c = 0; h->v2 >= 0 && c < CG_V1_MAX; c++) {
			h->v1[c] = open_mount(top, v1_mounts[c], CGROUP_SUPER_MAGIC);
			if (h->v1[c] < 0 && h->v1[c] != -ENOENT)
				return h->v1[c];
		}
	}
	return h->v2 < 0 ? h->v2 : find_v2(h);
}

/* Take over the mount namespace of pid, and stay in the working directory by its name. */
static int join_mounts(pid_t pid)
{
	char path[64], cwd[PATH_MAX];
	_fd_ int ns = -1;

	(void)str_fmt(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || !getcwd(cwd, sizeof(cwd)) || setns(ns, CLONE_NEWNS) < 0)
		return -errno;
	return chdir(cwd) < 0 && chdir("/") < 0 ? -errno : 0;
}

/*
 * `ip netns exec` runs its command in a mount namespace of its own with a fresh /sys, on which
 * nothing is mounted. The host's mounts are those of the nearest ancestor that has cgroups.
 */
static int find_by_ancestor(struct cg_host *h)
{
	pid_t pid = getppid();

	for (int i = 0; i < MAX_ANCESTORS && pid > 1; i++) {
		char path[64];

		(void)str_fmt(path, sizeof(path), "/proc/%d/root" MOUNT, (int)pid);
		if (find_below(h, path) == 0)
			return join_mounts(pid);
		if (proc_parent(pid, &pid) < 0)
			break;
	}
	return -ENOENT;
}

static int find_all(struct cg_host *h)
{
	int r = find_below(h, MOUNT);

	return r == -ENOENT ? find_by_ancestor(h) : r;
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
	cleanup_fd(&h->top);
	cleanup_fd(&h->devices);
	for (unsigned c = 0; c < CG_V1_MAX; c++)
		cleanup_fd(&h->v1[c]);
}
