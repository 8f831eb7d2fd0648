/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A caller of the kind that a hardened service is: what it has goes to the command it becomes. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/mempolicy.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/probe.h"

/* linux/prctl.h of Linux 6.3 and 6.4 */
#define SET_MDWE 65
#define SET_MEMORY_MERGE 67

/* One that forbids a call which does not exist. */
static long filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 9999, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

static long no_exec_memory(void)
{
	return prctl(SET_MDWE, 1, 0, 0, 0);
}

/* Where the kernel has no huge pages or no merging, there is nothing to be odd about. */
static long memory(void)
{
	unsigned long first = 1;

	(void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	(void)prctl(SET_MEMORY_MERGE, 1, 0, 0, 0);
	(void)syscall(SYS_set_mempolicy, MPOL_INTERLEAVE, &first, 8 * sizeof(first));
	return 0;
}

int do_caller(char **argv)
{
	static const struct {
		const char *name;
		long (*become)(void);
	} kinds[] = {
		{ "filter", filter }, { "mdwe", no_exec_memory }, { "memory", memory },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(argv[0], kinds[i].name) == 0) {
			long r = kinds[i].become();

			if (r < 0) {
				printf("%s\n", outcome(r));
				return 77;
			}
			(void)execvp(argv[1], argv + 1);
		}
	return 1;
}
