/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An element with an expression of its own (nftables, since 5.7) is met only while that matches:
 * a limit that is exceeded (NFT_LIMIT_F_INV, NFT_CONNLIMIT_F_INV). The kernel cannot change it
 * in place, so a new value is a new element, which has counted nothing yet.
 */
#include "netns/caps.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "netns/netfilter.h"
#include "netns/nf-rules.h"
#include "netns/nf-table.h"
#include "netns/nl.h"
#include "util/str.h"

/* seconds 0: how many at a time. */
static const struct {
	enum nf_set_id set;
	uint64_t seconds;
} rows[CAPS] = {
	[CAP_FLOWS] = { S_FLOWS, 1 },
	[CAP_ENTRIES] = { S_ENTRIES, 0 },
	[CAP_MAIL] = { S_MAIL, 60 },
};

static void own_table(char dst[NF_TABLE_MAX], const char *table)
{
	(void)str_fmt(dst, NF_TABLE_MAX, "%s-caps", table);
}

static struct nlattr *elem_start(struct nlmsghdr *h, const char *table, enum cap cap,
				 const char *link, struct nlattr **ret_list)
{
	char name[IFNAMSIZ] = "";
	struct nlattr *elem, *key;

	memcpy(name, link, strnlen(link, IFNAMSIZ - 1));
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, table);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, nf_sets[rows[cap].set].name);
	*ret_list = mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS);
	elem = mnl_attr_nest_start(h, NFTA_LIST_ELEM);
	key = mnl_attr_nest_start(h, NFTA_SET_ELEM_KEY);
	mnl_attr_put(h, NFTA_DATA_VALUE, sizeof(name), name);
	mnl_attr_nest_end(h, key);
	return elem;
}

/* As much as a period allows may come at once. */
static void put_limit(struct nlmsghdr *h, uint64_t seconds, uint64_t n)
{
	mnl_attr_put_u64(h, NFTA_LIMIT_RATE, htobe64(n));
	mnl_attr_put_u64(h, NFTA_LIMIT_UNIT, htobe64(seconds));
	mnl_attr_put_u32(h, NFTA_LIMIT_BURST, htonl((uint32_t)n));
	mnl_attr_put_u32(h, NFTA_LIMIT_TYPE, htonl(NFT_LIMIT_PKTS));
	mnl_attr_put_u32(h, NFTA_LIMIT_FLAGS, htonl(NFT_LIMIT_F_INV));
}

static void put_count(struct nlmsghdr *h, uint64_t n)
{
	mnl_attr_put_u32(h, NFTA_CONNLIMIT_COUNT, htonl((uint32_t)n));
	mnl_attr_put_u32(h, NFTA_CONNLIMIT_FLAGS, htonl(NFT_CONNLIMIT_F_INV));
}

/* Queue an NFT_MSG_*SETELEM; with n it has the limit. */
static void put(struct nl *nl, uint16_t type, const char *table, enum cap cap, const char *link,
		uint64_t n)
{
	uint16_t flags = type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE :
			 type == NFT_MSG_GETSETELEM ? NLM_F_ACK : 0;
	struct nlmsghdr *h = nf_put(nl, type, NFPROTO_INET, flags, "change caps");
	struct nlattr *list, *elem = elem_start(h, table, cap, link, &list), *expr, *data;

	if (n) {
		expr = mnl_attr_nest_start(h, NFTA_SET_ELEM_EXPR);
		mnl_attr_put_strz(h, NFTA_EXPR_NAME, rows[cap].seconds ? "limit" : "connlimit");
		data = mnl_attr_nest_start(h, NFTA_EXPR_DATA);
		if (rows[cap].seconds)
			put_limit(h, rows[cap].seconds, n);
		else
			put_count(h, n);
		mnl_attr_nest_end(h, data);
		mnl_attr_nest_end(h, expr);
	}
	mnl_attr_nest_end(h, elem);
	mnl_attr_nest_end(h, list);
}

/* ---- what is there ---- */

/* A limit's rate is its first attribute, as a count's is: of 8 bytes and of 4. */
static int take_value(const struct nlmsghdr *h, void *data)
{
	const struct nlattr *a, *value;

	mnl_attr_for_each(a, h, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(a) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		value = nf_find(a, NFTA_LIST_ELEM);
		value = nf_find(nf_find(value, NFTA_SET_ELEM_EXPR), NFTA_EXPR_DATA);
		value = nf_find(value, NFTA_LIMIT_RATE);
		if (value && mnl_attr_get_payload_len(value) == sizeof(uint64_t))
			*(uint64_t *)data = be64toh(mnl_attr_get_u64(value));
		else if (value && mnl_attr_get_payload_len(value) == sizeof(uint32_t))
			*(uint64_t *)data = ntohl(mnl_attr_get_u32(value));
	}
	return MNL_CB_OK;
}

static int read_caps(struct nl *nl, const char *own, const char *link, struct caps *ret,
		     struct err *e)
{
	struct caps c = { { 0 } };

	for (enum cap cap = 0; cap < CAPS; cap++) {
		int r;

		put(nl, NFT_MSG_GETSETELEM, own, cap, link, 0);
		r = nl_query(nl, take_value, &c.n[cap], e);
		if (r == -ENOENT)
			err_clear(e);
		else if (r < 0)
			return r;
	}
	*ret = c;
	return 0;
}

int caps_get(const char *table, const char *link, struct caps *ret, struct err *e)
{
	_nl_ struct nl nl = NL_INIT;
	char own[NF_TABLE_MAX];
	int r = nl_open(&nl, NETLINK_NETFILTER, e);

	own_table(own, table);
	return r < 0 ? r : read_caps(&nl, own, link, ret, e);
}

/* ---- changes ---- */

bool caps_any(const struct caps *c)
{
	static const struct caps none;

	return memcmp(c, &none, sizeof(none)) != 0;
}

static int change(const char *own, const char *link, const struct caps *from,
		  const struct caps *to, struct err *e)
{
	_nl_ struct nl nl = NL_INIT;
	int r = nf_begin(&nl, e);

	if (r < 0)
		return r;
	for (enum cap cap = 0; cap < CAPS; cap++) {
		if (from->n[cap] == to->n[cap])
			continue;
		if (from->n[cap])
			put(&nl, NFT_MSG_DELSETELEM, own, cap, link, 0);
		if (to->n[cap])
			put(&nl, NFT_MSG_NEWSETELEM, own, cap, link, to->n[cap]);
	}
	return nf_commit(&nl, e);
}

int caps_set(const char *table, const char *link, const struct caps *c, struct err *e)
{
	struct caps now;
	char own[NF_TABLE_MAX];
	int r = caps_get(table, link, &now, e);

	own_table(own, table);
	if (r == 0 && memcmp(&now, c, sizeof(now)) == 0)
		return 0;
	if (r == 0 && caps_any(c))
		r = nf_ensure(own, NF_CAPS, e);
	if (r == 0)
		r = change(own, link, &now, c, e);
	return r < 0 ? err_wrap(e, "caps of %s", link) : 0;
}

void caps_forget(const char *table, const char *link)
{
	static const struct caps none;
	struct err ignored = ERR_INIT;

	(void)!caps_set(table, link, &none, &ignored);
}

void caps_remove(const char *table)
{
	char own[NF_TABLE_MAX];

	own_table(own, table);
	nf_remove_table(own);
}
