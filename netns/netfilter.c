/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes of the sets; the tables and rules that read them are in nf-table.c. */
#include "netns/netfilter.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <net/if.h>
#include <stdbool.h>
#include <string.h>

#include "netns/addr.h"
#include "netns/nf-table.h"
#include "util/str.h"

#define CHUNK 100               /* addresses per transaction; keeps it within one message queue */

static const uint8_t families[] = { NFPROTO_INET, NFPROTO_ARP };

struct change {
	struct nl n;
	const char *table;
	char link[IFNAMSIZ];            /* NUL-padded, as the kernel's iifname register is */
	bool add;
};

static void put_elem(struct change *c, uint8_t family, uint16_t type, const char *set,
		     const void *value, size_t len)
{
	uint16_t flags = type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0;
	struct nlmsghdr *h = nf_put(&c->n, type, family, flags, "change filter set");
	struct nlattr *list, *elem, *key;
	uint8_t data[IFNAMSIZ + 16] = { 0 };

	memcpy(data, c->link, IFNAMSIZ);
	if (len)
		memcpy(data + IFNAMSIZ, value, len);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, c->table);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, set);
	list = mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS);
	elem = mnl_attr_nest_start(h, NFTA_LIST_ELEM);
	key = mnl_attr_nest_start(h, NFTA_SET_ELEM_KEY);
	mnl_attr_put(h, NFTA_DATA_VALUE, IFNAMSIZ + (len + 3) / 4 * 4, data);
	mnl_attr_nest_end(h, key);
	mnl_attr_nest_end(h, elem);
	mnl_attr_nest_end(h, list);
}

/*
 * Deleting an element that is not there would abort the transaction, and the message that
 * tolerates it exists since 6.3 only. Adding one that is there is no error, so deleting is
 * adding first, in the same transaction.
 */
static void put_key(struct change *c, uint8_t family, const char *set, const void *value,
		    size_t len)
{
	put_elem(c, family, NFT_MSG_NEWSETELEM, set, value, len);
	if (!c->add)
		put_elem(c, family, NFT_MSG_DELSETELEM, set, value, len);
}

static void put_source(struct change *c, const struct ipaddr *a)
{
	if (a->family == AF_INET6) {
		put_key(c, NFPROTO_INET, "src6", &a->v6, 16);
		return;
	}
	put_key(c, NFPROTO_INET, "src4", &a->v4, 4);
	put_key(c, NFPROTO_ARP, "src4", &a->v4, 4);
}

static void put_guard(struct change *c, const uint8_t mac[6])
{
	struct ipaddr own = addr_link_local(mac);

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		put_key(c, families[i], "links", NULL, 0);
		put_key(c, families[i], "macs", mac, 6);
	}
	put_source(c, &own);
}

static int change_init(struct change *c, const char *table, const char *link, struct err *e)
{
	c->n.sock = NULL;
	c->table = table;
	memset(c->link, 0, sizeof(c->link));
	if (!*link || strlen(link) >= sizeof(c->link))
		return err_set(e, EINVAL, 0, "change filter: bad link name \"%s\"", link);
	memcpy(c->link, link, strlen(link));
	return 0;
}

/* One transaction; mac NULL leaves the guard as it is. */
static int apply(struct change *c, const uint8_t *mac, const struct ipaddr *addrs, size_t n,
		 struct err *e)
{
	int r = nf_begin(&c->n, e);

	if (r < 0)
		return r;
	if (mac)
		put_guard(c, mac);
	for (size_t i = 0; i < n; i++)
		put_source(c, &addrs[i]);
	r = nf_commit(&c->n, e);
	nl_close(&c->n);
	return r;
}

/*
 * More addresses than a transaction holds follow in further ones. The guard is set with the
 * first addresses and lifted with the last, so a link is never open in between.
 */
static int change(struct change *c, const uint8_t *mac, const struct ipaddr *addrs, size_t n,
		  struct err *e)
{
	size_t first = n < CHUNK ? n : CHUNK;
	int r = 0;

	if (c->add)
		r = apply(c, mac, addrs, first, e);
	for (size_t i = first; i < n && r == 0; i += CHUNK)
		r = apply(c, NULL, addrs + i, n - i < CHUNK ? n - i : CHUNK, e);
	if (!c->add && r == 0)
		r = apply(c, mac, addrs, first, e);
	return r;
}

static int run(const char *table, const char *link, bool add, const uint8_t *mac,
	       const struct ipaddr *addrs, size_t n, struct err *e)
{
	struct change c;
	int r = change_init(&c, table, link, e);

	c.add = add;
	if (r == 0)
		r = change(&c, mac, addrs, n, e);
	return r < 0 ? err_wrap(e, "filter %s", link) : 0;
}

int nf_link_add(const char *table, const char *link, const uint8_t mac[6],
		const struct ipaddr *addrs, size_t n, struct err *e)
{
	return run(table, link, true, mac, addrs, n, e);
}

/*
 * In the down direction nothing can be done about an error but go on. Closing the socket after
 * a deletion waits for an RCU grace period (about 12 ms on 6.18): the kernel frees then.
 */
void nf_link_del(const char *table, const char *link, const uint8_t mac[6],
		 const struct ipaddr *addrs, size_t n)
{
	struct err e = ERR_INIT;

	(void)!run(table, link, false, mac, addrs, n, &e);
}

int nf_addr_add(const char *table, const char *link, const struct ipaddr *a, struct err *e)
{
	return run(table, link, true, NULL, a, 1, e);
}

void nf_addr_del(const char *table, const char *link, const struct ipaddr *a)
{
	struct err e = ERR_INIT;

	(void)!run(table, link, false, NULL, a, 1, &e);
}
