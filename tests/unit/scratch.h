/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of what is done to files: SCRATCH(s) is an empty directory s.path, open as s.fd. */
#pragma once

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "tests/unit/harness.h"
#include "util/cleanup.h"
#include "util/str.h"
#include "util/sys-fs.h"

/* A scratch directory that is removed at the end of the scope. */
struct scratch {
	char path[PATH_MAX];
	int fd;
};

static void scratch_remove(struct scratch *s)
{
	struct err e = ERR_INIT;

	CHECK(fs_remove_tree(AT_FDCWD, s->path, &e) == 0);
	CHECK(access(s->path, F_OK) < 0);
	(void)close(s->fd);
}

static struct scratch scratch_make(void)
{
	const char *tmp = getenv("TMPDIR");
	struct scratch s = { .fd = -1 };

	(void)str_fmt(s.path, sizeof(s.path), "%s/berth-unit-XXXXXX", tmp ? tmp : "/tmp");
	CHECK(mkdtemp(s.path) != NULL);
	s.fd = open(s.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(s.fd >= 0);
	return s;
}

#define SCRATCH(name) _cleanup_(scratch_remove) struct scratch name = scratch_make()

static void put(int dir, const char *name, const char *text)
{
	_fd_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(fd >= 0 && fs_write_all(fd, text, strlen(text)) == 0);
}
