/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two tables of one name: inet, for what a VE sends as IPv4 and IPv6, and arp, because ARP
 * never reaches an inet chain. On a routed link there is no neighbour to deceive; what the arp
 * table stops is a VE filling the host's neighbour table, whose size all VEs share, with
 * addresses that are not its own (rp_filter would stop it too, but udev may loosen that).
 *
 * Other frames (VLAN, LLDP, STP, MPLS, 802.3) have no receiver on the host side of such a link.
 *
 * A packet from a VE costs two set look-ups and a few comparisons, any other packet one look-up.
 * Elements are keyed by link name and not by index: the name is known before the link exists,
 * so the guard stands before the link does and falls after it.
 */
#include "netns/nf-table.h"
#include "netns/netfilter.h"

#include <errno.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_arp.h>
#include <linux/netfilter_ipv4.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include "util/cleanup.h"
#include "util/str.h"

#define CHAIN "from_ve"
#define PRIORITY NF_IP_PRI_RAW  /* before connection tracking: a spoofed packet leaves no trace */

/* Numbers of nft's data types; only `nft list` reads them, to print elements as text. */
enum { T_IP4 = 7, T_IP6 = 8, T_MAC = 9, T_IFNAME = 41 };
#define CONCAT(a, b) ((a) << 6 | (b))

/* In a concatenation each part is padded to 32-bit registers: a MAC takes 8 bytes. */
struct set {
	const char *name;
	uint32_t type;
	uint32_t len;
};

static const struct set sets[] = {
	{ "links", T_IFNAME, IFNAMSIZ },
	{ "macs", CONCAT(T_IFNAME, T_MAC), IFNAMSIZ + 8 },
	{ "src4", CONCAT(T_IFNAME, T_IP4), IFNAMSIZ + 4 },
	{ "src6", CONCAT(T_IFNAME, T_IP6), IFNAMSIZ + 16 },
};

/* One expression of a rule. Values load after the link's name (FIRST) or alone (also FIRST). */
enum kind { X_END, X_META, X_LOAD, X_IS, X_IN, X_NOT_IN, X_COUNT, X_VERDICT };
enum { FIRST = NFT_REG32_00, SECOND = NFT_REG32_04 };

struct expr {
	enum kind kind;
	uint32_t key;           /* meta key, payload base, or verdict */
	uint32_t off, len, reg;
	const char *set;
	uint8_t value[16];
};

#define META(k, r)      { .kind = X_META, .key = (k), .reg = (r) }
#define LOAD(b, o, l, r) { .kind = X_LOAD, .key = (b), .off = (o), .len = (l), .reg = (r) }
#define IS(l, ...)      { .kind = X_IS, .len = (l), .value = { __VA_ARGS__ } }
#define LINK            META(NFT_META_IIFNAME, FIRST)
#define FAMILY(f)       META(NFT_META_NFPROTO, FIRST), IS(1, f)
#define PROTO(p)        META(NFT_META_L4PROTO, FIRST), IS(1, p)
#define ICMP_TYPE(t)    LOAD(NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, FIRST), IS(1, t)
#define TO_PORT(p)      LOAD(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, FIRST), IS(2, (p) >> 8, (p) & 255)
#define NETWORK(o, l, r) LOAD(NFT_PAYLOAD_NETWORK_HEADER, o, l, r)
#define IN_SET(s)       { .kind = X_IN, .set = (s) }
#define NOT_IN_SET(s)   { .kind = X_NOT_IN, .set = (s) }
#define PASS            { .kind = X_VERDICT, .key = NF_ACCEPT }
#define DROP            { .kind = X_COUNT }, { .kind = X_VERDICT, .key = NF_DROP }

/*
 * Order matters: nothing of a guarded link passes before its MAC is checked, and the last rule
 * drops. A VE is neither router (RA, redirect) nor DHCP server to what is behind its link.
 */
static const struct expr rules_inet[][9] = {
	{ LINK, NOT_IN_SET("links"), PASS },
	{ LINK, LOAD(NFT_PAYLOAD_LL_HEADER, 6, 6, SECOND), NOT_IN_SET("macs"), DROP },
	{ PROTO(IPPROTO_UDP), TO_PORT(68), DROP },
	{ PROTO(IPPROTO_UDP), TO_PORT(546), DROP },
	{ PROTO(IPPROTO_ICMP), ICMP_TYPE(ICMP_REDIRECT), DROP },
	{ FAMILY(NFPROTO_IPV4), LINK, NETWORK(12, 4, SECOND), IN_SET("src4"), PASS },
	{ PROTO(IPPROTO_ICMPV6), ICMP_TYPE(ND_ROUTER_ADVERT), DROP },
	{ PROTO(IPPROTO_ICMPV6), ICMP_TYPE(ND_REDIRECT), DROP },
	{ FAMILY(NFPROTO_IPV6), LINK, NETWORK(8, 16, SECOND), IN_SET("src6"), PASS },
	/* The unspecified address: duplicate detection and multicast reports. */
	{ FAMILY(NFPROTO_IPV6), PROTO(IPPROTO_ICMPV6), NETWORK(8, 16, FIRST), IS(16, 0), PASS },
	{ DROP },
};

/* ARP over Ethernet and IPv4 (RFC 826): sender hardware address at 8, protocol address at 14. */
static const struct expr rules_arp[][9] = {
	{ LINK, NOT_IN_SET("links"), PASS },
	{ LINK, NETWORK(8, 6, SECOND), NOT_IN_SET("macs"), DROP },
	{ LINK, NETWORK(14, 4, SECOND), IN_SET("src4"), PASS },
	{ DROP },
};

struct family {
	uint8_t family;
	uint32_t hook;
	const struct expr (*rules)[9];
	size_t n_rules, n_sets;
};

static const struct family families[] = {
	{ NFPROTO_INET, NF_INET_PRE_ROUTING, rules_inet, ARRAY_SIZE(rules_inet), 4 },
	{ NFPROTO_ARP, NF_ARP_IN, rules_arp, ARRAY_SIZE(rules_arp), 3 },
};

struct nlmsghdr *nf_put(struct nl *n, uint16_t type, uint8_t family, uint16_t flags,
			const char *what)
{
	char *buf = nl_room(n, what);
	struct nlmsghdr *h = nftnl_nlmsg_build_hdr(buf, type, family, flags, nl_seq(n));

	nl_adopt(n, h);
	return h;
}

int nf_begin(struct nl *n, struct err *e)
{
	int r = nl_open(n, NETLINK_NETFILTER, e);

	if (r == 0) {
		char *buf = nl_room(n, "begin filter change");

		nl_adopt(n, nftnl_batch_begin(buf, nl_seq(n)));
	}
	return r;
}

int nf_commit(struct nl *n, struct err *e)
{
	char *buf = nl_room(n, "commit filter change");

	nl_adopt(n, nftnl_batch_end(buf, nl_seq(n)));
	return nl_done(n, e);
}

static int oom(struct err *e)
{
	return err_set(e, ENOMEM, 0, "build filter: out of memory");
}

/* The load expressions differ in attribute numbers only. */
static struct nftnl_expr *make_load(const struct expr *x)
{
	struct nftnl_expr *p;

	if (x->kind == X_META) {
		p = nftnl_expr_alloc("meta");
		if (!p)
			return NULL;
		nftnl_expr_set_u32(p, NFTNL_EXPR_META_KEY, x->key);
		nftnl_expr_set_u32(p, NFTNL_EXPR_META_DREG, x->reg);
		return p;
	}
	p = nftnl_expr_alloc("payload");
	if (!p)
		return NULL;
	nftnl_expr_set_u32(p, NFTNL_EXPR_PAYLOAD_BASE, x->key);
	nftnl_expr_set_u32(p, NFTNL_EXPR_PAYLOAD_OFFSET, x->off);
	nftnl_expr_set_u32(p, NFTNL_EXPR_PAYLOAD_LEN, x->len);
	nftnl_expr_set_u32(p, NFTNL_EXPR_PAYLOAD_DREG, x->reg);
	return p;
}

static struct nftnl_expr *make_test(const struct expr *x)
{
	struct nftnl_expr *p;

	if (x->kind == X_IS) {
		p = nftnl_expr_alloc("cmp");
		if (!p)
			return NULL;
		nftnl_expr_set_u32(p, NFTNL_EXPR_CMP_SREG, FIRST);
		nftnl_expr_set_u32(p, NFTNL_EXPR_CMP_OP, NFT_CMP_EQ);
		(void)nftnl_expr_set(p, NFTNL_EXPR_CMP_DATA, x->value, x->len);
		return p;
	}
	p = nftnl_expr_alloc("lookup");
	if (!p)
		return NULL;
	nftnl_expr_set_u32(p, NFTNL_EXPR_LOOKUP_SREG, FIRST);
	(void)nftnl_expr_set_str(p, NFTNL_EXPR_LOOKUP_SET, x->set);
	if (x->kind == X_NOT_IN)
		nftnl_expr_set_u32(p, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	return p;
}

static struct nftnl_expr *make_verdict(uint32_t verdict)
{
	struct nftnl_expr *p = nftnl_expr_alloc("immediate");

	if (p) {
		nftnl_expr_set_u32(p, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
		nftnl_expr_set_u32(p, NFTNL_EXPR_IMM_VERDICT, verdict);
	}
	return p;
}

static struct nftnl_expr *make_expr(const struct expr *x)
{
	switch (x->kind) {
	case X_META:
	case X_LOAD:
		return make_load(x);
	case X_IS:
	case X_IN:
	case X_NOT_IN:
		return make_test(x);
	case X_COUNT:
		return nftnl_expr_alloc("counter");
	case X_VERDICT:
		return make_verdict(x->key);
	case X_END:
		break;
	}
	return NULL;
}

static void free_rule(struct nftnl_rule **r)
{
	if (*r)
		nftnl_rule_free(*r);
}

static int put_rule(struct nl *n, const struct family *f, const char *table,
		    const struct expr *x, struct err *e)
{
	_cleanup_(free_rule) struct nftnl_rule *rule = nftnl_rule_alloc();

	if (!rule)
		return oom(e);
	nftnl_rule_set_u32(rule, NFTNL_RULE_FAMILY, f->family);
	(void)nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, table);
	(void)nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, CHAIN);
	for (size_t i = 0; i < ARRAY_SIZE(rules_inet[0]) && x[i].kind != X_END; i++) {
		struct nftnl_expr *p = make_expr(&x[i]);

		if (!p)
			return oom(e);
		nftnl_rule_add_expr(rule, p);
	}
	nftnl_rule_nlmsg_build_payload(nf_put(n, NFT_MSG_NEWRULE, f->family,
					   NLM_F_CREATE | NLM_F_APPEND, "add filter rule"), rule);
	return 0;
}

/* Without it nft prints names as numbers: type, length, NFTNL_UDATA_SET_KEYBYTEORDER 1 (host). */
static const uint8_t host_order[] = {
	0, 4,
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	1, 0, 0, 0,
#else
	0, 0, 0, 1,
#endif
};

static void free_set(struct nftnl_set **s)
{
	if (*s)
		nftnl_set_free(*s);
}

static int put_set(struct nl *n, const struct family *f, const char *table, size_t i,
		   struct err *e)
{
	_cleanup_(free_set) struct nftnl_set *s = nftnl_set_alloc();

	if (!s)
		return oom(e);
	(void)nftnl_set_set_str(s, NFTNL_SET_TABLE, table);
	(void)nftnl_set_set_str(s, NFTNL_SET_NAME, sets[i].name);
	nftnl_set_set_u32(s, NFTNL_SET_FAMILY, f->family);
	nftnl_set_set_u32(s, NFTNL_SET_ID, (uint32_t)i + 1);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, sets[i].type);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, sets[i].len);
	if (sets[i].type == T_IFNAME)
		(void)nftnl_set_set_data(s, NFTNL_SET_USERDATA, host_order, sizeof(host_order));
	nftnl_set_nlmsg_build_payload(nf_put(n, NFT_MSG_NEWSET, f->family, NLM_F_CREATE,
					  "add filter set"), s);
	return 0;
}

static void put_table(struct nl *n, uint16_t type, uint8_t family, const char *table)
{
	struct nlmsghdr *h = nf_put(n, type, family, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0,
				 type == NFT_MSG_NEWTABLE ? "add filter table"
							  : "delete filter table");

	mnl_attr_put_strz(h, NFTA_TABLE_NAME, table);
}

/*
 * NLM_F_EXCL on the chain makes the loser of a race fail as a whole: rules have no name, and a
 * second set of them would be appended.
 */
static void put_chain(struct nl *n, const struct family *f, const char *table)
{
	struct nlmsghdr *h = nf_put(n, NFT_MSG_NEWCHAIN, f->family, NLM_F_CREATE | NLM_F_EXCL,
				 "add filter chain");
	struct nlattr *hook;

	mnl_attr_put_strz(h, NFTA_CHAIN_TABLE, table);
	mnl_attr_put_strz(h, NFTA_CHAIN_NAME, CHAIN);
	mnl_attr_put_strz(h, NFTA_CHAIN_TYPE, "filter");
	mnl_attr_put_u32(h, NFTA_CHAIN_POLICY, htonl(NF_ACCEPT));
	hook = mnl_attr_nest_start(h, NFTA_CHAIN_HOOK);
	mnl_attr_put_u32(h, NFTA_HOOK_HOOKNUM, htonl(f->hook));
	mnl_attr_put_u32(h, NFTA_HOOK_PRIORITY, htonl((uint32_t)PRIORITY));
	mnl_attr_nest_end(h, hook);
}

/* The arp chain is made last, in the same transaction as all before it: it stands for all. */
static int is_there(const char *table, struct err *e)
{
	_nl_ struct nl n = NL_INIT;
	struct nlmsghdr *h;
	int r = nl_open(&n, NETLINK_NETFILTER, e);

	if (r < 0)
		return r;
	h = nf_put(&n, NFT_MSG_GETCHAIN, NFPROTO_ARP, NLM_F_ACK, "find filter chain");
	mnl_attr_put_strz(h, NFTA_CHAIN_TABLE, table);
	mnl_attr_put_strz(h, NFTA_CHAIN_NAME, CHAIN);
	r = nl_done(&n, e);
	if (r == -ENOENT) {
		err_clear(e);
		return 0;
	}
	return r < 0 ? r : 1;
}

static int put_family(struct nl *n, const struct family *f, const char *table, struct err *e)
{
	int r = 0;

	put_table(n, NFT_MSG_NEWTABLE, f->family, table);
	put_chain(n, f, table);
	for (size_t i = 0; i < f->n_sets && r == 0; i++)
		r = put_set(n, f, table, i, e);
	for (size_t i = 0; i < f->n_rules && r == 0; i++)
		r = put_rule(n, f, table, f->rules[i], e);
	return r;
}

int nf_ensure(const char *table, struct err *e)
{
	_nl_ struct nl n = NL_INIT;
	int r = is_there(table, e);

	if (r != 0)
		return r < 0 ? r : 0;
	r = nf_begin(&n, e);
	for (size_t i = 0; i < ARRAY_SIZE(families) && r == 0; i++)
		r = put_family(&n, &families[i], table, e);
	if (r < 0)
		return r;
	r = nf_commit(&n, e);
	if (r == -EEXIST) {             /* somebody else made it meanwhile */
		err_clear(e);
		r = 0;
	}
	return r < 0 ? err_wrap(e, "make filter table %s", table) : 0;
}

void nf_remove_table(const char *table)
{
	_nl_ struct nl n = NL_INIT;
	struct err e = ERR_INIT;

	if (nf_begin(&n, &e) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		put_table(&n, NFT_MSG_NEWTABLE, families[i].family, table);
		put_table(&n, NFT_MSG_DELTABLE, families[i].family, table);
	}
	(void)!nf_commit(&n, &e);
}
