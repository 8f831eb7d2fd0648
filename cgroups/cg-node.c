/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nodes and their files. Everything here is relative to the directory fd of a mount, so that
 * nothing depends on where cgroups are mounted once cg_host_open has looked. cgroupfs holds
 * no symlinks, and files of it cannot be made by a guest; O_NOFOLLOW is there all the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cgroups/cg-internal.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/parse.h"
#include "util/str.h"
#include "util/sys-proc.h"

/* How long a rmdir waits for exits: the last instructions of do_exit, not a process's will. */
#define REMOVE_PATIENCE_US 1000000

/* Words between slashes, none of which could lead elsewhere. */
static bool is_place(const char *id)
{
	char word[80];

	if (str_eq(id, "keepers"))
		return false;
	for (;;) {
		size_t len = strcspn(id, "/");

		if (str_fmt(word, sizeof(word), "%.*s", (int)len, id) < 0 ||
		    !str_is_word(word, "-_.") || word[0] == '.')
			return false;
		if (!id[len])
			return true;
		id += len + 1;
	}
}

const char *cg_leaf(const char *id)
{
	const char *slash = strrchr(id, '/');

	id = slash ? slash + 1 : id;
	return str_starts(id, CG_POOL) ? id + strlen(CG_POOL) : id;
}

const char *cg_kind(const char *id)
{
	const char *slash = strrchr(id, '/');

	return str_starts(slash ? slash + 1 : id, CG_POOL) ? "pool " : "VE ";
}

static int node_at(const struct cg_host *h, int root, const char *id, struct cg_node *ret)
{
	bool sure = str_starts(id, CG_SURE);
	int r;

	if (!is_place(id))
		return -EINVAL;
	r = str_fmt(ret->path, sizeof(ret->path), sure ? "%s-%s" : "%s/%s", h->base, id);
	if (r < 0)
		return r;
	ret->root = root;
	return 0;
}

int cg_node_v2(const struct cg_host *h, const char *id, struct cg_node *ret)
{
	return node_at(h, h->v2, id, ret);
}

int cg_node_v1(const struct cg_host *h, enum cg_ctl ctl, const char *id, struct cg_node *ret)
{
	return h->v1[ctl] < 0 ? -EOPNOTSUPP : node_at(h, h->v1[ctl], id, ret);
}

int cg_node(const struct cg_host *h, enum cg_ctl ctl, const char *id, struct cg_node *ret)
{
	return h->on_v2[ctl] ? cg_node_v2(h, id, ret) : cg_node_v1(h, ctl, id, ret);
}

static int open_file(const struct cg_node *n, const char *file, int flags)
{
	char path[256];
	int fd, r;

	r = str_fmt(path, sizeof(path), "%s/%s", n->path, file);
	if (r < 0)
		return r;
	fd = openat(n->root, path, flags | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

int cg_node_read(const struct cg_node *n, const char *file, char *buf, size_t size)
{
	_fd_ int fd = open_file(n, file, O_RDONLY);
	ssize_t len;

	if (fd < 0)
		return fd;
	len = read(fd, buf, size - 1);
	if (len < 0)
		return -errno;
	while (len > 0 && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
	return (int)len;
}

int cg_node_write(const struct cg_node *n, const char *file, const char *text)
{
	_fd_ int fd = open_file(n, file, O_WRONLY);
	size_t len = strlen(text);
	ssize_t r;

	if (fd < 0)
		return fd;
	r = write(fd, text, len);
	if (r < 0)
		return -errno;
	return (size_t)r == len ? 0 : -EIO;
}

int cg_number(const char *text, uint64_t *ret)
{
	size_t len = strcspn(text, " \t\n");
	char word[24];

	if (len >= sizeof(word))
		return -EINVAL;
	memcpy(word, text, len);
	word[len] = '\0';
	return parse_u64(word, 0, UINT64_MAX, ret);
}

int cg_node_u64(const struct cg_node *n, const char *file, uint64_t *ret)
{
	char text[64];
	int r = cg_node_read(n, file, text, sizeof(text));

	if (r < 0)
		return r;
	return cg_codec_max.dec(text, ret);
}

int cg_keyed(const char *text, const char *key, uint64_t *ret)
{
	size_t len = strlen(key);

	while (text && *text) {
		if (strncmp(text, key, len) == 0 && text[len] == ' ')
			return cg_number(text + len + 1, ret);
		text = strchr(text, '\n');
		text += text != NULL;
	}
	return -ENOENT;
}

void cg_sleep_ms(unsigned ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	(void)nanosleep(&t, NULL);
}

void cg_node_parent(const struct cg_node *n, struct cg_node *ret)
{
	char *slash;

	*ret = *n;
	slash = strrchr(ret->path, '/');
	if (slash)
		*slash = '\0';
	else
		(void)str_fmt(ret->path, sizeof(ret->path), ".");
}

int cg_make_dir(const struct cg_node *n)
{
	struct cg_node parent;
	int r;

	cg_node_parent(n, &parent);
	for (unsigned i = 0; i < 50; i++) {
		if (mkdirat(n->root, n->path, 0755) == 0 || errno == EEXIST)
			return 0;
		/* ENODEV: found, but being removed at this moment */
		if (errno != ENOENT && errno != ENODEV)
			return -errno;
		r = cg_make_dir(&parent);
		if (r < 0)
			return r;
	}
	return -ENOENT;
}

/* Fails while there are other VEs, which is as it should be. */
void cg_tidy_top(const struct cg_node *n)
{
	char top[sizeof(n->path)];

	(void)str_fmt(top, sizeof(top), "%.*s", (int)strcspn(n->path, "/"), n->path);
	(void)unlinkat(n->root, top, AT_REMOVEDIR);
}

int cg_remove_dir(const struct cg_node *n)
{
	uint64_t until = proc_now_us() + REMOVE_PATIENCE_US;

	while (unlinkat(n->root, n->path, AT_REMOVEDIR) < 0) {
		if (errno == ENOENT || errno == ENODEV)
			return 0;
		if (errno != EBUSY || proc_now_us() >= until)
			return -errno;
		cg_sleep_ms(1);
	}
	return 0;
}

int cg_exit_number(enum cg_ctl ctl)
{
	static const int exits[CG_CTL_MAX] = {
		[CG_CPU] = VZ_SET_CPU,	  [CG_CPUACCT] = VZ_SET_CPU, [CG_CPUSET] = VZ_SET_CPU,
		[CG_MEMORY] = VZ_SET_UBC, [CG_IO] = VZ_IO,	     [CG_PIDS] = VZ_SET_UBC,
		[CG_HUGETLB] = VZ_SET_UBC,
	};

	return ctl < CG_CTL_MAX ? exits[ctl] : VZ_SYSTEM;
}

static const char *cause(int r)
{
	switch (r) {
	case -EIO:
		return "the kernel took another value";
	case -ENXIO:
		return "not present on this host";
	case -ERANGE:
		return "value out of range";
	case -ENOENT:
		return "no such cgroup or file";
	default:
		return strerror(-r);
	}
}

int cg_fail(struct err *e, enum cg_ctl ctl, int r, const char *fmt, ...)
{
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return err_set(e, -r, r == -EOPNOTSUPP ? VZ_NO_KERNEL_SUPPORT : cg_exit_number(ctl),
		       "%s: %s", what, cause(r));
}
