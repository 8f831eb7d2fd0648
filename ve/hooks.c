/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/hooks.h"

#include <fcntl.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "util/sys-proc.h"
#include "ve/exec.h"

#define HOOK_TIMEOUT_MS 120000
#define HOOK_MAX 65536          /* bytes of a script that runs inside */

static const struct {
	const char *suffix;
	bool inside, global_first;
} hooks[] = {
	[HOOK_PREMOUNT] = { "premount", false, true },
	[HOOK_MOUNT] = { "mount", false, true },
	[HOOK_START] = { "start", true, false },
	[HOOK_STOP] = { "stop", true, false },
	[HOOK_UMOUNT] = { "umount", false, false },
	[HOOK_POSTUMOUNT] = { "postumount", false, false },
};

/* Opens the script. 0, 1 when there is none, or -Exxx. */
static int open_script(struct ve *ve, const char *name, int *ret, struct err *e)
{
	_fd_ int fd = openat(ve->in->etc, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return 1;
	if (fd < 0 || fstat(fd, &st) < 0) {
		(void)err_sys(e, "open %s", name);
		return err_exit(e, VZ_HOOK);
	}
	if (!S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & 022))
		return err_set(e, EPERM, VZ_HOOK, "run %s: want a file of root that nobody else can write",
			       name);
	*ret = TAKE_FD(fd);
	return 0;
}

static int execute(struct ve *ve, const char *name, struct err *e)
{
	char path[PATH_MAX], id[32], conf[PATH_MAX + 16], root[PATH_MAX + 16];
	const char *argv[] = { path, NULL };
	const char *env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", id, conf, root, NULL };
	struct run run = { .argv = argv, .env = env, .in = -1, .out = -1, .cwd = -1,
			   .timeout_ms = HOOK_TIMEOUT_MS };
	int r;

	(void)str_fmt(path, sizeof(path), "%s/etc/berth/%s", ve->in->root, name);
	(void)str_fmt(id, sizeof(id), "VEID=%u", ve->id);
	(void)str_fmt(conf, sizeof(conf), "VE_CONFFILE=%s/etc/berth/conf/%u.conf", ve->in->root,
		      ve->id);
	(void)str_fmt(root, sizeof(root), "VE_ROOT=%s/var/lib/berth/root/%u", ve->in->root, ve->id);
	r = proc_run(&run, e);
	if (r > 0)
		r = -e->eno;
	return r < 0 ? err_exit(e, VZ_HOOK) : 0;
}

static int run_on_host(struct ve *ve, const char *name, struct err *e)
{
	_fd_ int fd = -1;
	int r = open_script(ve, name, &fd, e);

	if (r)
		return r < 0 ? r : 0;
	return execute(ve, name, e);
}

static int run_inside(struct ve *ve, const char *name, int timeout_ms, struct err *e)
{
	_fd_ int fd = -1;
	_free_ char *text = NULL;
	int r = open_script(ve, name, &fd, e);

	if (r)
		return r < 0 ? r : 0;
	r = fs_read_fd(fd, name, HOOK_MAX, &text, NULL, e);
	if (!r)
		r = exec_script(ve, text, timeout_ms, e);
	if (r > 0)
		r = err_set(e, EIO, VZ_HOOK, "run %s: exit code %d", name, r);
	return r < 0 ? err_exit(e, VZ_HOOK) : 0;
}

int hook_run_within(struct ve *ve, enum hook which, int timeout_ms, struct err *e)
{
	char own[64], global[64];
	const char *first = own, *second = global;
	int r;

	(void)str_fmt(own, sizeof(own), "conf/%u.%s", ve->id, hooks[which].suffix);
	(void)str_fmt(global, sizeof(global), "conf/vps.%s", hooks[which].suffix);
	if (hooks[which].inside)
		return run_inside(ve, own, timeout_ms, e);
	if (hooks[which].global_first) {
		first = global;
		second = own;
	}
	r = run_on_host(ve, first, e);
	return r < 0 ? r : run_on_host(ve, second, e);
}

int hook_run(struct ve *ve, enum hook which, struct err *e)
{
	return hook_run_within(ve, which, HOOK_TIMEOUT_MS, e);
}
