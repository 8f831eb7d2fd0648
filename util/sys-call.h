/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System calls that glibc 2.36 does not wrap. All return what the kernel returns, errno set. */
#pragma once

#include <linux/openat2.h>
#include <linux/sched.h>
#include <sys/types.h>

/* clone3(2), since 5.3 (CLONE_INTO_CGROUP since 5.7). Only for fork-like use: no stack. */
pid_t sys_clone3(struct clone_args *args);

/* openat2(2), since 5.6. */
int sys_openat2(int dfd, const char *path, struct open_how *how);

/* pivot_root(2). */
int sys_pivot_root(const char *new_root, const char *put_old);
