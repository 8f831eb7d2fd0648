/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every process of a VE, by the v2 hierarchy, where all of them are on every host. The tenant
 * makes groups below its payload as it likes (cg-v2.c bounds their number and depth).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "cgroups/cg-internal.h"
#include "util/cleanup.h"

#define DEPTH 40        /* as cg-v2.c */

struct walk {
	int (*fn)(pid_t pid, void *arg);
	void *arg;
};

/* A group of threads has no file of processes (EOPNOTSUPP): their leader's group lists them. */
static int visit_procs(int dfd, const struct walk *w)
{
	int fd = openat(dfd, "cgroup.procs", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_file_ FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	int pid, n, r = 0;

	if (!f)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	while (!r && (n = fscanf(f, "%d", &pid)) == 1)
		if (pid > 0)
			r = w->fn(pid, w->arg);
	return r;
}

static int visit(int dfd, const struct walk *w, unsigned depth)
{
	_dir_ DIR *d = fdopendir(dfd);
	struct dirent *de;
	int r;

	if (!d) {
		r = -errno;
		(void)close(dfd);
		return r;
	}
	r = visit_procs(dirfd(d), w);
	while (!r && depth && (de = readdir(d))) {
		int fd;

		if (de->d_type != DT_DIR || de->d_name[0] == '.')
			continue;
		fd = openat(dirfd(d), de->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (fd >= 0)
			r = visit(fd, w, depth - 1);
	}
	return r;
}

int cg_each_process(const struct cg_host *h, const char *id, int (*fn)(pid_t pid, void *arg),
		    void *arg)
{
	struct walk w = { fn, arg };
	struct cg_node n;
	int fd, r = cg_node_v2(h, id, &n);

	if (r < 0)
		return r;
	fd = openat(n.root, n.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : visit(fd, &w, DEPTH);
}
