/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Weights of I/O. Two parts of the kernel can keep them, each with a file of its own, and neither
 * is on by itself: the BFQ scheduler (io.bfq.weight, blkio.bfq.weight) where it is that of the
 * disk, and iocost (io.weight, v2) where io.cost.qos of the root has it enabled for the disk. A
 * value in the file of one that is off changes nothing, so whether one is on is asked first.
 * Documentation/block/bfq-iosched.rst, admin-guide/cgroup-v2.rst.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "cgroups/cgroup.h"
#include "cgroups/cg-internal.h"
#include "util/cleanup.h"
#include "util/str.h"

static const struct cg_file v2_files[] = { { "io.bfq.weight", &cg_codec_io_weight },
					   { "io.weight", &cg_codec_io_weight } };
static const struct cg_file v1_files[] = { { "blkio.bfq.weight", &cg_codec_bfq_weight } };

static const struct cg_file *files_of(const struct cg_host *h, size_t *ret_n)
{
	*ret_n = h->on_v2[CG_IO] ? ARRAY_SIZE(v2_files) : ARRAY_SIZE(v1_files);
	return h->on_v2[CG_IO] ? v2_files : v1_files;
}

/* dir is that of a disk or a partition in sysfs. */
static bool has_bfq(int at, const char *dir)
{
	struct cg_node n = { at, "" };
	char text[256];

	for (unsigned up = 0; up < 2; up++)
		if (str_fmt(n.path, sizeof(n.path), up ? "%s/.." : "%s", dir) > 0 &&
		    cg_node_read(&n, "queue/scheduler", text, sizeof(text)) > 0 &&
		    strstr(text, "[bfq]"))
			return true;
	return false;
}

/* The disk's own scheduler, or that of a disk below a volume. */
static bool bfq_on(dev_t dev)
{
	char path[64], slaves[80];
	_dir_ DIR *d = NULL;
	struct dirent *de;
	int fd;

	(void)str_fmt(path, sizeof(path), "/sys/dev/block/%u:%u", major(dev), minor(dev));
	if (has_bfq(AT_FDCWD, path))
		return true;
	(void)str_fmt(slaves, sizeof(slaves), "%s/slaves", path);
	fd = open(slaves, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	while (d && (de = readdir(d)))
		if (de->d_name[0] != '.' && has_bfq(dirfd(d), de->d_name))
			return true;
	return false;
}

static bool iocost_on(const struct cg_host *h, dev_t dev)
{
	char text[4096], key[48];
	struct cg_node root;
	const char *at;

	cg_top(h, &root);
	if (!h->on_v2[CG_IO] || cg_node_read(&root, "io.cost.qos", text, sizeof(text)) <= 0)
		return false;
	(void)str_fmt(key, sizeof(key), "%u:%u enable=1", major(dev), minor(dev));
	at = strstr(text, key);
	return at && (at == text || at[-1] == '\n');
}

const char *cg_lacks_io_weight(const struct cg_host *h, dev_t dev)
{
	if (bfq_on(dev) || iocost_on(h, dev))
		return NULL;
	return "the scheduler of the disk keeps no weights: modprobe bfq; echo bfq "
	       ">/sys/block/DISK/queue/scheduler";
}

int cg_get_io_weight(const struct cg_host *h, const char *id, uint64_t *ret)
{
	size_t n_files;
	const struct cg_file *f = files_of(h, &n_files);
	struct cg_node n;
	int r = cg_node(h, CG_IO, id, &n);

	for (size_t i = 0; r == 0 && i < n_files; i++) {
		r = cg_take(&n, &f[i], ret);
		if (r != -ENOENT)
			return r;
		r = i + 1 < n_files ? 0 : r;
	}
	return r;
}

/* Into each file that is there: which of them counts can change while the VE runs. */
int cg_set_io_weight(const struct cg_host *h, const char *id, uint64_t prio, struct err *e)
{
	size_t n_files, written = 0;
	const struct cg_file *f = files_of(h, &n_files);
	struct cg_node n;
	int r = cg_node(h, CG_IO, id, &n);

	for (size_t i = 0; r == 0 && i < n_files; i++) {
		r = cg_put_or_restore(&n, &f[i], prio);
		written += r == 0;
		r = r == -ENOENT ? 0 : r;
	}
	if (r == 0 && !written)
		r = -EOPNOTSUPP;
	return r < 0 ? cg_fail(e, CG_IO, r, "set I/O weight of %s%s", CG_WHO(id)) : 0;
}
