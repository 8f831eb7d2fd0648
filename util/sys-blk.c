/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/sys-blk.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/parse.h"
#include "util/str.h"
#include "util/sys-fs.h"

dev_t blk_disk_of(int fd)
{
	struct err ignored = ERR_INIT;
	_free_ char *text = NULL;
	unsigned major_nr = 0, minor_nr = 0;
	struct stat st;
	char path[64], *colon;

	if (fstat(fd, &st) < 0 || !major(st.st_dev))
		return 0;
	(void)str_fmt(path, sizeof(path), "/sys/dev/block/%u:%u/partition", major(st.st_dev),
		      minor(st.st_dev));
	if (access(path, F_OK) < 0)
		return st.st_dev;
	(void)str_fmt(path, sizeof(path), "/sys/dev/block/%u:%u/../dev", major(st.st_dev),
		      minor(st.st_dev));
	if (fs_read_at(AT_FDCWD, path, 32, &text, NULL, &ignored) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	colon = strchr(text, ':');
	if (!colon || parse_u32(colon + 1, 0, UINT32_MAX, &minor_nr) < 0)
		return 0;
	*colon = '\0';
	return parse_u32(text, 1, UINT32_MAX, &major_nr) < 0 ? 0 : makedev(major_nr, minor_nr);
}
