/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table below is the whole of it, in order: later rows lie on top of earlier ones.
 *
 * Who we are: host root with all capabilities, in the VE's pid (for children), net, ipc and
 * cgroup namespaces, in a mount namespace that the host's user namespace owns. So the tmpfs
 * and devpts superblocks belong to the host and cannot be remounted inside. Those of proc,
 * sysfs, mqueue and cgroup2 belong to the VE whoever mounts them; what protects them are the
 * flags of the mounts and the mounts on top, both locked when init copies the namespace
 * (mount_namespaces(7)). For the same reason nobody inside can mount a fresh proc or sysfs:
 * the kernel wants one that is fully visible (mount_too_revealing(), fs/namespace.c).
 *
 * The root may be a tenant's disk. Every target is opened with openat2(2) without following
 * any symlink, and mounted on by descriptor; nothing is looked up twice.
 */
#include "runtime/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/devnodes.h"
#include "storage/fsctx.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-call.h"

#define LXCFS "/var/lib/lxcfs"

#define NOSUID MOUNT_ATTR_NOSUID
#define NODEV MOUNT_ATTR_NODEV
#define NOEXEC MOUNT_ATTR_NOEXEC
#define RDONLY MOUNT_ATTR_RDONLY

#define MAX_OPTS 8              /* of a row, and the source */

struct build {
	const struct mounts_spec *spec;
	int masks;                      /* a mount, -1 until its row is made */
	struct mounts_made made;
	char uid[12], gid[12], tty[12], ptys[12], shm[24];      /* text for @ options */
};

struct row {
	const char *target;             /* below the root */
	int (*how)(struct build *b, const struct row *row, struct err *e);
	const char *type;               /* the rest: for new filesystems */
	uint64_t attrs;
	const struct fs_opt *opts;      /* up to a NULL key; values with @ are filled in */
};

/* ---- opening and attaching ---- */

/* O_PATH descriptor of rel below the root, no symlink anywhere on the way. -Exxx. */
static int open_target(int root, const char *rel)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS,
	};
	int fd = sys_openat2(root, rel, &how);

	return fd < 0 ? -errno : fd;
}

/*
 * A template may lack the directory. It is made with the file system ids of the VE's root,
 * because the host's are not in the map of an id-mapped upper layer (EOVERFLOW).
 */
static int make_target(const struct mounts_spec *s, const char *rel)
{
	int gid = setfsgid(s->gid), uid = setfsuid(s->uid);
	int r = mkdirat(s->root, rel, 0755) < 0 ? -errno : 0;

	(void)setfsuid((uid_t)uid);
	(void)setfsgid((gid_t)gid);
	return r;
}

/* The directory a new filesystem is mounted on. */
static int open_mountpoint(const struct mounts_spec *s, const char *rel, int *ret, struct err *e)
{
	_fd_ int fd = open_target(s->root, rel);
	struct stat st;

	if (fd == -ENOENT) {
		int r = make_target(s, rel);

		fd = r < 0 ? r : open_target(s->root, rel);
	}
	if (fd < 0 && fd != -ELOOP) {
		errno = -fd;
		return err_sys(e, "mount on /%s", rel);
	}
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode))
		return err_set(e, ENOTDIR, VZ_BAD_TEMPLATE,
			       "mount on /%s: not a directory in the root of the VE", rel);
	*ret = TAKE_FD(fd);
	return 0;
}

static int attach(int mnt, int target, const char *rel, struct err *e)
{
	if (move_mount(mnt, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(e, "mount on /%s", rel);
	return 0;
}

/* Bind `name` in `from`, or `from` itself, over `target`, with these attributes changed. */
static int bind(int from, const char *name, int target, const struct mount_attr *attr,
		const char *rel, struct err *e)
{
	_fd_ int tree = open_tree(from, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
				  AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW);
	struct mount_attr a = *attr;

	if (tree < 0)
		return err_sys(e, "bind /%s", rel);
	if ((a.attr_set || a.attr_clr) &&
	    mount_setattr(tree, "", AT_EMPTY_PATH, &a, sizeof(a)) < 0)
		return err_sys(e, "set the flags of /%s", rel);
	return attach(tree, target, rel, e);
}

/* ---- the kinds of row ---- */

/* The source is the type, as everywhere. Values that start with @ are filled in; an empty one
 * leaves the option out. */
static size_t fill_opts(const struct build *b, const struct row *row, struct fs_opt *to)
{
	const struct fs_opt *from = row->opts;
	size_t n = 0;

	to[n++] = (struct fs_opt){ "source", row->type };
	for (; from && from->key && n < MAX_OPTS; from++) {
		to[n] = *from;
		if (str_eq(from->value, "@uid"))
			to[n].value = b->uid;
		else if (str_eq(from->value, "@gid"))
			to[n].value = b->gid;
		else if (str_eq(from->value, "@tty"))
			to[n].value = b->tty;
		else if (str_eq(from->value, "@ptys"))
			to[n].value = b->ptys;
		else if (str_eq(from->value, "@shm"))
			to[n].value = b->shm;
		n += *to[n].value != '\0';
	}
	return n;
}

static int make_fs(const struct build *b, const struct row *row, int *ret_mnt, struct err *e)
{
	struct fs_opt opts[MAX_OPTS];
	size_t n = fill_opts(b, row, opts);

	return fsctx_mount(row->type, opts, n, row->attrs, row->target, ret_mnt, e);
}

static int place(const struct build *b, const struct row *row, int mnt, struct err *e)
{
	_fd_ int target = -1;
	int r = open_mountpoint(b->spec, row->target, &target, e);

	return r < 0 ? r : attach(mnt, target, row->target, e);
}

static int new_fs(struct build *b, const struct row *row, struct err *e)
{
	_fd_ int mnt = -1;
	int r = make_fs(b, row, &mnt, e);

	return r < 0 ? r : place(b, row, mnt, e);
}

static int new_dev(struct build *b, const struct row *row, struct err *e)
{
	_fd_ int mnt = -1;
	int r = make_fs(b, row, &mnt, e);

	if (!r)
		r = devnodes_fill(mnt, b->spec->uid, b->spec->gid, e);
	return r < 0 ? r : place(b, row, mnt, e);
}

/* ptmx shows by its owner who gets the terminals of this instance; see runtime/console.c. */
static int new_pts(struct build *b, const struct row *row, struct err *e)
{
	_fd_ int mnt = -1;
	int r = make_fs(b, row, &mnt, e);

	if (r < 0)
		return r;
	if (fchownat(mnt, "ptmx", b->spec->uid, b->spec->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchownat(mnt, "", b->spec->uid, b->spec->gid, AT_EMPTY_PATH) < 0)
		return err_sys(e, "own /%s", row->target);
	r = place(b, row, mnt, e);
	if (!r)
		b->made.pts = TAKE_FD(mnt);
	return r;
}

struct proc_ctx {
	int fd, eno;
};

static int open_proc(void *arg)
{
	struct proc_ctx *ctx = arg;

	ctx->fd = fsopen("proc", FSOPEN_CLOEXEC);
	ctx->eno = ctx->fd < 0 ? errno : 0;
	return 0;
}

/*
 * A proc shows the pid namespace that the caller of fsopen(2) lives in, not the one that its
 * children will: so a child opens it, sharing our descriptors, memory and privileges.
 */
static int new_proc(struct build *b, const struct row *row, struct err *e)
{
	char stack[16384] __attribute__((aligned(16)));
	struct proc_ctx ctx = { -1, 0 };
	struct fs_opt opts[MAX_OPTS];
	_fd_ int fd = -1, mnt = -1;
	pid_t pid = clone(open_proc, stack + sizeof(stack),
			  CLONE_VM | CLONE_VFORK | CLONE_FILES, &ctx);
	int r;

	if (pid < 0)
		return err_sys(e, "step into the pid namespace of the VE");
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	fd = ctx.fd;
	if (fd < 0) {
		errno = ctx.eno ? ctx.eno : EIO;
		return err_sys(e, "open filesystem type proc");
	}
	r = fsctx_set(fd, opts, fill_opts(b, row, opts));
	r = r < 0 ? fsctx_err(fd, r, row->target, e) :
		    fsctx_create(fd, row->attrs, row->target, &mnt, e);
	if (r < 0)
		return r;
	b->made.sys = openat(mnt, "sys", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return b->made.sys < 0 ? err_sys(e, "open /proc/sys") : place(b, row, mnt, e);
}

/* An empty stand-in for /sys/fs: what mounts the host has is not for a VE to see. */
static int new_sys_fs(struct build *b, const struct row *row, struct err *e)
{
	struct mount_attr ro = { .attr_set = RDONLY };
	_fd_ int mnt = -1;
	int r = make_fs(b, row, &mnt, e);

	if (r < 0)
		return r;
	if (mkdirat(mnt, "cgroup", 0755) < 0 ||
	    mount_setattr(mnt, "", AT_EMPTY_PATH, &ro, sizeof(ro)) < 0)
		return err_sys(e, "fill /%s", row->target);
	return place(b, row, mnt, e);
}

/* Rows from here on name what a kernel may lack: then there is nothing to protect. */
static int open_optional(const struct build *b, const char *rel, int *ret, struct err *e)
{
	int fd = open_target(b->spec->root, rel);

	if (fd < 0 && fd != -ENOENT) {
		errno = -fd;
		return err_sys(e, "mount on /%s", rel);
	}
	if (fd >= 0)
		*ret = fd;
	return 0;
}

static int rebind(struct build *b, const struct row *row, const struct mount_attr *attr,
		  struct err *e)
{
	_fd_ int fd = -1;
	int r = open_optional(b, row->target, &fd, e);

	return r < 0 || fd < 0 ? r : bind(fd, "", fd, attr, row->target, e);
}

static int read_only(struct build *b, const struct row *row, struct err *e)
{
	return rebind(b, row, &(struct mount_attr){ .attr_set = RDONLY }, e);
}

static int writable(struct build *b, const struct row *row, struct err *e)
{
	return rebind(b, row, &(struct mount_attr){ .attr_clr = RDONLY }, e);
}

/*
 * What hides lies in a read-only tmpfs that the VE has no right to: an empty directory and a
 * null device, looked at when made (CVE-2025-31133). Its root is attached only while the rows
 * are walked, because before 6.15 open_tree(2) clones only what is attached. No size: then df
 * does not list it.
 */
static int masks_up(struct build *b, const struct row *row, struct err *e)
{
	struct mount_attr ro = { .attr_set = RDONLY };
	_fd_ int mnt = -1;
	int r = make_fs(b, row, &mnt, e);

	if (!r)
		r = devnodes_null(mnt, "null", e);
	if (r < 0)
		return r;
	if (mkdirat(mnt, "empty", 0555) < 0 ||
	    mount_setattr(mnt, "", AT_EMPTY_PATH, &ro, sizeof(ro)) < 0)
		return err_sys(e, "make the masks");
	r = place(b, row, mnt, e);
	if (!r)
		b->masks = TAKE_FD(mnt);
	return r;
}

static int masks_down(struct build *b, const struct row *row, struct err *e)
{
	char path[32];

	(void)row;
	(void)str_fmt(path, sizeof(path), "/proc/self/fd/%d", b->masks);
	return umount2(path, MNT_DETACH) < 0 ? err_sys(e, "detach the masks") : 0;
}

/* *ret_found tells whether there was such a path. */
static int hide_path(struct build *b, const char *rel, bool *ret_found, struct err *e)
{
	_fd_ int fd = -1;
	struct stat st;
	int r = open_optional(b, rel, &fd, e);

	if (r < 0)
		return r;
	*ret_found = fd >= 0;
	if (fd < 0)
		return 0;
	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat /%s", rel);
	return bind(b->masks, S_ISDIR(st.st_mode) ? "empty" : "null", fd,
		    &(struct mount_attr){ 0 }, rel, e);
}

static int hide(struct build *b, const struct row *row, struct err *e)
{
	bool found;

	return hide_path(b, row->target, &found, e);
}

/* One per CPU, where the machine has them: asked of the first. */
static int hide_throttle(struct build *b, const struct row *row, struct err *e)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	bool found = true;
	char path[96];
	int r = 0;

	for (long i = 0; !r && found && i < cpus; i++) {
		(void)str_fmt(path, sizeof(path), "%s/cpu%ld/thermal_throttle", row->target, i);
		r = hide_path(b, path, &found, e);
	}
	return r;
}

/* ---- the table ---- */

/* Sizes are systemd's own for these mounts; the VE's memory limit binds all of them. */
static const struct fs_opt dev_opts[] = {
	{ "mode", "0755" }, { "size", "4m" },  { "nr_inodes", "64k" },
	{ "uid", "@uid" },  { "gid", "@gid" }, { NULL, NULL },
};
static const struct fs_opt run_opts[] = {
	{ "mode", "0755" }, { "size", "20%" }, { "nr_inodes", "800k" },
	{ "uid", "@uid" },  { "gid", "@gid" }, { NULL, NULL },
};
static const struct fs_opt shm_opts[] = {
	{ "mode", "1777" }, { "size", "@shm" }, { "nr_inodes", "1m" },
	{ "uid", "@uid" },  { "gid", "@gid" },  { NULL, NULL },
};
/* uid is not forced: a terminal belongs to who opened it. 5 is tty (devpts.rst, Debian). Every
 * mount is an instance of its own since 4.7. */
static const struct fs_opt pts_opts[] = {
	{ "gid", "@tty" }, { "mode", "620" }, { "ptmxmode", "666" }, { "max", "@ptys" },
	{ NULL, NULL },
};
static const struct fs_opt mask_opts[] = {
	{ "mode", "0555" }, { "size", "0" }, { NULL, NULL },
};

static const struct row rows[] = {
	{ "run", masks_up, "tmpfs", NOSUID | NOEXEC, mask_opts },

	{ "dev", new_dev, "tmpfs", NOSUID | NOEXEC, dev_opts },
	{ "dev/pts", new_pts, "devpts", NOSUID | NOEXEC, pts_opts },
	{ "dev/shm", new_fs, "tmpfs", NOSUID | NODEV, shm_opts },
	{ "dev/mqueue", new_fs, "mqueue", NOSUID | NODEV | NOEXEC, NULL },

	{ "proc", new_proc, "proc", NOSUID | NODEV | NOEXEC, NULL },
	/* What the VE may tune is what the kernel keeps per namespace. Not sys/user: these are
	 * the ceilings the host sets for the VE. systemd asks whether sys/net is writable. */
	{ "proc/sys", read_only, NULL, 0, NULL },
	{ "proc/sys/net", writable, NULL, 0, NULL },
	/* nf_hooks_lwtunnel looks like the VE's own and is a switch of the machine (5.15 to 6.18) */
	{ "proc/sys/net/netfilter", read_only, NULL, 0, NULL },
	{ "proc/sys/kernel/msgmax", writable, NULL, 0, NULL },
	{ "proc/sys/kernel/msgmnb", writable, NULL, 0, NULL },
	{ "proc/sys/kernel/msgmni", writable, NULL, 0, NULL },
	{ "proc/sys/kernel/sem", writable, NULL, 0, NULL },
	{ "proc/sys/kernel/shm_rmid_forced", writable, NULL, 0, NULL },
	{ "proc/sys/kernel/shmall", writable, NULL, 0, NULL },
	{ "proc/sys/kernel/shmmax", writable, NULL, 0, NULL },
	{ "proc/sys/kernel/shmmni", writable, NULL, 0, NULL },
	/* of the machine, not of the VE */
	{ "proc/bus", read_only, NULL, 0, NULL },
	{ "proc/irq", read_only, NULL, 0, NULL },
	{ "proc/pressure", read_only, NULL, 0, NULL },
	{ "proc/sysrq-trigger", read_only, NULL, 0, NULL },
	/* addresses of the kernel, timing side channels, other people's keys and processes */
	{ "proc/acpi", hide, NULL, 0, NULL },
	{ "proc/asound", hide, NULL, 0, NULL },
	{ "proc/cmdline", hide, NULL, 0, NULL },        /* of the host's kernel; may hold secrets */
	{ "proc/diskstats", hide, NULL, 0, NULL },      /* a row per VE: its loop device */
	{ "proc/fs", hide, NULL, 0, NULL },             /* a directory per VE: its disk's options */
	{ "proc/interrupts", hide, NULL, 0, NULL },
	{ "proc/iomem", hide, NULL, 0, NULL },
	{ "proc/ioports", hide, NULL, 0, NULL },
	{ "proc/kallsyms", hide, NULL, 0, NULL },
	{ "proc/kcore", hide, NULL, 0, NULL },
	{ "proc/keys", hide, NULL, 0, NULL },
	{ "proc/kpagecgroup", hide, NULL, 0, NULL },
	{ "proc/kpagecount", hide, NULL, 0, NULL },
	{ "proc/kpageflags", hide, NULL, 0, NULL },
	{ "proc/latency_stats", hide, NULL, 0, NULL },
	{ "proc/pagetypeinfo", hide, NULL, 0, NULL },
	{ "proc/partitions", hide, NULL, 0, NULL },
	{ "proc/sched_debug", hide, NULL, 0, NULL },
	{ "proc/scsi", hide, NULL, 0, NULL },
	{ "proc/slabinfo", hide, NULL, 0, NULL },
	{ "proc/swaps", hide, NULL, 0, NULL },          /* paths of the host */
	{ "proc/timer_list", hide, NULL, 0, NULL },
	{ "proc/timer_stats", hide, NULL, 0, NULL },
	{ "proc/vmallocinfo", hide, NULL, 0, NULL },

	{ "sys", new_fs, "sysfs", RDONLY | NOSUID | NODEV | NOEXEC, NULL },
	{ "sys/firmware", hide, NULL, 0, NULL },
	{ "sys/module", hide, NULL, 0, NULL },
	{ "sys/kernel/config", hide, NULL, 0, NULL },
	{ "sys/kernel/debug", hide, NULL, 0, NULL },
	{ "sys/kernel/notes", hide, NULL, 0, NULL },
	{ "sys/kernel/security", hide, NULL, 0, NULL },
	{ "sys/kernel/slab", hide, NULL, 0, NULL },
	{ "sys/kernel/tracing", hide, NULL, 0, NULL },
	{ "sys/kernel/vmcoreinfo", hide, NULL, 0, NULL },
	/* loop devices name the host's files, and so the other VEs: loopN/loop/backing_file;
	 * also without names their number is the number of VEs */
	{ "sys/block", hide, NULL, 0, NULL },
	{ "sys/class/bdi", hide, NULL, 0, NULL },
	{ "sys/class/block", hide, NULL, 0, NULL },
	{ "sys/dev/block", hide, NULL, 0, NULL },
	{ "sys/devices/virtual/bdi", hide, NULL, 0, NULL },
	{ "sys/devices/virtual/block", hide, NULL, 0, NULL },
	/* power draw and throttling tell what the neighbours compute (CVE-2020-8694) */
	{ "sys/class/powercap", hide, NULL, 0, NULL },
	{ "sys/devices/virtual/powercap", hide, NULL, 0, NULL },
	{ "sys/devices/system/cpu", hide_throttle, NULL, 0, NULL },

	{ "sys/fs", new_sys_fs, "tmpfs", NOSUID | NODEV | NOEXEC, mask_opts },
	/* nsdelegate is an option of the whole hierarchy: only the host can set it. */
	{ "sys/fs/cgroup", new_fs, "cgroup2", NOSUID | NODEV | NOEXEC, NULL },

	{ "run", masks_down, NULL, 0, NULL },
	{ "run", new_fs, "tmpfs", NOSUID | NODEV, run_opts },
};

/* ---- lxcfs ---- */

/* Of lxcfs(1); which of them exist depends on its version. */
static const char *const lxcfs_files[] = {
	"cpuinfo", "diskstats", "loadavg", "meminfo", "slabinfo", "stat", "swaps", "uptime",
};

static bool on_fuse(int fd)
{
	struct statfs st;

	return fstatfs(fd, &st) == 0 && st.f_type == FUSE_SUPER_MAGIC;
}

bool mounts_lxcfs_present(void)
{
	_fd_ int fd = open(LXCFS "/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && on_fuse(fd);
}

/* lxcfs is a convenience: what it does not have, or loses by dying now, is left as it is. */
static int bind_lxcfs(struct build *b, struct err *e)
{
	static const struct mount_attr attr = { .attr_set = RDONLY | NOSUID | NODEV | NOEXEC };
	_fd_ int dir = open(LXCFS "/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char rel[32];
	int r = 0;

	for (size_t i = 0; dir >= 0 && !r && i < ARRAY_SIZE(lxcfs_files); i++) {
		_fd_ int target = -1;
		_fd_ int fd = openat(dir, lxcfs_files[i], O_PATH | O_NOFOLLOW | O_CLOEXEC);

		if (fd < 0 || !on_fuse(fd))
			continue;
		(void)str_fmt(rel, sizeof(rel), "proc/%s", lxcfs_files[i]);
		r = open_optional(b, rel, &target, e);
		if (!r && target >= 0)
			r = bind(fd, "", target, &attr, rel, e);
	}
	return r;
}

void mounts_made_close(struct mounts_made *m)
{
	cleanup_fd(&m->pts);
	cleanup_fd(&m->sys);
}

int mounts_build(const struct mounts_spec *s, struct mounts_made *ret, struct err *e)
{
	struct build b = { .spec = s, .masks = -1, .made = MOUNTS_MADE_INIT };
	int r = 0;

	(void)str_fmt(b.uid, sizeof(b.uid), "%u", s->uid);
	(void)str_fmt(b.gid, sizeof(b.gid), "%u", s->gid);
	(void)str_fmt(b.tty, sizeof(b.tty), "%u", s->gid + 5);
	if (s->ptys)
		(void)str_fmt(b.ptys, sizeof(b.ptys), "%u", s->ptys);
	if (s->shm)
		(void)str_fmt(b.shm, sizeof(b.shm), "%" PRIu64, s->shm);
	for (size_t i = 0; !r && i < ARRAY_SIZE(rows); i++)
		r = rows[i].how(&b, &rows[i], e);
	if (!r && s->lxcfs)
		r = bind_lxcfs(&b, e);
	cleanup_fd(&b.masks);
	if (r < 0) {
		mounts_made_close(&b.made);
		return err_exit(e, VZ_MOUNT);
	}
	*ret = b.made;
	return 0;
}
