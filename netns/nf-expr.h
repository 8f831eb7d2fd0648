/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules as constant tables: a rule is an array of struct expr, a chain an array of rules. The
 * macros read like nft(8) does; nf_expr_make turns one into what the kernel wants.
 *
 * Values load alone (FIRST), after the link's name (SECOND) or after that and a MAC (THIRD). A load that the packet is too
 * short for ends the rule without a match.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The C library's own first: the kernel's headers give way to it, not the other way round. */
#include <net/if.h>
#include <netinet/in.h>

#include <libnftnl/expr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#define NF_RULE_MAX 16
#define NF_REMEMBER_MS 60000

enum nf_kind { X_END, X_META, X_LOAD, X_MASK, X_IS, X_NOT, X_ABOVE, X_BELOW, X_ANY, X_IN, X_NOT_IN,
	       X_MAP, X_FRAGMENT, X_FRAGMENT_OF, X_OFFSET, X_COUNT, X_VERDICT, X_CT, X_FIB_LOCAL,
	       X_MASQUERADE, X_DNAT, X_JUMP, X_REMEMBER };

enum { FIRST = NFT_REG32_00, SECOND = NFT_REG32_04,
       AFTER = NFT_REG32_05, THIRD = NFT_REG32_06 };

struct nf_expr {
	enum nf_kind kind;
	uint32_t key;           /* meta or ct key, payload base, or verdict */
	uint32_t off, len, reg;
	char set[16];           /* in place: a pointer would have to be relocated in every command */
	uint8_t value[16], mask[4];
};

#define META(k, r)      { .kind = X_META, .key = (k), .reg = (r) }
#define LOAD(b, o, l, r) { .kind = X_LOAD, .key = (b), .off = (o), .len = (l), .reg = (r) }
#define MASK(r, l, ...) { .kind = X_MASK, .reg = (r), .len = (l), .mask = { __VA_ARGS__ } }
#define IS(l, ...)      { .kind = X_IS, .len = (l), .value = { __VA_ARGS__ } }
#define IS_NOT(l, ...)  { .kind = X_NOT, .len = (l), .value = { __VA_ARGS__ } }
#define ABOVE(l, ...)   { .kind = X_ABOVE, .len = (l), .value = { __VA_ARGS__ } }
#define BELOW(l, ...)   { .kind = X_BELOW, .len = (l), .value = { __VA_ARGS__ } }
#define LINK            META(NFT_META_IIFNAME, FIRST)
#define OUT_LINK        META(NFT_META_OIFNAME, FIRST)
#define FAMILY(f)       META(NFT_META_NFPROTO, FIRST), IS(1, f)
#define PROTOCOL(p)     META(NFT_META_PROTOCOL, FIRST), IS(2, (p) >> 8, (p) & 255)
#define PROTO(p)        META(NFT_META_L4PROTO, FIRST), IS(1, p)
#define TRANSPORT(o, l, r) LOAD(NFT_PAYLOAD_TRANSPORT_HEADER, o, l, r)
/* What the rules before have looked for can be seen: ports, type. */
#define READABLE        TRANSPORT(0, 4, FIRST), { .kind = X_ANY, .len = 4 }
#define NETWORK(o, l, r) LOAD(NFT_PAYLOAD_NETWORK_HEADER, o, l, r)
#define ETHER(o, l, r)  LOAD(NFT_PAYLOAD_LL_HEADER, o, l, r)
#define ICMP_TYPE(t)    TRANSPORT(0, 1, FIRST), IS(1, t)
#define TO_PORT(p)      TRANSPORT(2, 2, FIRST), IS(2, (p) >> 8, (p) & 255)
#define IN_SET(s)       { .kind = X_IN, .set = (s), .reg = FIRST }
#define NOT_IN_SET(s)   { .kind = X_NOT_IN, .set = (s), .reg = FIRST }
#define MAP(s, from, to) { .kind = X_MAP, .set = (s), .reg = (from), .key = (to) }
#define FRAGMENT        { .kind = X_FRAGMENT, .reg = FIRST }, IS(1, 1)
/* Header that follows the fragment's. */
#define FRAGMENT_OF     { .kind = X_FRAGMENT_OF, .reg = FIRST }
/* Not the first: its offset (RFC 8200, 4.5) is not 0. */
#define LATER_FRAGMENT  { .kind = X_OFFSET, .reg = FIRST }, MASK(FIRST, 2, 0xff, 0xf8), \
	IS_NOT(2, 0)
#define CT(k)           { .kind = X_CT, .key = (k), .reg = FIRST }
#define PASS            { .kind = X_VERDICT, .key = NF_ACCEPT }
#define JUMP(c)         { .kind = X_JUMP, .set = (c) }
/* Add the key to the set for NF_REMEMBER_MS more. */
#define REMEMBER(s)     { .kind = X_REMEMBER, .set = (s), .reg = FIRST }
#define DROP            { .kind = X_COUNT }, { .kind = X_VERDICT, .key = NF_DROP }

/* NULL when out of memory. */
struct nftnl_expr *nf_expr_make(const struct nf_expr *x);
