/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The source is copied first: what was inspected is what is converted, whoever writes to it
 * meanwhile, and the copy can belong to nobody, who converts it.
 */
#include "templates/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-copy.h"
#include "util/sys-fs.h"
#include "util/sys-proc.h"

#define COPY "disk.source"
#define NOBODY 65534
#define TIMEOUT_MS (60 * 60 * 1000)

static int make(int dir, const char *name, int *ret, struct err *e)
{
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, "make %s", name);
	*ret = fd;
	return 0;
}

/* Between fork and exec: these descriptors pass, and the death of berth ends it. */
static int let_through(void *arg)
{
	const int *fds = arg;

	if (fcntl(fds[0], F_SETFD, 0) < 0 || fcntl(fds[1], F_SETFD, 0) < 0)
		return -1;
	return prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* A file of the host's mount namespace, as a mount that another can attach. */
static int as_mount(int fd, int *ret, struct err *e)
{
	int tree = open_tree(fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	if (tree < 0 || fchown(fd, NOBODY, NOBODY) < 0) {
		cleanup_fd(&tree);
		return err_sys(e, "show a disk to its converter");
	}
	*ret = tree;
	return 0;
}

/* Its words quote what was in the file. */
static int tell(const struct disk_import *d, struct err *e)
{
	const char *line = strrchr(e->msg, ':');
	char why[200];

	(void)str_fmt(why, sizeof(why), "%.190s", line && line[1] ? line + 2 : e->msg);
	for (char *p = why; *p; p++)
		if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
			*p = '?';
	return err_set(e, EINVAL, VZ_BAD_TEMPLATE, "convert the %s disk: %s", d->format, why);
}

static int convert(const struct disk_import *d, int from, int to, struct err *e)
{
	char text[3][24];
	const char *argv[] = { d->program, d->format, text[0], text[1], text[2], NULL };
	_fd_ int in = -1, out = -1;
	int fds[2];
	struct run run = { .argv = argv, .in = -1, .out = -1, .cwd = -1, .timeout_ms = TIMEOUT_MS,
			   .setup = let_through, .arg = fds,
			   .namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
					 CLONE_NEWUTS | CLONE_NEWCGROUP };
	int r = as_mount(from, &in, e);

	if (!r)
		r = as_mount(to, &out, e);
	if (r < 0)
		return r;
	fds[0] = in;
	fds[1] = out;
	(void)str_fmt(text[0], sizeof(text[0]), "%llu", (unsigned long long)d->max);
	(void)str_fmt(text[1], sizeof(text[1]), "%d", in);
	(void)str_fmt(text[2], sizeof(text[2]), "%d", out);
	r = proc_run(&run, e);
	return r > 0 ? tell(d, e) : r;
}

/* Without one no firmware starts it, and the format was probably another. */
static int check_boot_sector(int fd, struct err *e)
{
	uint8_t sign[2];

	if (fs_pread_all(fd, sign, sizeof(sign), 510) == 0 && sign[0] == 0x55 && sign[1] == 0xaa)
		return 0;
	return err_set(e, EINVAL, VZ_BAD_TEMPLATE,
		       "read the disk: it has no boot sector, so that no machine could start from it");
}

static int take_back(int fd, struct err *e)
{
	return fchown(fd, 0, 0) < 0 ? err_sys(e, "take the disk from its converter") : 0;
}

int disk_import(const struct disk_import *d, int fd, const char *to, struct err *e)
{
	bool raw = str_eq(d->format, "raw");
	_fd_ int copy = -1, disk = -1;
	uint64_t size;
	/* A file that is more than its disk can be is not worth reading. */
	int r = disk_inspect(fd, d->format, d->max, &size, e);

	if (!r)
		r = make(d->scratch, raw ? to : COPY, &copy, e);
	if (!r)
		r = copy_sparse(fd, copy, NULL, e);
	if (!r)
		r = disk_inspect(copy, d->format, d->max, &size, e);
	if (!r && raw)
		return check_boot_sector(copy, e);
	if (!r)
		r = make(d->scratch, to, &disk, e);
	if (!r)
		r = convert(d, copy, disk, e);
	if (!r)
		r = take_back(disk, e);
	return r < 0 ? r : check_boot_sector(disk, e);
}
