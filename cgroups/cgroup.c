/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What spans hierarchies: making and removing a VE's nodes, joining them. No other cgroup is
 * touched.
 *
 * Order in create: v2 first, because a VE without its lifecycle node could not be killed.
 * Order in destroy: v2 first as well, because it alone can tell that processes are left; the
 * limits stay in force until it says that none are.
 */
#include "cgroups/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroups/cg-internal.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"

int cg_create(const struct cg_host *h, const char *id, uid_t uid, gid_t gid, struct err *e)
{
	int r = cg_v2_make(h, id, uid, gid, e);

	for (unsigned c = 0; r == 0 && c < CG_V1_MAX; c++)
		if (h->v1[c] >= 0)
			r = cg_v1_make(h, c, id, e);
	return r;
}

int cg_destroy(const struct cg_host *h, const char *id, struct err *e)
{
	int r = cg_v2_remove(h, id, e);

	for (unsigned c = 0; r == 0 && c < CG_V1_MAX; c++)
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
		return err_set(e, -r, VZ_SYSTEM, "open cgroup of %s%s: %s", CG_WHO(id), strerror(-r));
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

int cg_open_tasks(const struct cg_host *h, const char *id, bool io_in_root, struct cg_tasks *ret,
		  struct err *e)
{
	struct cg_tasks t = { .n = 0 };
	struct cg_node n;
	char path[192];

	for (unsigned c = 0; c < CG_V1_MAX; c++) {
		int fd = -1;

		if (h->v1[c] < 0)
			continue;
		if (cg_node_v1(h, c, id, &n) == 0 &&
		    str_fmt(path, sizeof(path), "%s/tasks", n.path) > 0)
			fd = openat(n.root, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0 && errno == ENOENT && c >= CG_CTL_MAX)
			continue;       /* started by a Berth of before */
		if (fd < 0) {
			(void)err_sys(e, "open the tasks file of %s/%s", h->base, id);
			cg_tasks_close(&t);
			return -e->eno;
		}
		t.fd[t.n++] = fd;
	}
	if (io_in_root && h->v1[CG_IO] >= 0) {
		t.fd[t.n] = openat(h->v1[CG_IO], "tasks", O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
		if (t.fd[t.n] < 0) {
			(void)err_sys(e, "open the tasks file of blkio");
			cg_tasks_close(&t);
			return -e->eno;
		}
		t.n_root = 1;
	}
	*ret = t;
	return 0;
}

static int join(const int *fd, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (write(fd[i], "0", 1) != 1)
			return -errno;
	return 0;
}

int cg_join(const struct cg_tasks *t)
{
	return join(t->fd, t->n);
}

int cg_join_root(const struct cg_tasks *t)
{
	return join(t->fd + t->n, t->n_root);
}

void cg_tasks_close(struct cg_tasks *t)
{
	for (unsigned i = 0; i < t->n + t->n_root; i++)
		cleanup_fd(&t->fd[i]);
	t->n = t->n_root = 0;
}
