/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/claim.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "util/parse.h"
#include "util/str.h"

int64_t claim_owner(int dir, const char *name)
{
	char target[16];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);
	uint32_t owner;

	if (n < 0)
		return errno == ENOENT || errno == EINVAL ? 0 : -errno;
	target[n] = '\0';
	return parse_u32(target, 1, UINT32_MAX, &owner) < 0 ? 0 : (int64_t)owner;
}

/* What bears the name without being a claim (a foreign hand, a damaged disk) is moved out of the
 * way, not removed: it is not ours. A directory in that place is an error of its own. */
static int set_aside(int dir, const char *name)
{
	char away[256];

	if (str_fmt(away, sizeof(away), "%s.damaged", name) < 0)
		return -ENAMETOOLONG;
	return renameat(dir, name, dir, away) < 0 ? -errno : 0;
}

int claim_take(int dir, const char *name, uint32_t owner)
{
	char target[16];

	(void)str_fmt(target, sizeof(target), "%u", owner);
	for (int tries = 0; tries < 2; tries++) {
		int64_t now;
		int r;

		if (symlinkat(target, dir, name) == 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
		now = claim_owner(dir, name);
		if (now == owner)
			return 0;
		if (now != 0)
			return now < 0 ? (int)now : -EEXIST;
		r = set_aside(dir, name);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	return -EEXIST;
}

void claim_drop(int dir, const char *name, uint32_t owner)
{
	if (claim_owner(dir, name) == (int64_t)owner)
		(void)unlinkat(dir, name, 0);
}
