/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/netlock.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "netns/uplink.h"
#include "util/cleanup.h"
#include "util/parse.h"
#include "util/str.h"
#include "ve/lock.h"
#include "ve/network.h"

int netlock_take(const struct inst *in, bool alone, int *ret_fd, struct err *e)
{
	static const struct lock_common l = { "net", "the network of all VEs", "network", 30000 };

	return lock_take_common(in, &l, alone, ret_fd, e);
}

/* A VE's config: a number, then .conf. Looks no further than the first. */
static bool any_ve(const struct inst *in)
{
	_fd_ int fd = openat(in->etc, "conf", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;
	uint32_t id;

	if (!d)
		return true;
	(void)TAKE_FD(fd);
	while ((de = readdir(d))) {
		char name[16];

		if (str_ends(de->d_name, ".conf") &&
		    str_fmt(name, sizeof(name), "%.*s", (int)strlen(de->d_name) - 5, de->d_name) > 0 &&
		    parse_u32(name, 1, UINT32_MAX, &id) == 0)
			return true;
	}
	return false;
}

static int drop_bridge(void *arg, const struct network *n)
{
	(void)arg;
	if (n->own_bridge)
		uplink_bridge_drop(n->bridge);
	return 0;
}

void netlock_tidy(const struct inst *in)
{
	struct err ignored = ERR_INIT;
	_fd_ int lock = -1;

	if (any_ve(in) || netlock_take(in, true, &lock, &ignored) < 0)
		return;
	if (any_ve(in))
		return;
	(void)!network_each(in, drop_bridge, NULL, &ignored);
	uplink_tidy(in->name);
}
