/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Known to berth, which looks into directories, and to berth-unpack, which looks into archives. */
#include "templates/look.h"

/* clang-format off */
const struct look_row look_rows[_LOOK_MAX] = {
	[LOOK_ROOT]    = { NULL, "etc/passwd", false },
	[LOOK_VPS]     = { "etc/vzdump/vps.conf", NULL, true },
	[LOOK_PCT]     = { "etc/vzdump/pct.conf", NULL, true },
	[LOOK_INDEX]   = { "backup/index.yaml", NULL, true },
	[LOOK_BACKUP]  = { "backup/container/backup.yaml", NULL, true },
	[LOOK_IMAGE]   = { "metadata.yaml", NULL, true },
	[LOOK_LXC]     = { NULL, "config", true },
	[LOOK_VZ7]     = { "ve.conf", NULL, true },
	[LOOK_PLOOP]   = { NULL, "root.hdd/DiskDescriptor.xml", false },
	[LOOK_PACKED]  = { "backup/container.bin", NULL, false },
	[LOOK_MACHINE] = { "backup/virtual-machine.img", NULL, false },
};
/* clang-format on */
