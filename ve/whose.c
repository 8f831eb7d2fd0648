/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/whose.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/parse.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/registry.h"

#define TEXT_MAX 65536

/*
 * ".../berth/101/payload" or, in a pool, ".../berth/POOL/101/...", the same below berth-guaranteed:
 * the first number is the VE.
 */
static bool id_in(const char *path, uint32_t *ret)
{
	char word[64];

	for (int depth = 0; depth < 2; depth++) {
		size_t n = strcspn(path, "/\n");

		if (str_fmt(word, sizeof(word), "%.*s", (int)n, path) > 0 &&
		    parse_u32(word, VEID_MIN, VEID_MAX, ret) == 0)
			return true;
		if (path[n] != '/')
			return false;
		path += n + 1;
	}
	return false;
}

int ve_of_pid(const struct inst *in, pid_t pid, uint32_t *ret)
{
	struct err ignored = ERR_INIT;
	_free_ char *text = NULL;
	char path[40], mark[64];
	const char *rest;
	const char *at;
	uint32_t id = 0;
	size_t len;

	(void)str_fmt(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	if (fs_read_at(AT_FDCWD, path, TEXT_MAX, &text, &len, &ignored) < 0)
		return -ESRCH;
	(void)str_fmt(mark, sizeof(mark), "/%s", in->name);
	for (at = text; (at = strstr(at, mark)); at++) {
		rest = at + strlen(mark);
		rest += str_starts(rest, "-guaranteed/") ? strlen("-guaranteed") : 0;
		if (*rest == '/' && id_in(rest + 1, &id))
			break;
	}
	*ret = id;
	return 0;
}
