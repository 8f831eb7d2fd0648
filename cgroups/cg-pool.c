/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nodes of pools. A pool's node holds no process, only the nodes of its VEs, so a limit on it is
 * what they have together. It is there while one of them is.
 *
 * Who makes, removes or changes one holds the pool's lock (ve/place.c): the limits must be in
 * force before the first VE is in it, and stay until the last has gone.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroups/cgroup.h"
#include "cgroups/cg-internal.h"
#include "util/cleanup.h"
#include "util/parse.h"

int cg_create_pool(const struct cg_host *h, const char *id, struct err *e)
{
	struct cg_node n;
	int r = cg_v2_make_node(h, id, &n, e);

	for (unsigned c = 0; r == 0 && c < CG_V1_MAX; c++)
		if (h->v1[c] >= 0)
			r = cg_v1_make(h, c, id, e);
	return r;
}

static void drop(const struct cg_node *n)
{
	if (unlinkat(n->root, n->path, AT_REMOVEDIR) == 0)
		cg_tidy_top(n);
}

void cg_destroy_pool(const struct cg_host *h, const char *id)
{
	struct cg_node n;

	for (unsigned c = 0; c < CG_V1_MAX; c++)
		if (cg_node_v1(h, c, id, &n) == 0)
			drop(&n);
	if (cg_node_v2(h, id, &n) == 0)
		drop(&n);
	cg_tidy(h);
}

bool cg_exists(const struct cg_host *h, const char *id)
{
	struct cg_node n;

	return cg_node_v2(h, id, &n) == 0 && faccessat(n.root, n.path, F_OK, 0) == 0;
}

int cg_members(const struct cg_host *h, const char *id, uint32_t **ret, size_t *ret_n)
{
	_free_ uint32_t *ids = NULL;
	_dir_ DIR *d = NULL;
	struct dirent *de;
	struct cg_node n;
	size_t count = 0;
	int fd, r = cg_node_v2(h, id, &n);

	if (r < 0)
		return r;
	fd = openat(n.root, n.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return -errno;
	while ((de = readdir(d))) {
		uint32_t *more, one;

		if (de->d_type != DT_DIR || parse_u32(de->d_name, 1, UINT32_MAX, &one) < 0)
			continue;
		more = realloc(ids, (count + 1) * sizeof(*ids));
		if (!more)
			return -ENOMEM;
		ids = more;
		ids[count++] = one;
	}
	*ret = TAKE_PTR(ids);
	*ret_n = count;
	return 0;
}
