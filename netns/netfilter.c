/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes of the sets; the rules that read them are in nf-rules.c, their making in nf-table.c. */
#include "netns/netfilter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <string.h>

#include "netns/addr.h"
#include "netns/nf-host.h"
#include "netns/nf-table.h"
#include "netns/nl.h"
#include "util/str.h"

#define CHUNK 100               /* addresses per transaction; keeps it within one message queue */
#define VIDS 4096

struct change {
	struct nl n;
	const char *table;
	char link[IFNAMSIZ];            /* NUL-padded, as the kernel's iifname register is */
	uint8_t mac[8];                 /* padded to registers */
	const uint8_t *families;
	size_t n_families;
	bool add;
	bool no_host;                   /* sets of nf-host.c are left alone */
	bool no_quick;                  /* an older Berth made the table: it is without those sets */
	bool taken;                     /* its key leads to another network's chain */
};

/* They are in the inet table, be the link a bridge's or not. */
static bool is_of_host(enum nf_set_id set)
{
	return set >= S_GUESTS;
}

static bool has_set(uint8_t family, enum nf_set_id set)
{
	if (family == NFPROTO_ARP)
		return set == S_LINKS || set == S_MACS || set == S_SRC4 ||
		       set == S_ANY_MAC || set == S_ANY_IP || set == S_MORE4;
	return family == NFPROTO_BRIDGE || set != S_TRUNK;
}

/*
 * Deleting an element that is not there would abort the transaction, and the message that
 * tolerates it exists since 6.3 only. Adding one that is there is no error, so deleting is
 * adding first, in the same transaction.
 */
static void put(struct change *c, enum nf_set_id set, const struct nf_elem *el)
{
	bool host = is_of_host(set);

	for (size_t i = 0; i < (host ? 1 : c->n_families); i++) {
		uint8_t family = host ? NFPROTO_INET : c->families[i];

		if (host ? c->no_host : !has_set(family, set))
			continue;
		nf_put_elem(&c->n, NFT_MSG_NEWSETELEM, family, c->table, set, el);
		if (!c->add)
			nf_put_elem(&c->n, NFT_MSG_DELSETELEM, family, c->table, set, el);
	}
}

static void put_key(struct change *c, enum nf_set_id set, const void *value, size_t len)
{
	struct nf_elem el = { .key_len = (uint16_t)(IFNAMSIZ + (len + 3) / 4 * 4) };

	memcpy(el.key, c->link, IFNAMSIZ);
	if (len)
		memcpy(el.key + IFNAMSIZ, value, len);
	put(c, set, &el);
}

static struct nf_elem elem_of(const void *key, uint16_t len)
{
	struct nf_elem el = { .key_len = len };

	memcpy(el.key, key, len);
	return el;
}

/* Of the address and of the link's own MAC, whatever else may send there. */
static void put_quick(struct change *c, const struct ipaddr *a)
{
	struct nf_elem el = { .key_len = (uint16_t)(IFNAMSIZ + sizeof(c->mac) + addr_len(a)) };

	memcpy(el.key, c->link, IFNAMSIZ);
	memcpy(el.key + IFNAMSIZ, c->mac, sizeof(c->mac));
	memcpy(el.key + IFNAMSIZ + sizeof(c->mac), &a->v4, addr_len(a));
	put(c, a->family == AF_INET6 ? S_QUICK6 : S_QUICK4, &el);
}

static void put_source(struct change *c, const struct ipaddr *a)
{
	struct nf_elem el = elem_of(&a->v4, (uint16_t)addr_len(a));

	put(c, a->family == AF_INET6 ? S_VE6 : S_VE4, &el);
	put_key(c, a->family == AF_INET6 ? S_SRC6 : S_SRC4, &a->v4, addr_len(a));
	if (!c->no_quick)
		put_quick(c, a);
}

/*
 * Where what it sends to the host is judged. Adding does not replace (EBUSY, later EEXIST), so
 * what is there goes first.
 */
static void put_host(struct change *c, const struct net_spec *s)
{
	bool port = s->mode == NET_BRIDGED;
	struct nf_elem el = port ? elem_of(s->guest_mac, 6) : elem_of(c->link, IFNAMSIZ);
	enum nf_set_id set = port ? S_PORTS : S_GUESTS;
	char chain[NF_HOST_CHAIN];

	nf_host_chain(chain, s->group);
	el.chain = chain;
	if (c->taken && !c->no_host)
		nf_put_elem(&c->n, NFT_MSG_DELSETELEM, NFPROTO_INET, c->table, set, &el);
	if (c->add || !c->taken)
		put(c, set, &el);
}

/* From the first address of a network to its last. */
static void put_network(struct change *c, const struct ipaddr *a)
{
	uint16_t len = (uint16_t)(IFNAMSIZ + addr_len(a));
	struct nf_elem el = { .key_len = len, .end_len = len };

	memcpy(el.key, c->link, IFNAMSIZ);
	memcpy(el.key + IFNAMSIZ, &a->v4, addr_len(a));
	memcpy(el.end, el.key, len);
	for (unsigned i = a->prefix; i < addr_bits(a); i++)
		el.end[IFNAMSIZ + i / 8] |= (uint8_t)(0x80 >> i % 8);
	put(c, a->family == AF_INET6 ? S_MORE6 : S_MORE4, &el);
}

static void put_open(struct change *c, unsigned flags)
{
	if (flags & NET_MAC_OPEN)
		put_key(c, S_ANY_MAC, NULL, 0);
	if (flags & NET_IP_OPEN)
		put_key(c, S_ANY_IP, NULL, 0);
}

static void put_guard(struct change *c, const struct net_spec *s)
{
	struct ipaddr own = addr_link_local(s->guest_mac);

	put_key(c, S_LINKS, NULL, 0);
	put_key(c, S_MACS, s->guest_mac, 6);
	put_source(c, &own);
	put_host(c, s);
	put_open(c, s->flags);
	for (size_t i = 0; i < s->n_allowed; i++)
		put_network(c, &s->allowed[i]);
	if (s->mode == NET_HOSTONLY)
		put_key(c, S_CLOSED, NULL, 0);
	if (s->mode == NET_NAT)
		put_key(c, S_HIDDEN, NULL, 0);
	if (s->flags & NET_DOOR)
		put_key(c, S_DOORS, NULL, 0);
	if (s->mode == NET_HOSTONLY || s->mode == NET_NAT) {
		struct nf_elem same = { .key_len = 8 };

		memcpy(same.key, &s->group, 4);
		memcpy(same.key + 4, &s->group, 4);
		if (c->add)             /* of the network, not of the link: stays */
			put(c, S_SAME, &same);
	}
}

static int change_init(struct change *c, const struct net_spec *s, bool add, struct err *e)
{
	static const uint8_t routed[] = { NFPROTO_INET, NFPROTO_ARP }, bridged[] = { NFPROTO_BRIDGE };
	bool bridge = s->mode == NET_BRIDGED;
	int quick = nf_has_set(s->table, bridge ? NFPROTO_BRIDGE : NFPROTO_INET, S_QUICK6, e);

	c->n.sock = NULL;
	c->table = s->table;
	c->add = add;
	c->no_host = c->taken = false;
	c->no_quick = quick == 0;
	c->families = bridge ? bridged : routed;
	c->n_families = bridge ? ARRAY_SIZE(bridged) : ARRAY_SIZE(routed);
	memset(c->link, 0, sizeof(c->link));
	memset(c->mac, 0, sizeof(c->mac));
	memcpy(c->mac, s->guest_mac, sizeof(s->guest_mac));
	if (quick < 0)
		return quick;
	if (!*s->host_name || strlen(s->host_name) >= sizeof(c->link))
		return err_set(e, EINVAL, 0, "change filter: bad link name \"%s\"", s->host_name);
	memcpy(c->link, s->host_name, strlen(s->host_name));
	return 0;
}

/* One transaction; guard NULL leaves the guard as it is. */
static int apply(struct change *c, const struct net_spec *guard, const struct ipaddr *addrs,
		 size_t n, struct err *e)
{
	int r = nf_begin(&c->n, e);

	if (r < 0)
		return r;
	if (guard)
		put_guard(c, guard);
	for (size_t i = 0; i < n; i++)
		put_source(c, &addrs[i]);
	r = nf_commit(&c->n, e);
	nl_close(&c->n);
	return r;
}

static size_t list_trunk(const struct net_spec *s, uint16_t vids[VIDS])
{
	bool has[VIDS] = { false };
	size_t n = 0;

	for (size_t i = 0; s->mode == NET_BRIDGED && i < s->n_trunk; i++)
		for (unsigned v = s->trunk[i].first; v <= s->trunk[i].last && v < VIDS; v++)
			has[v] = true;
	for (unsigned v = 0; v < VIDS; v++)
		if (has[v])
			vids[n++] = htons((uint16_t)v);
	return n;
}

static int change_trunk(struct change *c, const struct net_spec *s, struct err *e)
{
	uint16_t vids[VIDS];
	size_t n = list_trunk(s, vids);
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i += CHUNK) {
		r = nf_begin(&c->n, e);
		for (size_t k = i; k < n && k < i + CHUNK && r == 0; k++)
			put_key(c, S_TRUNK, &vids[k], sizeof(vids[k]));
		if (r == 0)
			r = nf_commit(&c->n, e);
		nl_close(&c->n);
	}
	return r;
}

/*
 * More addresses than a transaction holds follow in further ones, and the numbers of a trunk. The
 * guard is set with the first addresses and lifted with the last, so a link is never open in between.
 */
static int change(struct change *c, const struct net_spec *s, struct err *e)
{
	size_t n = s->n_addrs, first = n < CHUNK ? n : CHUNK;
	int r = 0;

	if (c->add)
		r = apply(c, s, s->addrs, first, e);
	for (size_t i = first; i < n && r == 0; i += CHUNK)
		r = apply(c, NULL, s->addrs + i, n - i < CHUNK ? n - i : CHUNK, e);
	if (r == 0)
		r = change_trunk(c, s, e);
	if (!c->add && r == 0)
		r = apply(c, s, s->addrs, first, e);
	return r;
}

/*
 * What a killed start left, whose network was another (or is not known any more: no such chain),
 * and a link that an older Berth made, which has nothing in the sets of nf-host.c.
 */
static int change_anyhow(struct change *c, const struct net_spec *s, struct err *e)
{
	int r = change(c, s, e);

	if (r == -EBUSY || r == -EEXIST || (r == -ENOENT && !c->add)) {
		err_clear(e);
		c->taken = true;
		r = change(c, s, e);
	}
	if (r == -ENOENT && !c->add) {
		err_clear(e);
		c->no_host = true;
		r = change(c, s, e);
	}
	return r;
}

static int ensure(const struct net_spec *s, struct err *e)
{
	static const struct services none;
	bool door = s->flags & NET_DOOR, nat = s->mode == NET_NAT || door;
	int r = nf_ensure(s->table, s->mode == NET_BRIDGED ? NF_BRIDGED : NF_ROUTED, e);

	if (r == 0)
		r = nf_ensure(s->table, NF_HOST, e);
	if (r == 0)
		r = nf_host_list(s->table, s->group, s->services ? s->services : &none, e);
	if (r == 0 && (s->mode == NET_HOSTONLY || nat))
		r = nf_ensure(s->table, NF_CLOSED, e);
	if (r == 0 && nat)
		r = nf_ensure(s->table, NF_NAT, e);
	if (r == 0 && door)
		r = nf_ensure(s->table, NF_DOOR, e);
	return r;
}

int nf_link_add(const struct net_spec *s, struct err *e)
{
	struct change c;
	int r = ensure(s, e);

	if (r == 0)
		r = change_init(&c, s, true, e);
	if (r == 0)
		r = change_anyhow(&c, s, e);
	return r < 0 ? err_wrap(e, "filter %s", s->host_name) : 0;
}

/*
 * Closing the socket after a deletion waits for an RCU grace period (about 12 ms on 6.18): the
 * kernel frees then.
 */
int nf_link_del(const struct net_spec *s)
{
	struct err e = ERR_INIT;
	struct change c;
	int r = change_init(&c, s, false, &e);

	if (r == 0)
		r = change_anyhow(&c, s, &e);
	return r == -ENOENT ? 0 : r;
}

int nf_addr_add(const struct net_spec *s, const struct ipaddr *a, struct err *e)
{
	struct change c;
	int r = change_init(&c, s, true, e);

	if (r == 0)
		r = nf_ensure(s->table, NF_HOST, e);
	if (r == 0)
		r = apply(&c, NULL, a, 1, e);
	return r < 0 ? err_wrap(e, "filter %s", s->host_name) : 0;
}

void nf_addr_del(const struct net_spec *s, const struct ipaddr *a)
{
	struct err e = ERR_INIT;
	struct change c;

	if (change_init(&c, s, false, &e) == 0 && nf_ensure(s->table, NF_HOST, &e) == 0)
		(void)!apply(&c, NULL, a, 1, &e);
}

int nf_link_change(const struct net_spec *from, const struct net_spec *to, struct err *e)
{
	struct change c;
	int r = change_init(&c, to, false, e);

	if (r == 0)
		r = nf_begin(&c.n, e);
	if (r < 0)
		return r;
	put_open(&c, from->flags);
	for (size_t i = 0; i < from->n_allowed; i++)
		put_network(&c, &from->allowed[i]);
	c.add = true;
	put_open(&c, to->flags);
	for (size_t i = 0; i < to->n_allowed; i++)
		put_network(&c, &to->allowed[i]);
	r = nf_commit(&c.n, e);
	nl_close(&c.n);
	return r < 0 ? err_wrap(e, "filter %s", to->host_name) : 0;
}

/* Parts of key and value stand in 32-bit registers. */
static struct nf_elem forward_elem(const struct net_forward *f)
{
	uint16_t port = htons(f->port), to_port = htons(f->to_port);
	struct nf_elem el = { .key_len = 8, .data_len = 8 };

	el.key[0] = f->proto;
	memcpy(el.key + 4, &port, 2);
	memcpy(el.data, &f->to, 4);
	memcpy(el.data + 4, &to_port, 2);
	return el;
}

static int take_forward(const struct nlmsghdr *h, void *data)
{
	const struct nlattr *a, *v;
	struct nf_elem *now = data;

	mnl_attr_for_each(a, h, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(a) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		v = nf_find(nf_find(a, NFTA_LIST_ELEM), NFTA_SET_ELEM_DATA);
		v = nf_find(v, NFTA_DATA_VALUE);
		if (!v || mnl_attr_get_payload_len(v) != 8)
			continue;
		now->data_len = 8;
		memcpy(now->data, mnl_attr_get_payload(v), 8);
	}
	return MNL_CB_OK;
}

/* What is there is asked for: a change that died or was not saved may have left another address. */
static int put_forward(struct change *c, struct nl *ask, const struct net_forward *f, struct err *e)
{
	struct nf_elem el = forward_elem(f), now = el;
	int r;

	now.data_len = 0;
	nf_put_elem(ask, NFT_MSG_GETSETELEM, NFPROTO_INET, c->table, S_FORWARDS, &now);
	r = nl_query(ask, take_forward, &now, e);
	if (r == -ENOENT)
		err_clear(e);
	else if (r < 0)
		return r;
	if (c->add && now.data_len && memcmp(now.data, el.data, sizeof(now.data)) == 0)
		return 0;
	if (now.data_len)
		nf_put_elem(&c->n, NFT_MSG_DELSETELEM, NFPROTO_INET, c->table, S_FORWARDS, &now);
	if (c->add)
		nf_put_elem(&c->n, NFT_MSG_NEWSETELEM, NFPROTO_INET, c->table, S_FORWARDS, &el);
	return 0;
}

static bool forwards_port(const struct net_forwards *l, const struct net_forward *f)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->a[i].proto == f->proto && l->a[i].port == f->port)
			return true;
	return false;
}

static int put_forwards(struct change *c, const struct net_forwards *gone,
			const struct net_forwards *come, struct err *e)
{
	_nl_ struct nl ask = NL_INIT;
	int r = nl_open(&ask, NETLINK_NETFILTER, e);

	for (size_t i = 0; i < gone->n && r == 0; i++)
		if (!forwards_port(come, &gone->a[i]))
			r = put_forward(c, &ask, &gone->a[i], e);
	c->add = true;
	for (size_t i = 0; i < come->n && r == 0; i++)
		r = put_forward(c, &ask, &come->a[i], e);
	return r;
}

int nf_forward(const char *table, struct net_forwards gone, struct net_forwards come,
	       struct err *e)
{
	struct change c = { .table = table };
	int r;

	if (!gone.n && !come.n)
		return 0;
	r = nf_begin(&c.n, e);
	if (r == 0)
		r = put_forwards(&c, &gone, &come, e);
	if (r == 0)
		r = nf_commit(&c.n, e);
	nl_close(&c.n);
	if (r == -ENOENT) {             /* no nat link yet: the first brings its network's */
		err_clear(e);
		return 0;
	}
	return r < 0 ? err_wrap(e, "forward ports") : 0;
}

int nf_serve(const char *table, uint32_t group, const struct services *to, struct err *e)
{
	int r = nf_is_there(table, NF_HOST, e);

	return r <= 0 ? r : nf_host_list(table, group, to, e);
}
