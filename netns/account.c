/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Outgoing packets are counted behind the spoof filters (priority raw), so that what is dropped
 * there is on nobody's bill, and behind the rates; incoming ones last in postrouting, before the
 * rates. Elements with counters: nftables, since 5.7.
 */
#include "netns/account.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>
#include <net/if.h>
#include <string.h>

#include "netns/netfilter.h"
#include "netns/nf-table.h"
#include "netns/nl.h"
#include "util/str.h"

#define KEY_LEN (IFNAMSIZ + 4)          /* an EtherType is padded to a register */
#define KEY_TYPE (41 << 6 | 10)         /* nft's numbers of ifname . ether_type, for its listings */

/*
 * Set, chain and direction have one name. A hit counts in its element. Links of VEs are in a group
 * each (net_group): what goes to the wire or comes from it is spared the look-up by that.
 */
static const struct {
	const char *name;
	uint32_t hook;
	int32_t priority;
	struct nf_expr rule[NF_RULE_MAX];
} ways[ACCT_WAYS] = {
	[ACCT_IN] = { "in", NF_INET_POST_ROUTING, INT32_MAX,
		      { META(NFT_META_OIFGROUP, FIRST), IS_NOT(4, 0), OUT_LINK,
			META(NFT_META_PROTOCOL, SECOND), IN_SET("in") } },
	[ACCT_OUT] = { "out", NF_INET_PRE_ROUTING, NF_IP_PRI_RAW + 10,
		       { META(NFT_META_IIFGROUP, FIRST), IS_NOT(4, 0), LINK,
			 META(NFT_META_PROTOCOL, SECOND), IN_SET("out") } },
};

static const uint16_t protocols[ACCT_FAMILIES] = { ETH_P_IP, ETH_P_IPV6 };

/*
 * What passes a bridge meets no chain of inet, so links of bridges have the same table in the
 * bridge family; its hooks have the numbers of inet's, and see packets as those do, without
 * Ethernet header.
 */
struct where {
	char table[NF_TABLE_MAX];
	uint8_t family;
};

static struct where own_table(const char *table, uint8_t family)
{
	struct where w = { .family = family };

	(void)str_fmt(w.table, sizeof(w.table), "%s-traffic", table);
	return w;
}

/* ---- the table ---- */

static void put_counter_kind(struct nlmsghdr *h, uint16_t attr)
{
	struct nlattr *expr = mnl_attr_nest_start(h, attr);

	mnl_attr_put_strz(h, NFTA_EXPR_NAME, "counter");
	mnl_attr_nest_end(h, mnl_attr_nest_start(h, NFTA_EXPR_DATA));
	mnl_attr_nest_end(h, expr);
}

static void put_set(struct nl *n, const struct where *w, unsigned way)
{
	struct nlmsghdr *h = nf_put(n, NFT_MSG_NEWSET, w->family, NLM_F_CREATE,
				    "add traffic set");

	mnl_attr_put_strz(h, NFTA_SET_TABLE, w->table);
	mnl_attr_put_strz(h, NFTA_SET_NAME, ways[way].name);
	mnl_attr_put_u32(h, NFTA_SET_ID, htonl(way + 1));
	mnl_attr_put_u32(h, NFTA_SET_KEY_TYPE, htonl(KEY_TYPE));
	mnl_attr_put_u32(h, NFTA_SET_KEY_LEN, htonl(KEY_LEN));
	put_counter_kind(h, NFTA_SET_EXPR);
}

static void put_chain(struct nl *n, const struct where *w, unsigned way)
{
	struct nlmsghdr *h = nf_put(n, NFT_MSG_NEWCHAIN, w->family, NLM_F_CREATE | NLM_F_EXCL,
				    "add traffic chain");
	struct nlattr *hook;

	mnl_attr_put_strz(h, NFTA_CHAIN_TABLE, w->table);
	mnl_attr_put_strz(h, NFTA_CHAIN_NAME, ways[way].name);
	mnl_attr_put_strz(h, NFTA_CHAIN_TYPE, "filter");
	mnl_attr_put_u32(h, NFTA_CHAIN_POLICY, htonl(NF_ACCEPT));
	hook = mnl_attr_nest_start(h, NFTA_CHAIN_HOOK);
	mnl_attr_put_u32(h, NFTA_HOOK_HOOKNUM, htonl(ways[way].hook));
	mnl_attr_put_u32(h, NFTA_HOOK_PRIORITY, htonl((uint32_t)ways[way].priority));
	mnl_attr_nest_end(h, hook);
}

static int put_table(struct nl *n, const struct where *w, struct err *e)
{
	int r = 0;
	struct nlmsghdr *h = nf_put(n, NFT_MSG_NEWTABLE, w->family, NLM_F_CREATE,
				    "add traffic table");

	mnl_attr_put_strz(h, NFTA_TABLE_NAME, w->table);
	for (unsigned way = 0; way < ACCT_WAYS && r == 0; way++) {
		put_set(n, w, way);
		put_chain(n, w, way);
		r = nf_put_rule(n, ways[way].name, w->family, w->table, ways[way].rule, e);
	}
	return r;
}

/* ---- elements ---- */

static void put_elem(struct nlmsghdr *h, const struct where *w, const char *set, const char *link,
		     uint16_t protocol)
{
	uint8_t data[KEY_LEN] = { 0 };
	struct nlattr *list, *elem, *key;
	uint16_t be = htons(protocol);

	memcpy(data, link, strnlen(link, IFNAMSIZ - 1));
	memcpy(data + IFNAMSIZ, &be, sizeof(be));
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, w->table);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, set);
	list = mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS);
	elem = mnl_attr_nest_start(h, NFTA_LIST_ELEM);
	key = mnl_attr_nest_start(h, NFTA_SET_ELEM_KEY);
	mnl_attr_put(h, NFTA_DATA_VALUE, sizeof(data), data);
	mnl_attr_nest_end(h, key);
	mnl_attr_nest_end(h, elem);
	mnl_attr_nest_end(h, list);
}

/* Adding what is there leaves it, and its counter, alone. */
static void put_link(struct nl *n, uint16_t type, const struct where *w, const char *link)
{
	for (unsigned way = 0; way < ACCT_WAYS; way++)
		for (unsigned f = 0; f < ACCT_FAMILIES; f++)
			put_elem(nf_put(n, type, w->family,
					type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0,
					"change traffic set"),
				 w, ways[way].name, link, protocols[f]);
}

static int change(const struct where *w, bool make, const char *link, bool add, struct err *e)
{
	_nl_ struct nl n = NL_INIT;
	int r = nf_begin(&n, e);

	if (r < 0)
		return r;
	if (make)
		r = put_table(&n, w, e);
	if (r < 0)
		return r;
	put_link(&n, NFT_MSG_NEWSETELEM, w, link);
	if (!add)       /* deleting what is not there would be an error */
		put_link(&n, NFT_MSG_DELSETELEM, w, link);
	return nf_commit(&n, e);
}

/* The first try is for the usual case, in which the table is there: one transaction. */
static int add(const struct where *w, const char *link, struct err *e)
{
	int r = change(w, false, link, true, e);

	for (unsigned tries = 0; tries < 2 && (r == -ENOENT || r == -EEXIST); tries++) {
		bool make = r == -ENOENT;       /* EEXIST: somebody else made it meanwhile */

		err_clear(e);
		r = change(w, make, link, true, e);
	}
	return r < 0 ? err_wrap(e, "count traffic of %s", link) : 0;
}

int acct_add(const char *table, const char *link, bool bridged, struct err *e)
{
	struct where inet = own_table(table, NFPROTO_INET), bridge = own_table(table, NFPROTO_BRIDGE);
	int r = add(&inet, link, e);

	return r == 0 && bridged ? add(&bridge, link, e) : r;
}

void acct_forget(const char *table, const char *link)
{
	static const uint8_t families[] = { NFPROTO_INET, NFPROTO_BRIDGE };

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct where w = own_table(table, families[i]);
		struct err e = ERR_INIT;

		(void)!change(&w, false, link, false, &e);
	}
}

/* ---- reading ---- */

struct one {
	uint64_t bytes, packets;
	bool found;
};

static uint64_t be64(const struct nlattr *a)
{
	return a ? be64toh(mnl_attr_get_u64(a)) : 0;
}

static int take_counter(const struct nlmsghdr *h, void *data)
{
	const struct nlattr *a, *elem, *counter;
	struct one *one = data;

	mnl_attr_for_each(a, h, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(a) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		elem = nf_find(a, NFTA_LIST_ELEM);
		counter = nf_find(nf_find(elem, NFTA_SET_ELEM_EXPR), NFTA_EXPR_DATA);
		if (!counter)
			continue;
		one->bytes = be64(nf_find(counter, NFTA_COUNTER_BYTES));
		one->packets = be64(nf_find(counter, NFTA_COUNTER_PACKETS));
		one->found = true;
	}
	return MNL_CB_OK;
}

static int read_one(struct nl *n, const struct where *w, unsigned way, unsigned family,
		    const char *link, struct traffic *ret, struct err *e)
{
	struct one one = { 0 };
	int r;

	put_elem(nf_put(n, NFT_MSG_GETSETELEM, w->family, NLM_F_ACK, "read traffic"), w,
		 ways[way].name, link, protocols[family]);
	r = nl_query(n, take_counter, &one, e);
	if (r < 0)
		return r;
	if (!one.found)
		return err_set(e, EPROTO, 0, "read traffic: the kernel gave no counter");
	ret->n[way][family].bytes += one.bytes;
	ret->n[way][family].packets += one.packets;
	return 0;
}

static int take_handle(const struct nlmsghdr *h, void *data)
{
	const struct nlattr *a;

	mnl_attr_for_each(a, h, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(a) == NFTA_TABLE_HANDLE)
			*(uint64_t *)data = be64(a);
	return MNL_CB_OK;
}

/* The kernel numbers tables in the order in which they are made. */
int acct_generation(const char *table, uint64_t *ret, struct err *e)
{
	struct where own = own_table(table, NFPROTO_INET), *w = &own;
	_nl_ struct nl n = NL_INIT;
	uint64_t handle = 0;
	int r = nl_open(&n, NETLINK_NETFILTER, e);

	if (r < 0)
		return r;
	mnl_attr_put_strz(nf_put(&n, NFT_MSG_GETTABLE, w->family, NLM_F_ACK, "find traffic table"),
			  NFTA_TABLE_NAME, w->table);
	r = nl_query(&n, take_handle, &handle, e);
	if (r == 0)
		*ret = handle;
	return r;
}

/* Of a link that is in no bridge, what it counted while it was in one stays true. */
static int read_family(struct nl *n, const struct where *w, const char *link, struct traffic *ret,
		       struct err *e)
{
	struct traffic t = *ret;
	int r = 0;

	for (unsigned way = 0; r == 0 && way < ACCT_WAYS; way++)
		for (unsigned f = 0; r == 0 && f < ACCT_FAMILIES; f++)
			r = read_one(n, w, way, f, link, &t, e);
	if (r == 0)
		*ret = t;
	return r;
}

int acct_read(const char *table, const char *link, struct traffic *ret, struct err *e)
{
	struct where inet = own_table(table, NFPROTO_INET), bridge = own_table(table, NFPROTO_BRIDGE);
	struct err ignored = ERR_INIT;
	_nl_ struct nl n = NL_INIT;
	struct traffic t = { 0 };
	int r = nl_open(&n, NETLINK_NETFILTER, e);

	if (r == 0)
		r = read_family(&n, &inet, link, &t, e);
	if (r == 0 && read_family(&n, &bridge, link, &t, &ignored) < 0 && ignored.eno != ENOENT &&
	    ignored.eno != EAFNOSUPPORT && ignored.eno != EOPNOTSUPP) {
		*e = ignored;
		r = -e->eno;
	}
	if (r == 0)
		*ret = t;
	return r;
}

void acct_remove(const char *table)
{
	nf_remove_table(own_table(table, NFPROTO_INET).table);
}
