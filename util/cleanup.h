/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scope attributes for descriptors and memory. Declare at the top of a scope, initialised to
 * -1 or NULL; the only way out is TAKE_FD or TAKE_PTR. Cleaners accept the empty value and
 * keep errno. Effects that the host can see (mounts, cgroups, links) are never cleaned by
 * scope: they belong to a step with `up` and `down` (util/step.h).
 */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_fd(int *fd)
{
	int keep = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = keep;
}

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
	*(void **)p = NULL;
}

static inline void cleanup_file(FILE **f)
{
	if (*f)
		(void)fclose(*f);
	*f = NULL;
}

static inline void cleanup_dir(DIR **d)
{
	if (*d)
		(void)closedir(*d);
	*d = NULL;
}

#define _fd_ __attribute__((cleanup(cleanup_fd)))
#define _free_ __attribute__((cleanup(cleanup_free)))
#define _file_ __attribute__((cleanup(cleanup_file)))
#define _dir_ __attribute__((cleanup(cleanup_dir)))
#define _cleanup_(f) __attribute__((cleanup(f)))

static inline int take_fd(int *fd)
{
	int r = *fd;

	*fd = -1;
	return r;
}

#define TAKE_FD(fd) take_fd(&(fd))
#define TAKE_PTR(p) ({ __typeof__(p) take_ = (p); (p) = NULL; take_; })
