/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Network namespaces that outlive the processes that made them: each is a file with the
 * namespace mounted on it, as ip-netns(8) keeps its own. What is in there is complete before it
 * has a name, so a maker that dies leaves a file that is no namespace, or nothing.
 */
#pragma once

#include "util/err.h"

#include <stdint.h>

/* Where a thread came from that is in another namespace. */
struct space_home {
	int fd;
};
#define SPACE_HOME_INIT { -1 }
#define _space_home_ __attribute__((cleanup(space_leave)))

/*
 * Make the namespace at dir/name: its own loopback up, forwarding on, and what fill adds, called
 * outside with an fd of it. To be called in the mount namespace where it shall be seen. One that
 * is there is fine.
 */
MUST_CHECK int space_make(int dir, const char *name, int (*fill)(void *arg, int space, struct err *e),
			  void *arg, struct err *e);
/* Keep the namespace of this fd at dir/name; one that is kept there already stays. */
MUST_CHECK int space_keep(int dir, const char *name, int fd, struct err *e);
/* -ENOENT when there is none; e is left alone then. */
MUST_CHECK int space_open(int dir, const char *name, int *ret_fd, struct err *e);
/* Take its name away: it goes with all its links once nobody is inside. Not there is fine. */
void space_drop(int dir, const char *name);

/* The calling thread goes in, and comes back by space_leave. */
MUST_CHECK int space_enter(int fd, struct space_home *home, struct err *e);
void space_leave(struct space_home *home);
/* A number that no other namespace has or had since the host's boot; 0 where it cannot be told. */
uint64_t space_cookie(void);
