/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Modules of a kernel that is not the running one: which there are (modules.order and
 * modules.builtin of its directory), what each depends on (.modinfo, see modules.dep(5)), and
 * the order to load those in that a VM's first minute needs.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"

#define KMOD_MAX 48

/* Path below the modules directory, in the order to load. */
struct kmod_list {
	char path[KMOD_MAX][200];
	unsigned n;
};

/* What a VM needs before its root is there. Fails naming every driver that the kernel lacks. */
MUST_CHECK int kmod_needed(int modules, struct kmod_list *ret, struct err *e);

/* Read a module, unpacked when it is .ko.xz; *ret is the caller's to free. */
MUST_CHECK int kmod_read(int modules, const char *path, char **ret, size_t *ret_len,
			 struct err *e);

/* Value of "key=" in the .modinfo section of an ELF file of 64 bits, or NULL. */
const char *kmod_info(const char *elf, size_t len, const char *key);
