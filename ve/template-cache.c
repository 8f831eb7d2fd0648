/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/template-cache.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "templates/import.h"
#include "templates/manifest.h"
#include "util/cleanup.h"
#include "util/str.h"

static const char *const endings[] = { ".tar.gz", ".tar.xz", ".tar.zst", ".tar" };

void template_cache_name(const char *name, char *dst, size_t size)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
		if (str_ends(name, endings[i])) {
			len -= strlen(endings[i]);
			break;
		}
	(void)str_fmt(dst, size, "%.*s", (int)len, name);
}

static int import(struct inst *in, const struct store *st, const char *path, const char *name,
		  struct template *ret, struct err *e)
{
	_free_ const char *unpack = NULL, *sign = NULL;
	_fd_ int keys = openat(in->etc, "trusted.d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct sign_policy policy = { .keys = keys, .require = in->conf.template_signature };
	struct import im = { .path = path, .dir = -1, .name = name, .tmp = st->dir, .sign = &policy };
	int r = inst_program(in, "berth-unpack", &unpack, e);

	if (!r)
		r = inst_program(in, "berth-sign", &sign, e);
	im.unpack = unpack;
	policy.program = sign;
	return r < 0 ? r : import_template(st, &im, ret, e);
}

int template_from_cache(struct inst *in, const struct store *st, const char *name,
			struct template *ret, struct err *e)
{
	char path[PATH_MAX];

	if (!manifest_channel_ok(name))
		return -ENOENT;
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
		if (str_fmt(path, sizeof(path), "%s/var/lib/berth/template/cache/%s%s", in->root, name,
			    endings[i]) > 0 &&
		    access(path, R_OK) == 0)
			return import(in, st, path, name, ret, e);
	return -ENOENT;
}
