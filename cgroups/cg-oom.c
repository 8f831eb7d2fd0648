/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens when a VE is out of memory. The policy is an attribute (xattr(7)) of the VE's v2
 * node, where `set` can change it and the keeper read it at the moment it counts; it lives as
 * long as the node and nobody inside can write it.
 *
 *   v2   kill-ve is memory.oom.group. A freeze cannot be promised: nothing holds back the kernel.
 *   v1   the kernel kills one process; kill-ve is the keeper's answer to the event. freeze is
 *        memory.oom_control: who needs memory sleeps in the page fault, and the keeper freezes
 *        the others on v2. What the kernel allocates for a system call fails with ENOMEM.
 *        See Documentation/admin-guide/cgroup-v1/memory.rst 10.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cgroups/cg-internal.h"
#include "cgroups/cg-oom-policy.h"
#include "util/cleanup.h"
#include "util/str.h"

int cg_open_node(const struct cg_host *h, const char *id, int *ret)
{
	struct cg_node n;
	int fd, r = cg_node_v2(h, id, &n);

	if (r < 0)
		return r;
	fd = openat(n.root, n.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	*ret = fd;
	return 0;
}

/* "" where none was ever set. */
static void read_policy(int node, char dst[16])
{
	ssize_t n = fgetxattr(node, CG_OOM_XATTR, dst, 15);

	dst[n > 0 ? n : 0] = '\0';
}

static int write_policy(int node, const char *policy)
{
	return fsetxattr(node, CG_OOM_XATTR, policy, strlen(policy), 0) < 0 ? -errno : 0;
}

static int tell_kernel(const struct cg_host *h, const char *id, const char *policy)
{
	bool v2 = h->on_v2[CG_MEMORY], freeze = str_eq(policy, CG_OOM_FREEZE);
	const char *file = v2 ? "memory.oom.group" : "memory.oom_control";
	char text[256], want[8];
	struct cg_node n;
	uint64_t now;
	int r = cg_node(h, CG_MEMORY, id, &n);

	(void)str_fmt(want, sizeof(want), "%d", v2 ? str_eq(policy, CG_OOM_KILL_VE) : freeze);
	if (!r && v2 && freeze)
		return -EOPNOTSUPP;
	if (!r)
		r = cg_node_write(&n, file, want);
	if (!r)
		r = cg_node_read(&n, file, text, sizeof(text));
	if (r < 0)
		return r;
	r = v2 ? cg_number(text, &now) : cg_keyed(text, "oom_kill_disable", &now);
	return r < 0 ? r : now == (uint64_t)(want[0] - '0') ? 0 : -EIO;
}

/*
 * The policy first, then a look whether the keeper has frozen it for the one before; the keeper
 * does it the other way round (runtime/keeper-event.c), so that one of the two sees the other.
 */
int cg_set_oom(const struct cg_host *h, const char *id, const char *policy, struct err *e)
{
	_fd_ int node = -1;
	char before[16];
	int r = cg_open_node(h, id, &node);

	if (!r) {
		read_policy(node, before);
		r = write_policy(node, policy);
	}
	if (!r) {
		r = tell_kernel(h, id, policy);
		if (r < 0)
			(void)!write_policy(node, before);
	}
	if (r < 0)
		return cg_fail(e, CG_MEMORY, r, "set the out-of-memory policy of VE %s", id);
	(void)cg_oom_relieved(h, id);
	return 0;
}

bool cg_oom_relieved(const struct cg_host *h, const char *id)
{
	_fd_ int node = -1;
	struct cg_node n;

	return cg_open_node(h, id, &node) == 0 && fremovexattr(node, CG_OOM_FROZEN_XATTR) == 0 &&
	       cg_node_v2(h, id, &n) == 0 && cg_node_write(&n, "cgroup.freeze", "0") == 0;
}

bool cg_oom_frozen(const struct cg_host *h, const char *id)
{
	_fd_ int node = -1;

	return cg_open_node(h, id, &node) == 0 && fgetxattr(node, CG_OOM_FROZEN_XATTR, NULL, 0) >= 0;
}
