/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/fsctx.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/str.h"

/* The last message of the context, "e overlay: text"; read(2) gives one per call (fsopen.rst). */
static bool last_message(int ctx, char *dst, size_t size)
{
	char buf[256];
	bool any = false;
	ssize_t n;

	while ((n = read(ctx, buf, sizeof(buf) - 1)) > 0) {
		buf[n] = '\0';
		buf[strcspn(buf, "\n")] = '\0';
		if (buf[0] == 'e' && buf[1] == ' ' && !str_has_control(buf))
			any = str_fmt(dst, size, "%s", buf + 2) > 0;
	}
	return any;
}

int fsctx_err(int ctx, int r, const char *what, struct err *e)
{
	char text[256];

	if (last_message(ctx, text, sizeof(text)))
		return err_set(e, -r, 0, "mount %s: %s (%s)", what, strerror(-r), text);
	errno = -r;
	return err_sys(e, "mount %s", what);
}

int fsctx_open(const char *type, int *ret_ctx, struct err *e)
{
	int ctx = fsopen(type, FSOPEN_CLOEXEC);

	if (ctx < 0)
		return err_sys(e, "open filesystem type %s", type);
	*ret_ctx = ctx;
	return 0;
}

int fsctx_set(int ctx, const struct fs_opt *opts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned cmd = opts[i].value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;

		if (fsconfig(ctx, cmd, opts[i].key, opts[i].value, 0) < 0)
			return -errno;
	}
	return 0;
}

int fsctx_create(int ctx, uint64_t attrs, const char *what, int *ret_mnt, struct err *e)
{
	int mnt;

	if (fsconfig(ctx, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fsctx_err(ctx, -errno, what, e);
	mnt = fsmount(ctx, FSMOUNT_CLOEXEC, (unsigned)attrs);
	if (mnt < 0)
		return fsctx_err(ctx, -errno, what, e);
	*ret_mnt = mnt;
	return 0;
}

int fsctx_mount(const char *type, const struct fs_opt *opts, size_t n, uint64_t attrs,
		const char *what, int *ret_mnt, struct err *e)
{
	_fd_ int ctx = -1;
	int r = fsctx_open(type, &ctx, e);

	if (r < 0)
		return r;
	r = fsctx_set(ctx, opts, n);
	if (r < 0)
		return fsctx_err(ctx, r, what, e);
	return fsctx_create(ctx, attrs, what, ret_mnt, e);
}
