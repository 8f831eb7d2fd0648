/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The v2 hierarchy, where a VE's lifecycle lives on every host:
 *
 *   INSTANCE/            no processes of its own
 *     keepers/           the keepers of all VEs, outside every limit
 *     pool-NAME/         limits that VEs share; then their nodes are in it
 *     ID/                limits, freeze, kill, device filter; never writable for the VE
 *       payload/         delegated: what the VE sees as its root
 *         attach/        processes that enter; payload itself takes none once the VE's init
 *                        has enabled controllers below it ("no internal processes")
 *
 * nsdelegate cannot be assumed (it is an option of the first mount), so the limits are one
 * level above what the VE can write, and only the files that
 * Documentation/admin-guide/cgroup-v2.rst, "Delegation", names change owner.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroups/cg-internal.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-proc.h"

/* What a VE may nest; a systemd guest with a few hundred units needs about 500 and 8. */
#define MAX_DESCENDANTS "5000"
#define MAX_DEPTH "32"
#define WALK_DEPTH 40 /* above MAX_DEPTH, and a bound for the recursion */

#define FREEZE_PATIENCE_MS 10000
#define HOLD_PATIENCE_MS 100
#define EXIT_PATIENCE_MS 1000

static int sub_node(const struct cg_node *n, const char *name, struct cg_node *ret)
{
	int r;

	ret->root = n->root;
	r = str_fmt(ret->path, sizeof(ret->path), "%s/%s", n->path, name);
	return r < 0 ? r : 0;
}

/* "+cpu +memory" for each of ours that is missing in `have`, "" when none is. */
static void missing(const struct cg_host *h, const char *have, char *dst, size_t size)
{
	char word[32];
	size_t len = 0;

	dst[0] = '\0';
	for (unsigned c = 0; c < CG_CTL_MAX; c++) {
		const char *s = have;
		/* Huge pages have their own way (cg-hugetlb.c). */
		bool found = !h->on_v2[c] || !cg_v2_names[c] || c == CG_HUGETLB;
		int r;

		while (!found && str_word(&s, word, sizeof(word)) > 0)
			found = str_eq(word, cg_v2_names[c]);
		if (found)
			continue;
		r = str_fmt(dst + len, size - len, "%s+%s", len ? " " : "", cg_v2_names[c]);
		len += r > 0 ? (size_t)r : 0;
	}
}

/* For messages. */
static const char *path_of(const struct cg_host *h, const struct cg_node *n)
{
	if (!str_eq(n->path, "."))
		return n->path;
	return h->top >= 0 && n->root == h->v2 ? h->slice : "/";
}

/* Let children of n be limited. Writes only what is missing: on a busy host that is nothing. */
static int enable(const struct cg_host *h, const struct cg_node *n, struct err *e)
{
	char have[256], want[128];
	int r = cg_node_read(n, "cgroup.subtree_control", have, sizeof(have));

	if (r < 0)
		return err_set(e, -r, VZ_SYSTEM, "read controllers of cgroup %s: %s", n->path,
			       strerror(-r));
	missing(h, have, want, sizeof(want));
	if (!want[0])
		return 0;
	r = cg_node_write(n, "cgroup.subtree_control", want);
	if (r == -EBUSY)
		return err_set(e, EBUSY, VZ_SYSTEM,
			       "enable %s below cgroup %s: it has processes "
			       "of its own; move them to a child first",
			       want, path_of(h, n));
	if (r < 0)
		return err_set(e, -r, VZ_SYSTEM, "enable %s below cgroup %s: %s", want,
			       path_of(h, n), strerror(-r));
	return 0;
}

static int delegate(const struct cg_node *n, uid_t uid, gid_t gid)
{
	static const char *const files[] = { "cgroup.procs", "cgroup.threads",
					     "cgroup.subtree_control" };
	_fd_ int fd = openat(n->root, n->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || fchown(fd, uid, gid) < 0)
		return -errno;
	for (unsigned i = 0; i < ARRAY_SIZE(files); i++)
		if (fchownat(fd, files[i], uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
	return 0;
}

/* Remove name with what a guest made below it, deepest first. -EBUSY while in use. */
static int remove_tree(int dfd, const char *name, unsigned depth)
{
	_dir_ DIR *d = NULL;
	struct dirent *de;
	int fd;

	if (unlinkat(dfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT || errno == ENODEV)
		return 0;
	if ((errno != EBUSY && errno != ENOTEMPTY) || depth == 0)
		return -errno;
	fd = openat(dfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return -errno;
	while ((de = readdir(d))) {
		int r = 0;

		if (de->d_type == DT_DIR && !str_eq(de->d_name, ".") && !str_eq(de->d_name, ".."))
			r = remove_tree(dirfd(d), de->d_name, depth - 1);
		if (r < 0)
			return r;
	}
	return unlinkat(dfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

/*
 * Since 6.14 (and in stable kernels that took the same fix) a group on which cgroup.kill was
 * ever used kills what clone3(CLONE_INTO_CGROUP) puts into it from elsewhere: the two groups'
 * counts of kills are compared. A VE that starts again must therefore get a new payload.
 */
static int fresh_payload(const struct cg_host *h, const char *id, const struct cg_node *payload)
{
	int r = cg_populated(h, id) ? 0 : remove_tree(payload->root, payload->path, WALK_DEPTH);

	return r < 0 ? r : cg_make_dir(payload);
}

static int make_payload(const struct cg_host *h, const char *id, uid_t uid, gid_t gid)
{
	struct cg_node n, payload;
	int r = cg_node_v2(h, id, &n);

	if (r == 0)
		r = sub_node(&n, "payload", &payload);
	if (r == 0)
		r = cg_node_write(&n, "cgroup.max.descendants", MAX_DESCENDANTS);
	if (r == 0)
		r = cg_node_write(&n, "cgroup.max.depth", MAX_DEPTH);
	if (r == 0)
		r = fresh_payload(h, id, &payload);
	return r < 0 ? r : delegate(&payload, uid, gid);
}

static int enable_down_to(const struct cg_host *h, const struct cg_node *n, struct err *e)
{
	struct cg_node parent;
	int r = 0;

	cg_node_parent(n, &parent);
	if (!str_eq(n->path, "."))
		r = enable_down_to(h, &parent, e);
	else if (h->top >= 0 && n->root != h->top)
		r = enable(h, &(struct cg_node){ h->top, "." }, e);
	return r < 0 ? r : enable(h, n, e);
}

int cg_v2_make_node(const struct cg_host *h, const char *id, struct cg_node *ret, struct err *e)
{
	struct cg_node n;
	int r = cg_slice_refuse(h, id, e);

	if (r < 0)
		return r;
	r = cg_node_v2(h, id, &n);
	if (r == 0)
		r = cg_make_dir(&n);
	if (r < 0)
		return err_set(e, -r, VZ_SYSTEM, "make cgroup of %s%s: %s", CG_WHO(id), strerror(-r));
	/* From the top, and only now: a parent that has a child cannot vanish in between. */
	r = enable_down_to(h, &n, e);
	if (r == 0)
		*ret = n;
	return r;
}

int cg_v2_make(const struct cg_host *h, const char *id, uid_t uid, gid_t gid, struct err *e)
{
	struct cg_node n;
	int r = cg_v2_make_node(h, id, &n, e);

	if (r < 0)
		return r;
	r = make_payload(h, id, uid, gid);
	if (r < 0)
		return err_set(e, -r, VZ_SYSTEM, "make cgroup %s/payload: %s", n.path,
			       strerror(-r));
	return 0;
}

/* rmdir can be early by a moment: populated is 0 when the last process began to go. */
static int remove_patiently(const struct cg_node *n)
{
	uint64_t until = proc_now_us() + EXIT_PATIENCE_MS * 1000;
	int r;

	while ((r = remove_tree(n->root, n->path, WALK_DEPTH)) == -EBUSY && proc_now_us() < until)
		cg_sleep_ms(1);
	return r;
}

void cg_tidy(const struct cg_host *h)
{
	struct cg_node keepers = { h->v2, "" };

	/* Both refuse while in use; whoever needs them at this moment makes them again. */
	if (str_fmt(keepers.path, sizeof(keepers.path), "%s/keepers", h->base) > 0)
		(void)unlinkat(h->v2, keepers.path, AT_REMOVEDIR);
	(void)unlinkat(h->v2, h->base, AT_REMOVEDIR);
	for (unsigned c = 0; c < CG_V1_MAX; c++)
		if (h->v1[c] >= 0)
			(void)unlinkat(h->v1[c], h->base, AT_REMOVEDIR);
}

int cg_v2_remove(const struct cg_host *h, const char *id, struct err *e)
{
	struct cg_node n;
	int r = cg_node_v2(h, id, &n);

	/* Look first: the nested nodes of a VE that lives on must not be pruned. */
	if (r == 0 && cg_populated(h, id) && cg_wait_empty(h, id, EXIT_PATIENCE_MS, e) < 0)
		r = -EBUSY;
	if (r == 0)
		r = remove_patiently(&n);
	if (r == -EBUSY)
		return err_set(e, EBUSY, VZ_SYSTEM, "remove cgroup of %s%s: it has processes",
			       CG_WHO(id));
	if (r < 0)
		return err_set(e, -r, VZ_SYSTEM, "remove cgroup of %s%s: %s", CG_WHO(id), strerror(-r));
	cg_tidy_top(&n);
	cg_tidy(h);
	return 0;
}

static int join_keepers(const struct cg_host *h)
{
	struct cg_node n = { h->v2, "" };
	int r = str_fmt(n.path, sizeof(n.path), "%s/keepers", h->base);

	/* a destroy of the last VE may remove the node between mkdir and the write */
	for (unsigned i = 0; r >= 0 && i < 50; i++) {
		r = cg_make_dir(&n);
		if (r == 0)
			r = cg_node_write(&n, "cgroup.procs", "0");
		if (r == 0)
			return 0;
		if (r == -ENOENT || r == -ENODEV)
			r = 0;
	}
	return r ? r : -ENOENT;
}

int cg_join_keepers(const struct cg_host *h, struct err *e)
{
	int r = join_keepers(h);

	if (r < 0)
		return err_set(e, -r, VZ_SYSTEM, "join cgroup %s/keepers: %s", h->base,
			       strerror(-r));
	r = cg_v1_leave(h);
	return r < 0 ? err_set(e, -r, VZ_SYSTEM, "leave the v1 cgroups of the caller: %s",
			       strerror(-r)) : 0;
}

/* An absent node has nothing to kill. */
int cg_kill(const struct cg_host *h, const char *id, struct err *e)
{
	struct cg_node n;
	int r = cg_node_v2(h, id, &n);

	if (r == 0)
		r = cg_node_write(&n, "cgroup.kill", "1");
	/* killing reaches the frozen too; thawed, the node can serve the next start */
	if (r == 0)
		r = cg_node_write(&n, "cgroup.freeze", "0");
	if (r == 0 || r == -ENOENT || r == -ENODEV)
		return 0;
	return err_set(e, -r, VZ_SYSTEM, "kill cgroup of %s%s: %s", CG_WHO(id), strerror(-r));
}

/*
 * Wait until `key` of cgroup.events is `want`. The file is pollable: a change raises POLLPRI
 * until it is read again. 0, -ETIMEDOUT, -ENOENT when the node is not (any more) there.
 */
static int wait_event(const struct cg_node *n, const char *key, uint64_t want, int timeout_ms)
{
	uint64_t until = proc_now_us() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms) * 1000, value;
	_fd_ int fd = -1;
	char path[192], text[256];

	if (str_fmt(path, sizeof(path), "%s/cgroup.events", n->path) < 0)
		return -ENAMETOOLONG;
	fd = openat(n->root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLPRI };
		ssize_t len = pread(fd, text, sizeof(text) - 1, 0);
		uint64_t now = proc_now_us();

		if (len < 0)
			return errno == ENODEV ? -ENOENT : -errno;
		text[len] = '\0';
		if (cg_keyed(text, key, &value) < 0)
			return -EOPNOTSUPP;
		if (value == want)
			return 0;
		if (timeout_ms >= 0 && now >= until)
			return -ETIMEDOUT;
		(void)poll(&p, 1, timeout_ms < 0 ? -1 : (int)((until - now + 999) / 1000));
	}
}

int cg_wait_empty(const struct cg_host *h, const char *id, int timeout_ms, struct err *e)
{
	struct cg_node n;
	int r = cg_node_v2(h, id, &n);

	if (r == 0)
		r = wait_event(&n, "populated", 0, timeout_ms);
	if (r == 0 || r == -ENOENT)
		return 0;
	return err_set(e, -r, VZ_SYSTEM, "wait for the processes of %s%s: %s", CG_WHO(id), strerror(-r));
}

bool cg_populated(const struct cg_host *h, const char *id)
{
	uint64_t value = 0;
	char text[256];
	struct cg_node n;

	return cg_node_v2(h, id, &n) == 0 &&
	       cg_node_read(&n, "cgroup.events", text, sizeof(text)) > 0 &&
	       cg_keyed(text, "populated", &value) == 0 && value != 0;
}

static int freeze(const struct cg_node *n, bool on, int timeout_ms)
{
	int r = cg_node_write(n, "cgroup.freeze", on ? "1" : "0");

	if (r == 0)
		r = wait_event(n, "frozen", on, timeout_ms);
	/* half frozen (a task in uninterruptible sleep) is neither: let them run */
	if (on && r == -ETIMEDOUT)
		(void)cg_node_write(n, "cgroup.freeze", "0");
	return r;
}

bool cg_hold(const struct cg_host *h, const char *id)
{
	struct cg_node n;
	uint64_t frozen;

	return cg_node_v2(h, id, &n) == 0 && cg_node_u64(&n, "cgroup.freeze", &frozen) == 0 &&
	       !frozen && freeze(&n, true, HOLD_PATIENCE_MS) == 0;
}

bool cg_frozen(const struct cg_host *h, const char *id)
{
	struct cg_node n;
	uint64_t frozen;

	return cg_node_v2(h, id, &n) == 0 && cg_node_u64(&n, "cgroup.freeze", &frozen) == 0 && frozen;
}

int cg_freeze(const struct cg_host *h, const char *id, bool on, struct err *e)
{
	struct cg_node n;
	int r = cg_node_v2(h, id, &n);

	if (r == 0)
		r = freeze(&n, on, FREEZE_PATIENCE_MS);
	if (r == 0)
		return 0;
	return err_set(e, -r, VZ_SYSTEM, "%s %s%s: %s", on ? "freeze" : "thaw", CG_WHO(id),
		       strerror(-r));
}

void cg_leave_keepers(const struct cg_host *h)
{
	struct cg_node root;

	cg_top(h, &root);
	/* Failing leaves a directory that the next tidy removes. */
	(void)cg_node_write(&root, "cgroup.procs", "0");
}
