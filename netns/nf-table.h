/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables, sets and rules that netfilter.h speaks of (nf_ensure, nf_remove_table), and what
 * is needed to change their sets: transactions of nfnetlink.
 */
#pragma once

#include "netns/nl.h"

#include <net/if.h>
#include <stdbool.h>

#include "netns/nf-rules.h"

/* Open a transaction: everything queued until nf_commit happens, or nothing does. */
MUST_CHECK int nf_begin(struct nl *n, struct err *e);
MUST_CHECK int nf_commit(struct nl *n, struct err *e);
/* Queue the header of an NFT_MSG_* of this family. */
struct nlmsghdr *nf_put(struct nl *n, uint16_t type, uint8_t family, uint16_t flags,
			const char *what);

/*
 * An element: key, end of the key's interval, value of a map or the chain that a verdict's leads
 * to; lengths 0 and NULL where there is none.
 */
struct nf_elem {
	uint8_t key[IFNAMSIZ + 24], end[IFNAMSIZ + 24], data[8];
	uint16_t key_len, end_len, data_len;
	const char *chain;
};

/* Queue an NFT_MSG_*SETELEM. */
void nf_put_elem(struct nl *n, uint16_t type, uint8_t family, const char *table,
		 enum nf_set_id set, const struct nf_elem *el);
/* Queue a chain without its rules; NLM_F_EXCL: one that is there is an error. */
void nf_put_chain(struct nl *n, const struct nf_chain *c, uint8_t family, const char *table,
		  uint16_t flags);
MUST_CHECK int nf_put_rule(struct nl *n, const char *chain, uint8_t family, const char *table,
			   const struct nf_expr *x, struct err *e);

/* The attribute of this type in the nest, or NULL; of NULL: NULL. */
const struct nlattr *nf_find(const struct nlattr *nest, uint16_t type);

/* 1: the part is there, 0: it is not. */
MUST_CHECK int nf_is_there(const char *table, enum nf_part_id part, struct err *e);
/* 1: the table has the set, 0: an older Berth made it and has not. */
MUST_CHECK int nf_has_set(const char *table, uint8_t family, enum nf_set_id set, struct err *e);
/* Does the set hold anything? Reads no more than the kernel's first answer. */
bool nf_any_element(const char *table, uint8_t family, const char *set);
/* Is there a table of any instance (berth, berth-TAG)? */
bool nf_any_instance(void);
