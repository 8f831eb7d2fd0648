/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime/idmap.h"

#include <fcntl.h>

#include "util/str.h"
#include "util/sys-fs.h"

int idmap_write(pid_t pid, uid_t base, struct err *e)
{
	char path[64], line[64];
	int r;

	(void)str_fmt(line, sizeof(line), "0 %u %u\n", base, IDMAP_SIZE);
	(void)str_fmt(path, sizeof(path), "/proc/%d/uid_map", (int)pid);
	r = fs_write_at(AT_FDCWD, path, line, e);
	if (r < 0)
		return r;
	(void)str_fmt(path, sizeof(path), "/proc/%d/gid_map", (int)pid);
	return fs_write_at(AT_FDCWD, path, line, e);
}
