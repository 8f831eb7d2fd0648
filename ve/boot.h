/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which VEs a boot or shutdown of the host concerns, and in which order: BOOTORDER, highest
 * first, then number. A shutdown goes the other way. VEs of one order are equals.
 */
#pragma once

#include <stddef.h>

#include "ve/inst.h"

struct boot_list {
	uint32_t *ids;
	uint64_t *orders;               /* of the VE at the same place */
	size_t n;
};
#define BOOT_LIST_INIT { NULL, NULL, 0 }
void boot_list_done(struct boot_list *l);

/*
 * Those with ONBOOT=yes, and those that ran when the host went down and whose config does not
 * say; never the disabled ones. A VE whose config cannot be read is in the list: its start tells.
 */
MUST_CHECK int boot_list_up(const struct inst *in, struct boot_list *ret, struct err *e);
/* Those that run, are mounted, or were left half started. */
MUST_CHECK int boot_list_down(const struct inst *in, struct boot_list *ret, struct err *e);

/* Wait, but not for ever, until the host has fewer than BOOT_LOAD runnable tasks per CPU. */
void boot_wait_load(const struct inst *in);
