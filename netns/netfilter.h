/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Filters, as lookups: one table per instance and family, all of the same name, with a constant
 * number of rules and sets keyed by link and address, so that a packet and a change cost the
 * same with one VE or a thousand. What a link in the set of links sends from a source that is
 * not in the sets of sources is dropped, before any other rule. A change is one netlink
 * transaction per family. Never touches another table. The rules are in nf-rules.c.
 */
#pragma once

#include "netns/network.h"
#include "netns/nf-rules.h"

/* Longest table name, with its NUL. */
#define NF_TABLE_MAX 32

/* Make a part of the filter if it is not there. */
MUST_CHECK int nf_ensure(const char *table, enum nf_part_id part, struct err *e);
/* Make what the link needs, and guard it: from now on only its sources pass. */
MUST_CHECK int nf_link_add(const struct net_spec *s, struct err *e);
/* Forget the link and its addresses. Absent table or elements are fine. */
int nf_link_del(const struct net_spec *s);
MUST_CHECK int nf_addr_add(const struct net_spec *s, const struct ipaddr *a, struct err *e);
void nf_addr_del(const struct net_spec *s, const struct ipaddr *a);
/* From the switches and ranges of one spec to those of the other; names and MACs are the same. */
MUST_CHECK int nf_link_change(const struct net_spec *from, const struct net_spec *to,
			      struct err *e);
/* See net_forward. */
MUST_CHECK int nf_forward(const char *table, struct net_forwards gone, struct net_forwards come,
			  struct err *e);
/* See net_serve. */
MUST_CHECK int nf_serve(const char *table, uint32_t group, const struct services *to,
			struct err *e);
/* Remove the instance's tables with all in them, for its teardown only; not there is fine. */
void nf_remove_table(const char *table);
