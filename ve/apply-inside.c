/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Limits that sit inside a VE: the size of its /dev/shm, its terminals, and what its user
 * namespace may have of inotify (/proc/sys/user/max_inotify_*, namespaces(7)). The files of a
 * user namespace are reached by whoever is in it when he opens them, whatever procfs it is by;
 * the VE's own /proc/sys/user is read-only, so a child of ours goes there with the host's.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/mounts-limit.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/parse.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/apply.h"

#define PTYS 512                /* unless set; of the host's 4096, kernel.pty.max */
#define INFO_MAX (1 << 20)      /* of a mount table that the tenant can make as long as it likes */

uint64_t wanted_or_none(const struct ve *ve, const struct param *p)
{
	uint64_t v = U64_UNLIMITED;

	if (conf_has(&ve->conf, p))
		(void)param_number(p, &ve->conf, &v);
	return v;
}

static int busy(const struct ve *ve, uint64_t used, const char *what, struct err *e)
{
	return err_set(e, EBUSY, VZ_SET_UBC, "in use: %" PRIu64 " %s in VE %u", used, what, ve->id);
}

/* By number, no pidfd needed: another process's root would not have this device there. */
static int open_limited(const struct ve *ve, const char *rel, uint64_t dev, int *ret, struct err *e)
{
	char path[64];
	_fd_ int root = -1;

	(void)str_fmt(path, sizeof(path), "/proc/%d/root", (int)ve->state.pid);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_sys(e, "open the root of VE %u", ve->id);
	return mounts_limited(root, rel, dev, ret, e);
}

/* The tenant can mount over anything, and then there is no way to what is below. */
const char *lacks_own_mount(struct ve *ve, const struct param *p)
{
	bool shm = p->off == offsetof(struct ve_conf, shmpages);
	struct err ignored = ERR_INIT;
	_fd_ int fd = -1;

	if (ve->state.phase != PH_RUNNING ||
	    open_limited(ve, shm ? "dev/shm" : "dev/pts",
			 shm ? ve->state.shm_dev : ve->state.pts_dev, &fd, &ignored) != -EXDEV)
		return NULL;
	return "the VE has mounted something else over it";
}

/* ---- /dev/shm ---- */

static int shm_statfs(const struct ve *ve, struct statfs *ret)
{
	struct err ignored = ERR_INIT;
	_fd_ int fd = -1;
	int r = open_limited(ve, "dev/shm", ve->state.shm_dev, &fd, &ignored);

	if (r < 0)
		return r;
	return fstatfs(fd, ret) < 0 ? -errno : 0;
}

int used_shm(struct ve *ve, const struct param *p, uint64_t *ret)
{
	struct statfs st;
	int r = shm_statfs(ve, &st);

	(void)p;
	if (!r)
		*ret = (uint64_t)(st.f_blocks - st.f_bfree) * (uint64_t)st.f_bsize;
	return r;
}

/* Half of the memory is what a tmpfs has that nobody limits (shmem_default_max_blocks). */
int effective_shm(struct ve *ve, const struct param *p, uint64_t *ret)
{
	struct sysinfo host;
	struct statfs st;
	uint64_t half;
	int r = shm_statfs(ve, &st);

	(void)p;
	if (r < 0 || sysinfo(&host) < 0)
		return r < 0 ? r : -errno;
	*ret = (uint64_t)st.f_blocks * (uint64_t)st.f_bsize;
	half = (uint64_t)host.totalram * host.mem_unit / 2;
	if (st.f_blocks == 0 || (*ret > half ? *ret - half : half - *ret) <= (uint64_t)st.f_bsize)
		*ret = U64_UNLIMITED;
	return 0;
}

int apply_shm(struct ve *ve, const struct param *p, struct err *e)
{
	uint64_t used = 0, to = wanted_or_none(ve, p);
	_fd_ int fd = -1;
	char size[24] = "";
	int r = open_limited(ve, "dev/shm", ve->state.shm_dev, &fd, e);

	if (r < 0)
		return r;
	if (to != U64_UNLIMITED)
		(void)str_fmt(size, sizeof(size), "%" PRIu64, to);
	r = mounts_resize_shm(fd, size);
	if (r == -EINVAL && used_shm(ve, p, &used) == 0)
		return busy(ve, used, "bytes", e);
	return r < 0 ? err_set(e, -r, VZ_SET_UBC, "resize /dev/shm of VE %u: %s", ve->id,
			       strerror(-r)) : 0;
}

/* ---- terminals ---- */

uint64_t wanted_ptys(const struct ve *ve, const struct param *p)
{
	uint64_t v = wanted_or_none(ve, p);

	if (!conf_has(&ve->conf, p))
		return PTYS;
	return v < p->max ? v : p->max;
}

/* The lowest free number is given out: what counts is the highest. */
int used_ptys(struct ve *ve, const struct param *p, uint64_t *ret)
{
	struct err ignored = ERR_INIT;
	_fd_ int fd = -1;
	_dir_ DIR *d = NULL;
	struct dirent *de;
	uint64_t n, most = 0;
	int dir, r = open_limited(ve, "dev/pts", ve->state.pts_dev, &fd, &ignored);

	if (r < 0)
		return r;
	dir = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = dir < 0 ? NULL : fdopendir(dir);
	if (!d)
		return -errno;
	while ((de = readdir(d)))
		if (parse_u64(de->d_name, 0, p->max, &n) == 0 && n + 1 > most)
			most = n + 1;
	*ret = most;
	return 0;
}

/* Only the mount table tells; options of the superblock are the last field (proc(5)). */
int effective_ptys(struct ve *ve, const struct param *p, uint64_t *ret)
{
	struct err ignored = ERR_INIT;
	_free_ char *text = NULL;
	char path[64], dev[32];
	const char *line, *max;
	size_t len;
	uint64_t v;

	(void)str_fmt(path, sizeof(path), "/proc/%d/mountinfo", (int)ve->state.pid);
	(void)str_fmt(dev, sizeof(dev), " %u:%u / ", major(ve->state.pts_dev),
		      minor(ve->state.pts_dev));
	if (fs_read_at(AT_FDCWD, path, INFO_MAX, &text, &len, &ignored) < 0 ||
	    !(line = strstr(text, dev)))
		return -ENOENT;
	text[line - text + (ptrdiff_t)strcspn(line, "\n")] = '\0';
	max = strstr(line, ",max=");
	if (!max)
		*ret = p->max;
	else if (parse_u64(max + strlen(",max="), 0, p->max, &v) == 0)
		*ret = v;
	else
		return -EINVAL;
	return 0;
}

int apply_ptys(struct ve *ve, const struct param *p, struct err *e)
{
	uint64_t used = 0, to = wanted_ptys(ve, p);
	_fd_ int fd = -1;
	int r = open_limited(ve, "dev/pts", ve->state.pts_dev, &fd, e);

	if (r < 0)
		return r;
	if (used_ptys(ve, p, &used) == 0 && used > to)
		return busy(ve, used, "terminals", e);
	r = mounts_limit_ptys(fd, (gid_t)ve->state.uid_base, (unsigned)to);
	return r < 0 ? err_set(e, -r, VZ_SET_UBC, "limit /dev/pts of VE %u: %s", ve->id,
			       strerror(-r)) : 0;
}

/* ---- inotify ---- */

static const char *inotify_file(const struct param *p)
{
	return p->off == offsetof(struct ve_conf, inotify_watches)
		       ? "/proc/sys/user/max_inotify_watches"
		       : "/proc/sys/user/max_inotify_instances";
}

struct knock {
	const char *file;
	int value;              /* to write, or -1 */
};

/* In the child. What it reads goes into the pipe; its exit status is an errno. */
static int knock(const struct ve *ve, const struct knock *k, int out)
{
	char path[64], text[24];
	_fd_ int ns = -1, fd = -1;
	ssize_t n;

	(void)str_fmt(path, sizeof(path), "/proc/%d/ns/user", (int)ve->state.pid);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWUSER) < 0)
		return errno;
	fd = open(k->file, (k->value < 0 ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (fd < 0)
		return errno;
	n = str_fmt(text, sizeof(text), "%d", k->value);
	if (k->value >= 0 && write(fd, text, (size_t)n) != n)
		return errno;
	n = pread(fd, text, sizeof(text), 0);
	return n < 0 || write(out, text, (size_t)n) != n ? EIO : 0;
}

static int ask(const struct ve *ve, const struct knock *k, uint64_t *ret)
{
	int fd[2], status;
	char text[24];
	ssize_t n;
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		_exit(knock(ve, k, fd[1]));
	(void)close(fd[1]);
	n = pid < 0 ? -1 : read(fd[0], text, sizeof(text) - 1);
	(void)close(fd[0]);
	if (pid < 0)
		return -EAGAIN;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (!WIFEXITED(status) || WEXITSTATUS(status) || n <= 0)
		return WIFEXITED(status) && WEXITSTATUS(status) ? -WEXITSTATUS(status) : -EIO;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return parse_u64(text, 0, INT32_MAX, ret);
}

/* A new user namespace has the largest number there is. */
int effective_inotify(struct ve *ve, const struct param *p, uint64_t *ret)
{
	struct knock k = { inotify_file(p), -1 };
	int r = ve->state.pid > 0 ? ask(ve, &k, ret) : -ESRCH;

	if (!r && *ret >= INT32_MAX)
		*ret = U64_UNLIMITED;
	return r;
}

/* Lines of /proc/PID/fdinfo/FD that tell a watch each. */
static uint64_t watches_of(const char *info)
{
	_file_ FILE *f = fopen(info, "re");
	_free_ char *line = NULL;
	size_t size = 0;
	uint64_t n = 0;

	while (f && getline(&line, &size, f) > 0)
		n += str_starts(line, "inotify wd:");
	return n;
}

struct inotify_use {
	bool watches;
	uint64_t n;
};

static int count_inotify(pid_t pid, void *arg)
{
	struct inotify_use *u = arg;
	char path[320], target[64];
	_dir_ DIR *d = NULL;
	struct dirent *de;

	(void)str_fmt(path, sizeof(path), "/proc/%d/fd", (int)pid);
	d = opendir(path);
	while (d && (de = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), de->d_name, target, sizeof(target) - 1);

		if (n <= 0)
			continue;
		target[n] = '\0';
		if (!str_eq(target, "anon_inode:inotify"))
			continue;
		(void)str_fmt(path, sizeof(path), "/proc/%d/fdinfo/%s", (int)pid, de->d_name);
		u->n += u->watches ? watches_of(path) : 1;
	}
	return 0;
}

int used_inotify(struct ve *ve, const struct param *p, uint64_t *ret)
{
	struct inotify_use u = { p->off == offsetof(struct ve_conf, inotify_watches), 0 };
	int r = cg_each_process(&ve->in->cg, ve->cg, count_inotify, &u);

	if (!r)
		*ret = u.n;
	return r;
}

int apply_inotify(struct ve *ve, const struct param *p, struct err *e)
{
	uint64_t to = wanted_or_none(ve, p), used, now;
	struct knock k = { inotify_file(p), to < INT32_MAX ? (int)to : INT32_MAX };
	int r;

	if (ve->was && to != U64_UNLIMITED && used_inotify(ve, p, &used) == 0 && used > to)
		return busy(ve, used, k.file + strlen("/proc/sys/user/max_"), e);
	r = ask(ve, &k, &now);
	if (!r && now != (uint64_t)k.value)
		r = -EIO;
	return r < 0 ? err_set(e, -r, VZ_SET_UBC, "write %s of VE %u: %s", k.file, ve->id,
			       strerror(-r)) : 0;
}
