/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/project.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/quota.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "util/exits.h"
#include "util/str.h"

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif
#define KIB 1024

/* A range that people's /etc/projid and other tools, which count from 1 or 10000, do not reach. */
#define FIRST UINT32_C(0x42000000)
#define NUMBERS UINT32_C(0x01000000)
#define DRAWS 64

static int quota_call(int fd, int cmd, uint32_t project, void *arg)
{
	return syscall(SYS_quotactl_fd, fd, QCMD(cmd, PRJQUOTA), project, arg) < 0 ? -errno : 0;
}

/* ---- what the host has ---- */

static const struct {
	long magic;
	const char *name, *kernel, *mount;
} kinds[] = {
	{ EXT4_SUPER_MAGIC, "ext4", "QUOTA and QFMT_V2",
	  "once unmounted \"tune2fs -O project,quota\", then mount it with prjquota" },
	{ XFS_SUPER_MAGIC, "xfs", "XFS_QUOTA",
	  "mount it with prjquota (as root filesystem boot with rootflags=prjquota)" },
};

int project_usable(int dir, struct err *e)
{
	struct fs_quota_statv s = { .qs_version = FS_QSTATV_VERSION1 };
	struct statfs fs;
	size_t k = 0;
	int r;

	if (fstatfs(dir, &fs) < 0)
		return err_sys(e, "look for project quotas");
	while (k < ARRAY_SIZE(kinds) && kinds[k].magic != (long)fs.f_type)
		k++;
	if (k == ARRAY_SIZE(kinds))
		return err_set(e, EOPNOTSUPP, VZ_NO_KERNEL_SUPPORT,
			       "no project quotas here: the disks of VEs lie on a filesystem of "
			       "type 0x%lx, want ext4 or xfs", (unsigned long)fs.f_type);
	r = quota_call(dir, Q_XGETQSTATV, 0, &s);
	if (r == -ENOSYS)
		return err_set(e, EOPNOTSUPP, VZ_NO_KERNEL_SUPPORT,
			       "no project quotas here: this kernel is built without them for %s (%s)",
			       kinds[k].name, kinds[k].kernel);
	if (r < 0 || !(s.qs_flags & FS_QUOTA_PDQ_ENFD))
		return err_set(e, EOPNOTSUPP, VZ_NO_KERNEL_SUPPORT,
			       "no project quotas here: the %s below the disks of VEs does not enforce "
			       "them; %s", kinds[k].name, kinds[k].mount);
	return 0;
}

/* ---- the number of a directory ---- */

static int attrs_get(int dir, struct fsxattr *ret, struct err *e)
{
	return ioctl(dir, FS_IOC_FSGETXATTR, ret) < 0 ? err_sys(e, "read the project of a disk") : 0;
}

/* -ENOENT where nothing has ever been counted is no failure: the counts are 0. */
static int read_project(int dir, uint32_t project, struct project_use *ret, struct err *e)
{
	struct dqblk q = { .dqb_valid = 0 };
	int r = quota_call(dir, Q_GETQUOTA, project, &q);

	if (r < 0 && r != -ENOENT) {
		errno = -r;
		return err_sys(e, "read the quota of project %u", project);
	}
	*ret = (struct project_use){ q.dqb_curspace, q.dqb_curinodes, q.dqb_bhardlimit * KIB,
				     q.dqb_ihardlimit };
	return 0;
}

static int own_project(int dir, uint32_t *ret, struct err *e)
{
	struct fsxattr a;
	int r = attrs_get(dir, &a, e);

	if (r < 0)
		return r;
	/* Moved here by tools that do not copy it: nothing would bind. */
	if (!a.fsx_projid || !(a.fsx_xflags & FS_XFLAG_PROJINHERIT))
		return err_set(e, EINVAL, 0, "read the project of a disk: it has none");
	*ret = a.fsx_projid;
	return 0;
}

int project_read(int dir, struct project_use *ret, struct err *e)
{
	uint32_t project = 0;
	int r = own_project(dir, &project, e);

	return r < 0 ? r : read_project(dir, project, ret, e);
}

int project_limit(int dir, uint64_t max_bytes, uint64_t max_inodes, struct err *e)
{
	struct dqblk q = {
		.dqb_bhardlimit = max_bytes / KIB,
		.dqb_ihardlimit = max_inodes,
		.dqb_valid = QIF_LIMITS,
	};
	struct project_use now = { 0 };
	uint32_t project = 0;
	int r = own_project(dir, &project, e);

	if (r < 0)
		return r;
	r = quota_call(dir, Q_SETQUOTA, project, &q);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "limit project %u", project);
	}
	r = read_project(dir, project, &now, e);
	if (!r && (now.max_bytes != max_bytes / KIB * KIB || now.max_inodes != max_inodes))
		r = err_set(e, EIO, 0, "limit project %u: it did not take", project);
	return r;
}

/*
 * Two that draw the same number at the same time both see two inodes in it, and both draw again:
 * so no lock is needed, and no list of numbers that could be out of step with the disks.
 */
int project_begin(int dir, struct err *e)
{
	struct fsxattr a = { .fsx_xflags = 0 };
	int r = attrs_get(dir, &a, e);

	a.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	for (int draw = 0; !r && draw < DRAWS; draw++) {
		struct project_use use = { 0 };
		uint32_t n;

		if (getrandom(&n, sizeof(n), 0) != sizeof(n))
			return err_sys(e, "draw a project");
		a.fsx_projid = FIRST + n % NUMBERS;
		r = read_project(dir, a.fsx_projid, &use, e);
		if (r < 0 || use.inodes || use.bytes)
			continue;
		if (ioctl(dir, FS_IOC_FSSETXATTR, &a) < 0)
			return err_sys(e, "give a disk project %u", a.fsx_projid);
		r = read_project(dir, a.fsx_projid, &use, e);
		if (!r && use.inodes == 1)
			return 0;
	}
	return r < 0 ? r : err_set(e, EBUSY, 0, "give a disk a project: no number is free");
}
