/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose packet it is: on a routed link its name says (guests), and of a bridge the host sees only
 * the bridge, so there the sender's MAC does (ports). The chain from_ve has made sure of that MAC,
 * and on a port where any may send, the bridge's own to_host lets no other come up to the host.
 * Either leads to the chain of the VE's network, which passes answers and what is listed.
 *
 * Answers are told without connection tracking, whose table all VEs could fill for each other.
 * TCP: what does not open a connection is one, or is answered with a reset. (A listener that is
 * flooded takes one packet for opening: with its SYN cookie, which nobody else can know.) UDP:
 * to a port that the host has sent to this address from within the last minute (asked). What the
 * host sends from a port that is or was listed may itself be an answer, so it asks for none: a
 * service that is taken off the list is closed for those it was just talking to as well.
 *
 * A chain's rules are its own, not an element's of a set by network: nft(8) up to 1.0.6 cannot
 * print, and dies of, a look-up by what a map has said.
 */
#include "netns/nf-host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#include "netns/nf-expr.h"
#include "netns/nf-rules.h"
#include "netns/nf-table.h"
#include "netns/nl.h"
#include "util/str.h"

#define SYN_ACK 0x12
#define SYN 0x02

#define IP4 FAMILY(NFPROTO_IPV4)
#define IP6 FAMILY(NFPROTO_IPV6)

/*
 * IPv4 has been put together here, IPv6 has not: what follows a first fragment is nothing alone.
 * A first one too short to say whether it opens a connection is taken to.
 */
static const struct nf_expr answers[][NF_RULE_MAX] = {
	{ PROTO(IPPROTO_TCP), TRANSPORT(13, 1, FIRST), MASK(FIRST, 1, SYN_ACK), IS_NOT(1, SYN),
	  PASS },
	{ IP6, LATER_FRAGMENT, PASS },
	{ PROTO(IPPROTO_ICMP), ICMP_TYPE(ICMP_ECHOREPLY), PASS },
	{ PROTO(IPPROTO_ICMP), ICMP_TYPE(ICMP_DEST_UNREACH), PASS },
	{ PROTO(IPPROTO_ICMP), ICMP_TYPE(ICMP_TIME_EXCEEDED), PASS },
	{ PROTO(IPPROTO_ICMP), ICMP_TYPE(ICMP_PARAMETERPROB), PASS },
	{ PROTO(IPPROTO_ICMPV6), TRANSPORT(0, 1, FIRST), BELOW(1, ICMP6_PARAM_PROB + 1), PASS },
	{ PROTO(IPPROTO_ICMPV6), ICMP_TYPE(ICMP6_ECHO_REPLY), PASS },
	{ PROTO(IPPROTO_ICMPV6), TRANSPORT(0, 1, FIRST), ABOVE(1, ND_NEIGHBOR_SOLICIT - 1),
	  BELOW(1, ND_NEIGHBOR_ADVERT + 1), PASS },
	{ IP4, PROTO(IPPROTO_UDP), NETWORK(12, 4, FIRST), TRANSPORT(2, 2, NFT_REG32_01),
	  IN_SET("asked4"), PASS },
	{ IP6, PROTO(IPPROTO_UDP), NETWORK(8, 16, FIRST), TRANSPORT(2, 2, SECOND),
	  IN_SET("asked6"), PASS },
};

static const struct nf_expr to_host[][NF_RULE_MAX] = {
	{ LINK, MAP("guests", FIRST, NFT_REG_VERDICT) },
	{ ETHER(6, 6, FIRST), MAP("ports", FIRST, NFT_REG_VERDICT) },
};

#define FROM_PORT(r) TRANSPORT(0, 2, r)
#define ASKS(family) family, PROTO(IPPROTO_UDP), FROM_PORT(FIRST), NOT_IN_SET("listed")

static const struct nf_expr from_host[][NF_RULE_MAX] = {
	{ ASKS(IP4), NETWORK(16, 4, FIRST), IN_SET("ve4"), FROM_PORT(NFT_REG32_01),
	  REMEMBER("asked4") },
	{ ASKS(IP6), NETWORK(24, 16, FIRST), IN_SET("ve6"), FROM_PORT(SECOND),
	  REMEMBER("asked6") },
};

static const enum nf_set_id sets[] = { S_GUESTS, S_PORTS, S_LISTS, S_LISTED, S_VE4, S_VE6,
				       S_ASKED4, S_ASKED6 };
static const struct nf_chain chains[] = {
	{ "answers", NULL, 0, 0, RULES(answers) },
	{ "from_host", "filter", NF_INET_LOCAL_OUT, NF_IP_PRI_FILTER, RULES(from_host) },
	{ "to_host", "filter", NF_INET_LOCAL_IN, NF_IP_PRI_RAW, RULES(to_host) },
};

const struct nf_family nf_host[1] = {
	{ NFPROTO_INET, RULES(sets), RULES(chains) },
};

/* ---- the chain of a network ---- */

void nf_host_chain(char dst[NF_HOST_CHAIN], uint32_t group)
{
	(void)str_fmt(dst, NF_HOST_CHAIN, "net-%x", group);
}

struct list {
	struct nl n;
	const char *table;
	char chain[NF_HOST_CHAIN];
	uint32_t group, id;
	int64_t was;                    /* id of what the chain says; -1: there is none */
};

/* What was there goes in the same transaction. */
static void put_empty_chain(struct list *l)
{
	const struct nf_chain c = { .name = l->chain };
	struct nlmsghdr *h;

	nf_put_chain(&l->n, &c, NFPROTO_INET, l->table, NLM_F_CREATE);
	h = nf_put(&l->n, NFT_MSG_DELRULE, NFPROTO_INET, 0, "flush filter chain");
	mnl_attr_put_strz(h, NFTA_RULE_TABLE, l->table);
	mnl_attr_put_strz(h, NFTA_RULE_CHAIN, l->chain);
}

static int put_rule(struct list *l, const struct nf_expr *x, struct err *e)
{
	return nf_put_rule(&l->n, l->chain, NFPROTO_INET, l->table, x, e);
}

static int put_service(struct list *l, const struct service *s, struct err *e)
{
	const struct nf_expr port[NF_RULE_MAX] = { PROTO(s->proto), TO_PORT(s->port), PASS };
	const struct nf_expr type[NF_RULE_MAX] = { PROTO(s->proto), ICMP_TYPE((uint8_t)s->port),
						   PASS };
	struct nf_elem el = { .key_len = 2, .key = { (uint8_t)(s->port >> 8), (uint8_t)s->port } };

	if (s->proto == IPPROTO_UDP)
		nf_put_elem(&l->n, NFT_MSG_NEWSETELEM, NFPROTO_INET, l->table, S_LISTED, &el);
	return put_rule(l, s->proto == IPPROTO_TCP || s->proto == IPPROTO_UDP ? port : type, e);
}

static int put_rules(struct list *l, const struct services *s, struct err *e)
{
	static const struct nf_expr first[NF_RULE_MAX] = { JUMP("answers") };
	static const struct nf_expr last[NF_RULE_MAX] = { DROP };
	int r = 0;

	if (s->all)
		return 0;
	r = put_rule(l, first, e);
	for (unsigned i = 0; i < s->n && r == 0; i++)
		r = put_service(l, &s->a[i], e);
	return r < 0 ? r : put_rule(l, last, e);
}

/* Adding to a map does not replace (EBUSY, later EEXIST), so what is there goes first. */
static void put_id(struct list *l)
{
	struct nf_elem el = { .key_len = 4, .data_len = 4 };

	memcpy(el.key, &l->group, 4);
	if (l->was >= 0)
		nf_put_elem(&l->n, NFT_MSG_DELSETELEM, NFPROTO_INET, l->table, S_LISTS, &el);
	memcpy(el.data, &l->id, 4);
	nf_put_elem(&l->n, NFT_MSG_NEWSETELEM, NFPROTO_INET, l->table, S_LISTS, &el);
}

static int take_id(const struct nlmsghdr *h, void *data)
{
	const struct nlattr *a, *v;

	mnl_attr_for_each(a, h, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(a) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		v = nf_find(nf_find(a, NFTA_LIST_ELEM), NFTA_SET_ELEM_DATA);
		v = nf_find(v, NFTA_DATA_VALUE);
		if (v && mnl_attr_get_payload_len(v) == sizeof(uint32_t))
			*(int64_t *)data = mnl_attr_get_u32(v);
	}
	return MNL_CB_OK;
}

static int read_id(struct list *l, struct err *e)
{
	struct nf_elem el = { .key_len = 4 };
	int r = nl_open(&l->n, NETLINK_NETFILTER, e);

	l->was = -1;
	if (r < 0)
		return r;
	memcpy(el.key, &l->group, 4);
	nf_put_elem(&l->n, NFT_MSG_GETSETELEM, NFPROTO_INET, l->table, S_LISTS, &el);
	r = nl_query(&l->n, take_id, &l->was, e);
	nl_close(&l->n);
	if (r != -ENOENT)
		return r;
	err_clear(e);
	return 0;
}

static int replace(struct list *l, const struct services *s, struct err *e)
{
	int r = nf_begin(&l->n, e);

	if (r < 0)
		return r;
	put_empty_chain(l);
	r = put_rules(l, s, e);
	if (r == 0) {
		put_id(l);
		r = nf_commit(&l->n, e);
	}
	nl_close(&l->n);
	return r;
}

/* Another start of the network can be here at the same time: once more, then. */
int nf_host_list(const char *table, uint32_t group, const struct services *s, struct err *e)
{
	struct list l = { .table = table, .group = group, .id = services_id(s) };
	int r = read_id(&l, e);

	nf_host_chain(l.chain, group);
	if (r < 0 || l.was == (int64_t)l.id)
		return r;
	r = replace(&l, s, e);
	if (r == -EEXIST || r == -EBUSY || r == -ENOENT) {
		err_clear(e);
		r = read_id(&l, e);
		if (r == 0)
			r = replace(&l, s, e);
	}
	return r < 0 ? err_wrap(e, "list what VEs reach of the host") : 0;
}
