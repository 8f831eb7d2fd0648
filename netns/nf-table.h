/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables, sets and rules that netfilter.h speaks of (nf_ensure, nf_remove_table), and what
 * is needed to change their sets: transactions of nfnetlink.
 */
#pragma once

#include "netns/nl.h"

#include <stdbool.h>

/* Open a transaction: everything queued until nf_commit happens, or nothing does. */
MUST_CHECK int nf_begin(struct nl *n, struct err *e);
MUST_CHECK int nf_commit(struct nl *n, struct err *e);
/* Queue the header of an NFT_MSG_* of this family. */
struct nlmsghdr *nf_put(struct nl *n, uint16_t type, uint8_t family, uint16_t flags,
			const char *what);

/* Does the set hold anything? Reads no more than the kernel's first answer. */
bool nf_any_element(const char *table, uint8_t family, const char *set);
/* Is there a table of any instance (berth, berth-TAG)? */
bool nf_any_instance(void);
