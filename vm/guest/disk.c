/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The disk from inside: growing into a device that has grown, holding still for a snapshot. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>

#include "util/cleanup.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "vm/guest/guest.h"

#ifndef EXT4_IOC_RESIZE_FS
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)
#endif

static int device_bytes(int disk, uint64_t *ret, struct err *e)
{
	char path[64];
	struct stat st;
	uint64_t sectors = 0;
	int r;

	if (fstat(disk, &st) < 0)
		return err_sys(e, "stat the disk");
	(void)str_fmt(path, sizeof(path), "/sys/dev/block/%u:%u/size", major(st.st_dev),
		      minor(st.st_dev));
	r = fs_read_u64(AT_FDCWD, path, &sectors);
	if (r < 0)
		return err_set(e, -r, 0, "read %s: %s", path, strerror(-r));
	*ret = sectors * 512;
	return 0;
}

int disk_grow(int disk, struct err *e)
{
	struct statvfs vfs;
	uint64_t bytes = 0, blocks;
	int r;

	if (disk < 0)
		return err_set(e, ENODEV, 0, "grow the disk: there is none");
	r = device_bytes(disk, &bytes, e);
	if (r < 0)
		return r;
	if (fstatvfs(disk, &vfs) < 0)
		return err_sys(e, "stat the disk");
	blocks = bytes / vfs.f_bsize;
	if (ioctl(disk, EXT4_IOC_RESIZE_FS, &blocks) < 0)
		return err_sys(e, "grow the filesystem");
	return 0;
}

/* Said again is fine: EBUSY when it is frozen, EINVAL when it is not. */
int disk_freeze(int disk, bool on, struct err *e)
{
	if (disk < 0)
		return err_set(e, ENODEV, 0, "freeze the disk: there is none");
	if (ioctl(disk, on ? FIFREEZE : FITHAW, 0) < 0 && errno != (on ? EBUSY : EINVAL))
		return err_sys(e, "%s the disk", on ? "freeze" : "thaw");
	return 0;
}

static uint64_t available(void)
{
	struct err ignored = ERR_INIT;
	_free_ char *text = NULL;
	const char *line;
	uint64_t kib = 0;

	if (fs_read_at(AT_FDCWD, "/proc/meminfo", 16384, &text, NULL, &ignored) < 0)
		return 0;
	line = strstr(text, "\nMemAvailable:");
	if (!line)
		return 0;
	for (line += strcspn(line, "0123456789"); *line >= '0' && *line <= '9'; line++)
		kib = kib * 10 + (uint64_t)(*line - '0');
	return kib * 1024;
}

void usage_read(int disk, struct agent_usage *ret)
{
	struct statvfs vfs;
	struct sysinfo si;

	*ret = (struct agent_usage){ 0 };
	if (sysinfo(&si) == 0) {
		ret->mem_total = (uint64_t)si.totalram * si.mem_unit;
		for (int i = 0; i < 3; i++)
			ret->load[i] = si.loads[i];
	}
	ret->mem_avail = available();
	if (disk < 0 || fstatvfs(disk, &vfs) < 0)
		return;
	ret->disk_size = (uint64_t)vfs.f_blocks * vfs.f_frsize;
	ret->disk_used = (uint64_t)(vfs.f_blocks - vfs.f_bfree) * vfs.f_frsize;
	ret->disk_avail = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	ret->inodes = vfs.f_files;
	ret->inodes_used = vfs.f_files - vfs.f_ffree;
}
