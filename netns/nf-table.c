/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes and removes what nf-rules.c describes. A part is one transaction: it is there with all
 * its sets, chains and rules, or not at all.
 */
#include "netns/nf-table.h"
#include "netns/netfilter.h"

#include <errno.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <linux/netfilter/nfnetlink.h>
#include <netinet/in.h>

#include "netns/nf-expr.h"
#include "netns/nf-rules.h"
#include "util/cleanup.h"
#include "util/str.h"

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

#define ASKED_MAX 65536         /* UDP ports of the host, by VE it has sent to */

static void put_value(struct nlmsghdr *h, uint16_t type, const void *value, uint16_t len)
{
	struct nlattr *nest = mnl_attr_nest_start(h, type);

	mnl_attr_put(h, NFTA_DATA_VALUE, len, value);
	mnl_attr_nest_end(h, nest);
}

static void put_jump(struct nlmsghdr *h, const char *chain)
{
	struct nlattr *nest = mnl_attr_nest_start(h, NFTA_SET_ELEM_DATA);
	struct nlattr *verdict = mnl_attr_nest_start(h, NFTA_DATA_VERDICT);

	mnl_attr_put_u32(h, NFTA_VERDICT_CODE, htonl((uint32_t)NFT_JUMP));
	mnl_attr_put_strz(h, NFTA_VERDICT_CHAIN, chain);
	mnl_attr_nest_end(h, verdict);
	mnl_attr_nest_end(h, nest);
}

void nf_put_elem(struct nl *n, uint16_t type, uint8_t family, const char *table,
		 enum nf_set_id set, const struct nf_elem *el)
{
	uint16_t flags = type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE :
			 type == NFT_MSG_GETSETELEM ? NLM_F_ACK : 0;
	struct nlmsghdr *h = nf_put(n, type, family, flags, "change filter set");
	struct nlattr *list, *elem;

	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, table);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, nf_sets[set].name);
	list = mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS);
	elem = mnl_attr_nest_start(h, NFTA_LIST_ELEM);
	put_value(h, NFTA_SET_ELEM_KEY, el->key, el->key_len);
	if (el->end_len)
		put_value(h, NFTA_SET_ELEM_KEY_END, el->end, el->end_len);
	if (el->data_len)
		put_value(h, NFTA_SET_ELEM_DATA, el->data, el->data_len);
	if (el->chain)
		put_jump(h, el->chain);
	mnl_attr_nest_end(h, elem);
	mnl_attr_nest_end(h, list);
}

static int oom(struct err *e)
{
	return err_set(e, ENOMEM, 0, "build filter: out of memory");
}

static void free_rule(struct nftnl_rule **r)
{
	if (*r)
		nftnl_rule_free(*r);
}

int nf_put_rule(struct nl *n, const char *chain, uint8_t family, const char *table,
		const struct nf_expr *x, struct err *e)
{
	_cleanup_(free_rule) struct nftnl_rule *rule = nftnl_rule_alloc();

	if (!rule)
		return oom(e);
	nftnl_rule_set_u32(rule, NFTNL_RULE_FAMILY, family);
	(void)nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, table);
	(void)nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, chain);
	for (size_t i = 0; i < NF_RULE_MAX && x[i].kind != X_END; i++) {
		struct nftnl_expr *p = nf_expr_make(&x[i]);

		if (!p)
			return oom(e);
		nftnl_rule_add_expr(rule, p);
	}
	nftnl_rule_nlmsg_build_payload(nf_put(n, NFT_MSG_NEWRULE, family,
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

static void set_describe(struct nftnl_set *s, const struct nf_set *d)
{
	static const uint32_t interval = NFT_SET_INTERVAL | NFT_SET_CONCAT;

	(void)nftnl_set_set_str(s, NFTNL_SET_NAME, d->name);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, d->type);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, d->len);
	if (d->fields[0]) {
		uint8_t fields[] = { (uint8_t)d->fields[0], (uint8_t)d->fields[1] };

		nftnl_set_set_u32(s, NFTNL_SET_FLAGS, interval);
		(void)nftnl_set_set_data(s, NFTNL_SET_DESC_CONCAT, fields, sizeof(fields));
	}
	if (d->data_len) {
		nftnl_set_set_u32(s, NFTNL_SET_FLAGS, NFT_SET_MAP);
		nftnl_set_set_u32(s, NFTNL_SET_DATA_TYPE, d->data_type);
		nftnl_set_set_u32(s, NFTNL_SET_DATA_LEN, d->data_len);
	}
	if (d->len == IFNAMSIZ)
		(void)nftnl_set_set_data(s, NFTNL_SET_USERDATA, host_order, sizeof(host_order));
}

static int put_set(struct nl *n, uint8_t family, const char *table, enum nf_set_id id,
		   struct err *e)
{
	_cleanup_(free_set) struct nftnl_set *s = nftnl_set_alloc();

	if (!s)
		return oom(e);
	(void)nftnl_set_set_str(s, NFTNL_SET_TABLE, table);
	nftnl_set_set_u32(s, NFTNL_SET_FAMILY, family);
	nftnl_set_set_u32(s, NFTNL_SET_ID, (uint32_t)id + 1);
	set_describe(s, &nf_sets[id]);
	/* Of a set that rules could add to (NFT_SET_EVAL) a count of nothing is collected as garbage. */
	if (id >= S_FLOWS && id <= S_MAIL)
		nftnl_set_set_u32(s, NFTNL_SET_FLAGS, NFT_SET_EXPR);
	if (id == S_ASKED4 || id == S_ASKED6) {
		nftnl_set_set_u32(s, NFTNL_SET_FLAGS, NFT_SET_EVAL | NFT_SET_TIMEOUT);
		nftnl_set_set_u32(s, NFTNL_SET_DESC_SIZE, ASKED_MAX);
	}
	nftnl_set_nlmsg_build_payload(nf_put(n, NFT_MSG_NEWSET, family, NLM_F_CREATE,
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

void nf_put_chain(struct nl *n, const struct nf_chain *c, uint8_t family, const char *table,
		  uint16_t flags)
{
	struct nlmsghdr *h = nf_put(n, NFT_MSG_NEWCHAIN, family, flags, "add filter chain");
	struct nlattr *hook;

	mnl_attr_put_strz(h, NFTA_CHAIN_TABLE, table);
	mnl_attr_put_strz(h, NFTA_CHAIN_NAME, c->name);
	if (!c->type)
		return;
	mnl_attr_put_strz(h, NFTA_CHAIN_TYPE, c->type);
	mnl_attr_put_u32(h, NFTA_CHAIN_POLICY, htonl(NF_ACCEPT));
	hook = mnl_attr_nest_start(h, NFTA_CHAIN_HOOK);
	mnl_attr_put_u32(h, NFTA_HOOK_HOOKNUM, htonl(c->hook));
	mnl_attr_put_u32(h, NFTA_HOOK_PRIORITY, htonl((uint32_t)c->priority));
	mnl_attr_nest_end(h, hook);
}

/* The last chain is made in the same transaction as all before it: it stands for all. */
int nf_is_there(const char *table, enum nf_part_id id, struct err *e)
{
	const struct nf_part *part = &nf_parts[id];
	const struct nf_family *f = &part->families[part->n_families - 1];
	_nl_ struct nl n = NL_INIT;
	struct nlmsghdr *h;
	int r = nl_open(&n, NETLINK_NETFILTER, e);

	if (r < 0)
		return r;
	h = nf_put(&n, NFT_MSG_GETCHAIN, f->family, NLM_F_ACK, "find filter chain");
	mnl_attr_put_strz(h, NFTA_CHAIN_TABLE, table);
	mnl_attr_put_strz(h, NFTA_CHAIN_NAME, f->chains[f->n_chains - 1].name);
	r = nl_done(&n, e);
	if (r == -ENOENT) {
		err_clear(e);
		return 0;
	}
	return r < 0 ? r : 1;
}

int nf_has_set(const char *table, uint8_t family, enum nf_set_id set, struct err *e)
{
	_nl_ struct nl n = NL_INIT;
	struct nlmsghdr *h;
	int r = nl_open(&n, NETLINK_NETFILTER, e);

	if (r < 0)
		return r;
	h = nf_put(&n, NFT_MSG_GETSET, family, NLM_F_ACK, "find filter set");
	mnl_attr_put_strz(h, NFTA_SET_TABLE, table);
	mnl_attr_put_strz(h, NFTA_SET_NAME, nf_sets[set].name);
	r = nl_done(&n, e);
	if (r == -ENOENT) {
		err_clear(e);
		return 0;
	}
	return r < 0 ? r : 1;
}

/*
 * NLM_F_EXCL on the chain makes the loser of a race fail as a whole: rules have no name, and a
 * second set of them would be appended.
 */
static int put_family(struct nl *n, const struct nf_family *f, const char *table, struct err *e)
{
	int r = 0;

	put_table(n, NFT_MSG_NEWTABLE, f->family, table);
	for (size_t i = 0; i < f->n_sets && r == 0; i++)
		r = put_set(n, f->family, table, f->sets[i], e);
	for (size_t i = 0; i < f->n_chains && r == 0; i++) {
		const struct nf_chain *c = &f->chains[i];

		nf_put_chain(n, c, f->family, table, NLM_F_CREATE | NLM_F_EXCL);
		for (size_t k = 0; k < c->n_rules && r == 0; k++)
			r = nf_put_rule(n, c->name, f->family, table, c->rules[k], e);
	}
	return r;
}

int nf_ensure(const char *table, enum nf_part_id part, struct err *e)
{
	const struct nf_part *p = &nf_parts[part];
	_nl_ struct nl n = NL_INIT;
	int r = nf_is_there(table, part, e);

	if (r != 0)
		return r < 0 ? r : 0;
	r = nf_begin(&n, e);
	for (size_t i = 0; i < p->n_families && r == 0; i++)
		r = put_family(&n, &p->families[i], table, e);
	if (r < 0)
		return r;
	r = nf_commit(&n, e);
	if (r == -EEXIST) {             /* somebody else made it meanwhile */
		err_clear(e);
		r = 0;
	}
	return r < 0 ? err_wrap(e, "make filter table %s", table) : 0;
}

static bool has_table(const char *table, uint8_t family)
{
	_nl_ struct nl n = NL_INIT;
	struct err ignored = ERR_INIT;
	struct nlmsghdr *h;

	if (nl_open(&n, NETLINK_NETFILTER, &ignored) < 0)
		return true;
	h = nf_put(&n, NFT_MSG_GETTABLE, family, NLM_F_ACK, "find filter table");
	mnl_attr_put_strz(h, NFTA_TABLE_NAME, table);
	return nl_done(&n, &ignored) != -ENOENT;
}

/* A question costs microseconds, a transaction some 10 ms whether it finds the table or not (6.18). */
void nf_remove_table(const char *table)
{
	static const uint8_t families[] = { NFPROTO_INET, NFPROTO_ARP, NFPROTO_BRIDGE };

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		_nl_ struct nl n = NL_INIT;
		struct err e = ERR_INIT;

		if (!has_table(table, families[i]))
			continue;
		if (nf_begin(&n, &e) < 0)
			return;
		put_table(&n, NFT_MSG_DELTABLE, families[i], table);
		(void)!nf_commit(&n, &e);       /* somebody else may have removed it meanwhile */
	}
}

const struct nlattr *nf_find(const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *a;

	if (nest)
		mnl_attr_for_each_nested(a, nest)
			if (mnl_attr_get_type(a) == type)
				return a;
	return NULL;
}

/* Of an empty set comes a list of no elements. */
static int found(const struct nlmsghdr *h, void *data)
{
	const struct nlattr *a;

	if (h->nlmsg_type == NLMSG_DONE)
		return MNL_CB_OK;
	mnl_attr_for_each(a, h, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(a) == NFTA_SET_ELEM_LIST_ELEMENTS &&
		    mnl_attr_get_payload_len(a))
			*(bool *)data = true;
	return MNL_CB_OK;
}

bool nf_any_element(const char *table, uint8_t family, const char *set)
{
	_nl_ struct nl n = NL_INIT;
	struct err ignored = ERR_INIT;
	struct nlmsghdr *h;
	bool any = false;

	if (nl_open(&n, NETLINK_NETFILTER, &ignored) < 0)
		return true;
	h = nf_put(&n, NFT_MSG_GETSETELEM, family, NLM_F_DUMP, "read filter set");
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, table);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, set);
	(void)!nl_query(&n, found, &any, &ignored);
	return any;
}

static int found_instance(const struct nlmsghdr *h, void *data)
{
	const struct nlattr *a;

	if (h->nlmsg_type == NLMSG_DONE)
		return MNL_CB_OK;
	mnl_attr_for_each(a, h, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(a) == NFTA_TABLE_NAME &&
		    (str_eq(mnl_attr_get_str(a), "berth") ||
		     str_starts(mnl_attr_get_str(a), "berth-")))
			*(bool *)data = true;
	return MNL_CB_OK;
}

bool nf_any_instance(void)
{
	_nl_ struct nl n = NL_INIT;
	struct err ignored = ERR_INIT;
	bool any = false;

	if (nl_open(&n, NETLINK_NETFILTER, &ignored) < 0)
		return true;
	(void)nf_put(&n, NFT_MSG_GETTABLE, NFPROTO_ARP, NLM_F_DUMP, "list filter tables");
	(void)!nl_query(&n, found_instance, &any, &ignored);
	return any;
}
