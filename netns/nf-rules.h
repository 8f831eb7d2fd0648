/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the filter consists of, as constant tables: parts that stand or fall together, their
 * sets, chains and rules. nf-table.c makes them, netfilter.c fills the sets.
 */
#pragma once

#include "netns/nf-expr.h"

#include <net/if.h>
#include <stdbool.h>

#include "util/str.h"

/* A set's place in nf_sets. */
enum nf_set_id { S_LINKS, S_MACS, S_SRC4, S_SRC6, S_ANY_MAC, S_ANY_IP, S_MORE4, S_MORE6, S_TRUNK,
		 S_QUICK4, S_QUICK6, S_SAME, S_CLOSED, S_HIDDEN, S_FORWARDS,
		 S_DOORS,
		 S_FLOWS, S_ENTRIES, S_MAIL,      /* their elements have limits of their own */
		 S_GUESTS, S_PORTS, S_LISTS, S_LISTED, S_VE4, S_VE6,        /* nf-host.c */
		 S_ASKED4, S_ASKED6,              /* rules add to them, and time takes away */
		 S_COUNT };

/* In a concatenation each part is padded to 32-bit registers: a MAC takes 8 bytes. */
struct nf_set {
	const char *name;
	uint32_t type, len;
	uint32_t fields[3];             /* lengths of the parts of an interval's key; else 0 */
	uint32_t data_type, data_len;   /* of a map */
};
extern const struct nf_set nf_sets[S_COUNT];

/* Without a type it is one that others jump to, and stands before them. */
struct nf_chain {
	const char *name, *type;
	uint32_t hook;
	int32_t priority;
	const struct nf_expr (*rules)[NF_RULE_MAX];
	size_t n_rules;
};

/* Table of one family. The last chain of a part's last family stands for all of the part. */
struct nf_family {
	uint8_t family;
	const enum nf_set_id *sets;
	size_t n_sets;
	const struct nf_chain *chains;
	size_t n_chains;
};

enum nf_part_id {
	NF_ROUTED,              /* links whose host end is a router's */
	NF_BRIDGED,             /* links whose host end is a port */
	NF_CLOSED,              /* networks that do not reach all others */
	NF_NAT,                 /* networks behind an address of the host */
	NF_DOOR,                /* ways into closed namespaces: door.h */
	NF_CAPS,                /* links with caps, in a table of its own: caps.h */
	NF_HOST,                /* what VEs may reach of the host: nf-host.c */
	NF_PARTS
};

struct nf_part {
	const struct nf_family *families;
	size_t n_families;
};
extern const struct nf_part nf_parts[NF_PARTS];
extern const struct nf_family nf_host[1];

#define RULES(r) (r), ARRAY_SIZE(r)
