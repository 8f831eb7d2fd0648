/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/nsenter.h"
#include "util/str.h"
#include "util/sys-call.h"
#include "util/sys-fs.h"

static int write_maps(pid_t pid, const char *text, struct err *e)
{
	char path[64];
	int r;

	(void)str_fmt(path, sizeof(path), "/proc/%d/uid_map", (int)pid);
	r = fs_write_at(AT_FDCWD, path, text, e);
	if (r < 0)
		return r;
	(void)str_fmt(path, sizeof(path), "/proc/%d/gid_map", (int)pid);
	return fs_write_at(AT_FDCWD, path, text, e);
}

int idmap_write(pid_t pid, uid_t base, struct err *e)
{
	char text[64];

	(void)str_fmt(text, sizeof(text), "0 %u %u\n", base, IDMAP_SIZE);
	return write_maps(pid, text, e);
}

int idmap_open_shared(uid_t base, int *ret, struct err *e)
{
	struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	char text[96];
	pid_t pid = sys_clone3(&args);
	int r;

	if (pid < 0)
		return err_sys(e, "make a user namespace");
	if (pid == 0)
		for (;;)
			(void)pause();
	(void)str_fmt(text, sizeof(text), "0 %u %u\n%u 0 1\n", base, IDMAP_SIZE, IDMAP_SIZE);
	r = write_maps(pid, text, e);
	if (!r)
		r = ns_open(pid, "user", ret, e);
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r;
}
