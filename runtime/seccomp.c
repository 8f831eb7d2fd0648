/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime/seccomp.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/seccomp-bpf.h"
#include "util/str.h"

int seccomp_load_filter(void)
{
	/* The kernel copies the program; its type only lacks the const. */
	struct sock_fprog prog = {
		.len = ARRAY_SIZE(seccomp_bpf),
		.filter = (struct sock_filter *)seccomp_bpf,
	};

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0 ? -errno : 0;
}
