/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/str.h"
#include "util/sys-fs.h"

#define PREFIX "build."

void scratch_sweep(int tmp)
{
	int fd = openat(tmp, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	if (!d) {
		cleanup_fd(&fd);
		return;
	}
	while ((de = readdir(d))) {
		struct err ignored = ERR_INIT;  /* the next one tries again */
		_fd_ int old = -1;

		if (!str_starts(de->d_name, PREFIX))
			continue;
		old = openat(tmp, de->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (old >= 0 && flock(old, LOCK_EX | LOCK_NB) == 0 &&
		    fs_remove_tree(tmp, de->d_name, &ignored) < 0)
			continue;
	}
}

int scratch_open(int tmp, struct scratch *ret, struct err *e)
{
	struct scratch s = { .tmp = tmp, .fd = -1 };
	int r;

	scratch_sweep(tmp);
	(void)str_fmt(s.name, sizeof(s.name), PREFIX "%d", (int)getpid());
	if (mkdirat(tmp, s.name, 0700) < 0)
		return err_sys(e, "make scratch directory %s", s.name);
	r = fs_open_dir(tmp, s.name, &s.fd, e);
	if (r < 0)
		return r;
	if (flock(s.fd, LOCK_EX | LOCK_NB) < 0) {
		(void)err_sys(e, "lock scratch directory %s", s.name);
		cleanup_fd(&s.fd);
		return -e->eno;
	}
	*ret = s;
	return 0;
}

int scratch_close(struct scratch *s, struct err *e)
{
	int r = 0;

	if (s->fd >= 0)
		r = fs_remove_tree(s->tmp, s->name, e);
	cleanup_fd(&s->fd);
	return r;
}
