/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/receive-room.h"

#include <errno.h>
#include <sys/statvfs.h>

#include "util/exits.h"

#define ROOM_EVERY (64u << 20)  /* bytes between two looks */

int receive_room(struct room *r, int file, size_t len, const char *what, struct err *e)
{
	struct statvfs vfs;

	r->since += len;
	if (r->since < ROOM_EVERY && r->looked)
		return 0;
	r->since = 0;
	r->looked = true;
	if (fstatvfs(file, &vfs) < 0)
		return err_sys(e, "look at the room on the host");
	if (vfs.f_bavail < vfs.f_blocks / 50)
		return err_set(e, ENOSPC, VZ_NO_DISK_SPACE,
			       "receive the %s: less than 2 %% of the host's disk would be left", what);
	return 0;
}
