/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One system call filter for start, enter and exec: an allow-list; unknown and new calls are
 * ENOSYS, known dangerous ones EPERM, odd socket families EAFNOSUPPORT, x32 killed.
 * The program is compiled by libseccomp when Berth is built (runtime/seccomp-gen.c writes
 * seccomp-bpf.h), because generating it takes longer than a whole start.
 */
#pragma once

/* Load the filter into the calling process, which must hold CAP_SYS_ADMIN in its user
 * namespace (no_new_privs would break sudo and ping). 0 or -Exxx; async-signal-safe. */
int seccomp_load_filter(void);
