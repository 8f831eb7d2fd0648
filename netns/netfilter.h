/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Spoof filters, as lookups: one table per instance (families inet and arp, same name) with a
 * constant number of rules and sets keyed by link and address, so that a packet and a change
 * cost the same with one VE or a thousand. What a link in the set of links sends from a source
 * address that is not in the set of addresses is dropped, before any other rule (hook
 * prerouting, priority raw). Changes are one netlink transaction. Never touches another table.
 */
#pragma once

#include "util/err.h"
#include "util/parse.h"

#include <stddef.h>
#include <stdint.h>

/* Longest table name, with its NUL. */
#define NF_TABLE_MAX 32

/* Make the table, sets and rules if they are not there. */
MUST_CHECK int nf_ensure(const char *table, struct err *e);
/* Guard the link: from now on only these sources pass. */
MUST_CHECK int nf_link_add(const char *table, const char *link, const uint8_t mac[6],
			   const struct ipaddr *addrs, size_t n, struct err *e);
/* Forget the link and its addresses. Absent table or elements are fine. */
void nf_link_del(const char *table, const char *link, const uint8_t mac[6],
		 const struct ipaddr *addrs, size_t n);
MUST_CHECK int nf_addr_add(const char *table, const char *link, const struct ipaddr *a,
			   struct err *e);
void nf_addr_del(const char *table, const char *link, const struct ipaddr *a);
/* Remove the instance's table with all in it, for its teardown only; not there is fine. */
void nf_remove_table(const char *table);
