/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/nf-expr.h"

#include <linux/netfilter/nf_nat.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

#define EXTHDR_FRAGMENT 44      /* next header number, RFC 8200, 4.5 */

/* One attribute of an expression: a number, or data where data is not NULL. */
struct attr {
	uint16_t type;
	uint32_t value;
	const void *data;
	uint32_t len;
};

static struct nftnl_expr *make(const char *name, const struct attr *a, size_t n)
{
	struct nftnl_expr *p = nftnl_expr_alloc(name);

	for (size_t i = 0; p && i < n; i++) {
		if (a[i].data)
			(void)nftnl_expr_set(p, a[i].type, a[i].data, a[i].len);
		else
			nftnl_expr_set_u32(p, a[i].type, a[i].value);
	}
	return p;
}

#define MAKE(name, ...) \
	make(name, (const struct attr[]){ __VA_ARGS__ }, \
	     sizeof((const struct attr[]){ __VA_ARGS__ }) / sizeof(struct attr))

static struct nftnl_expr *make_load(const struct nf_expr *x)
{
	struct nftnl_expr *p;

	switch (x->kind) {
	case X_META:
		return MAKE("meta", { NFTNL_EXPR_META_KEY, x->key, NULL, 0 },
			    { NFTNL_EXPR_META_DREG, x->reg, NULL, 0 });
	case X_CT:
		return MAKE("ct", { NFTNL_EXPR_CT_KEY, x->key, NULL, 0 },
			    { NFTNL_EXPR_CT_DREG, x->reg, NULL, 0 });
	case X_FIB_LOCAL:
		return MAKE("fib", { NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE, NULL, 0 },
			    { NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_DADDR, NULL, 0 },
			    { NFTNL_EXPR_FIB_DREG, FIRST, NULL, 0 });
	case X_FRAGMENT:
	case X_FRAGMENT_OF:
	case X_OFFSET:
		p = MAKE("exthdr", { NFTNL_EXPR_EXTHDR_DREG, x->reg, NULL, 0 },
			 { NFTNL_EXPR_EXTHDR_OFFSET, x->kind == X_OFFSET ? 2 : 0, NULL, 0 },
			 { NFTNL_EXPR_EXTHDR_LEN, x->kind == X_OFFSET ? 2 : 1, NULL, 0 },
			 { NFTNL_EXPR_EXTHDR_FLAGS, x->kind == X_FRAGMENT ? NFT_EXTHDR_F_PRESENT : 0,
			   NULL, 0 });
		if (p)
			nftnl_expr_set_u8(p, NFTNL_EXPR_EXTHDR_TYPE, EXTHDR_FRAGMENT);
		return p;
	default:
		return MAKE("payload", { NFTNL_EXPR_PAYLOAD_BASE, x->key, NULL, 0 },
			    { NFTNL_EXPR_PAYLOAD_OFFSET, x->off, NULL, 0 },
			    { NFTNL_EXPR_PAYLOAD_LEN, x->len, NULL, 0 },
			    { NFTNL_EXPR_PAYLOAD_DREG, x->reg, NULL, 0 });
	}
}

static struct nftnl_expr *make_test(const struct nf_expr *x)
{
	static const uint32_t ops[] = { [X_IS] = NFT_CMP_EQ, [X_NOT] = NFT_CMP_NEQ,
					[X_ABOVE] = NFT_CMP_GT, [X_BELOW] = NFT_CMP_LT,
					[X_ANY] = NFT_CMP_GTE };

	return MAKE("cmp", { NFTNL_EXPR_CMP_SREG, FIRST, NULL, 0 },
		    { NFTNL_EXPR_CMP_OP, ops[x->kind], NULL, 0 },
		    { NFTNL_EXPR_CMP_DATA, 0, x->value, x->len });
}

static struct nftnl_expr *make_lookup(const struct nf_expr *x)
{
	struct nftnl_expr *p = MAKE("lookup", { NFTNL_EXPR_LOOKUP_SREG, x->reg, NULL, 0 });

	if (!p)
		return NULL;
	(void)nftnl_expr_set_str(p, NFTNL_EXPR_LOOKUP_SET, x->set);
	if (x->kind == X_NOT_IN)
		nftnl_expr_set_u32(p, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	if (x->kind == X_MAP)
		nftnl_expr_set_u32(p, NFTNL_EXPR_LOOKUP_DREG, x->key);
	return p;
}

static struct nftnl_expr *make_jump(const struct nf_expr *x)
{
	struct nftnl_expr *p = MAKE("immediate", { NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT, NULL, 0 },
				    { NFTNL_EXPR_IMM_VERDICT, (uint32_t)NFT_JUMP, NULL, 0 });

	if (p)
		(void)nftnl_expr_set_str(p, NFTNL_EXPR_IMM_CHAIN, x->set);
	return p;
}

static struct nftnl_expr *make_remember(const struct nf_expr *x)
{
	struct nftnl_expr *p = MAKE("dynset", { NFTNL_EXPR_DYNSET_SREG_KEY, x->reg, NULL, 0 },
				    { NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_UPDATE, NULL, 0 });

	if (!p)
		return NULL;
	nftnl_expr_set_u64(p, NFTNL_EXPR_DYNSET_TIMEOUT, NF_REMEMBER_MS);
	(void)nftnl_expr_set_str(p, NFTNL_EXPR_DYNSET_SET_NAME, x->set);
	return p;
}

/* reg = reg & mask ^ value; without a mask of its own, value is a bit that is set. */
static struct nftnl_expr *make_mask(const struct nf_expr *x)
{
	return MAKE("bitwise", { NFTNL_EXPR_BITWISE_SREG, x->reg, NULL, 0 },
		    { NFTNL_EXPR_BITWISE_DREG, x->reg, NULL, 0 },
		    { NFTNL_EXPR_BITWISE_LEN, x->len, NULL, 0 },
		    { NFTNL_EXPR_BITWISE_MASK, 0, x->mask, x->len },
		    { NFTNL_EXPR_BITWISE_XOR, 0, x->value, x->len });
}

static struct nftnl_expr *make_action(const struct nf_expr *x)
{
	switch (x->kind) {
	case X_COUNT:
		return nftnl_expr_alloc("counter");
	case X_MASQUERADE:
		return nftnl_expr_alloc("masq");
	case X_DNAT:
		return MAKE("nat", { NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT, NULL, 0 },
			    { NFTNL_EXPR_NAT_FAMILY, NFPROTO_IPV4, NULL, 0 },
			    { NFTNL_EXPR_NAT_REG_ADDR_MIN, SECOND, NULL, 0 },
			    { NFTNL_EXPR_NAT_REG_PROTO_MIN, AFTER, NULL, 0 },
			    { NFTNL_EXPR_NAT_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED, NULL, 0 });
	default:
		return MAKE("immediate", { NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT, NULL, 0 },
			    { NFTNL_EXPR_IMM_VERDICT, x->key, NULL, 0 });
	}
}

struct nftnl_expr *nf_expr_make(const struct nf_expr *x)
{
	switch (x->kind) {
	case X_META:
	case X_LOAD:
	case X_CT:
	case X_FIB_LOCAL:
	case X_FRAGMENT:
	case X_FRAGMENT_OF:
	case X_OFFSET:
		return make_load(x);
	case X_IS:
	case X_NOT:
	case X_ABOVE:
	case X_BELOW:
	case X_ANY:
		return make_test(x);
	case X_IN:
	case X_NOT_IN:
	case X_MAP:
		return make_lookup(x);
	case X_MASK:
		return make_mask(x);
	case X_JUMP:
		return make_jump(x);
	case X_REMEMBER:
		return make_remember(x);
	default:
		return make_action(x);
	}
}
