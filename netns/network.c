/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Order. Up: filter, pair (down), host end, routes, proxy entries, guest end: no packet of the
 * VE can arrive before the filter knows the link. Down: pair, proxy entries, filter.
 *
 * The host answers ARP for 169.254.0.1 from lo as long as net.ipv4.conf.all.arp_ignore is 0,
 * the kernel's default; an administrator who changed it has to give the gateway to each link.
 */
#include "netns/network.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>

#include "netns/account.h"
#include "netns/addr.h"
#include "netns/link.h"
#include "netns/netfilter.h"
#include "netns/nl.h"
#include "netns/route.h"
#include "util/exits.h"

#define LO_INDEX 1      /* in every network namespace */

void net_host_name(char dst[IFNAMSIZ], const char *tag, uint32_t veid, unsigned index)
{
	const char *dot = *tag ? "." : "";
	int n;

	if (!*tag)
		tag = "veth";
	n = snprintf(dst, IFNAMSIZ, "%.4s%s%u.%u", tag, dot, veid, index);
	if (n >= IFNAMSIZ)
		(void)snprintf(dst, IFNAMSIZ, "%.4sx%x.%x", tag, veid, index & 15);
}

/* FNV-1a, 64 bits. */
static uint64_t hash(uint64_t h, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len--)
		h = (h ^ *p++) * UINT64_C(0x100000001b3);
	return h;
}

/*
 * Both are locally administered unicast. The host end's starts with fe, so that a bridge it is
 * ever put in keeps its own, lower address.
 */
void net_macs(const char *tag, uint32_t veid, unsigned index, uint8_t host[6], uint8_t guest[6])
{
	uint64_t h = hash(UINT64_C(0xcbf29ce484222325), tag, strlen(tag));

	h = hash(h, &veid, sizeof(veid));
	h = hash(h, &index, sizeof(index));
	h ^= h >> 32;
	host[0] = 0xfe;
	guest[0] = 0x02;
	for (int i = 1; i < 6; i++, h >>= 8)
		host[i] = guest[i] = (uint8_t)h;
}

struct ipaddr net_gateway6(const uint8_t host_mac[6])
{
	return addr_link_local(host_mac);
}

/* First address of the family other than skip (NULL: none to skip). */
static const struct ipaddr *first_of(const struct net_spec *s, uint8_t family,
				     const struct ipaddr *skip)
{
	for (size_t i = 0; i < s->n_addrs; i++)
		if (s->addrs[i].family == family && !(skip && ip_same_host(&s->addrs[i], skip)))
			return &s->addrs[i];
	return NULL;
}

static int make_pair(struct nl *n, const struct net_spec *s, int netns, struct err *e)
{
	int r;

	link_put_veth(n, s, netns);
	r = nl_done(n, e);
	if (r != -EEXIST)
		return r;
	err_clear(e);           /* of an earlier run whose namespace has not gone yet */
	link_put_del(n, s->host_name);
	link_put_veth(n, s, netns);
	return nl_done(n, e);
}

/* ---- inside the VE ---- */

/* Default route of the family with this source address. */
static void put_guest_routes(struct nl *n, const struct net_spec *s, unsigned index,
			     const struct ipaddr *src)
{
	struct ipaddr gw = src->family == AF_INET ? addr_gateway4() : net_gateway6(s->host_mac);

	if (src->family == AF_INET)
		route_put_gateway(n, index, &gw);
	else
		addr_put_link_local(n, index, s->guest_mac);
	route_put_default(n, index, &gw, src);
}

static int open_guest(struct nl *n, const struct net_spec *s, int netns, unsigned *ret,
		      struct err *e)
{
	int r = nl_open_in(n, NETLINK_ROUTE, netns, e);

	return r < 0 ? r : link_index(n, s->guest_name, ret, e);
}

static int guest_up(const struct net_spec *s, int netns, struct err *e)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	_nl_ struct nl n = NL_INIT;
	unsigned index;
	int r = open_guest(&n, s, netns, &index, e);

	if (r < 0)
		return r;
	link_put_up(&n, "lo");
	link_put_no_autoaddr(&n, s->guest_name);
	link_put_up(&n, s->guest_name);
	for (size_t i = 0; i < s->n_addrs; i++)
		addr_put(&n, index, &s->addrs[i]);
	for (size_t i = 0; i < sizeof(families); i++) {
		const struct ipaddr *src = first_of(s, families[i], NULL);

		if (src)
			put_guest_routes(&n, s, index, src);
	}
	return nl_done(&n, e);
}

static int guest_addr_add(const struct net_spec *s, int netns, const struct ipaddr *a,
			  struct err *e)
{
	const struct ipaddr *src = first_of(s, a->family, NULL);
	_nl_ struct nl n = NL_INIT;
	unsigned index;
	int r = open_guest(&n, s, netns, &index, e);

	if (r < 0)
		return r;
	addr_put(&n, index, a);
	put_guest_routes(&n, s, index, src ? src : a);
	return nl_done(&n, e);
}

/* The kernel removes routes whose preferred source goes, so the next address takes over. */
static int guest_addr_del(const struct net_spec *s, int netns, const struct ipaddr *a,
			  struct err *e)
{
	const struct ipaddr *src = first_of(s, a->family, a);
	struct ipaddr gw = net_gateway6(s->host_mac);
	_nl_ struct nl n = NL_INIT;
	unsigned index;
	int r = open_guest(&n, s, netns, &index, e);

	if (r < 0)
		return r;
	addr_put_del(&n, index, a);
	if (src)
		put_guest_routes(&n, s, index, src);
	else if (a->family == AF_INET6)
		route_put_default_del(&n, index, &gw);
	return nl_done(&n, e);
}

/* ---- on the host ---- */

/* The gateway's address on lo and lo itself, unless they are there. */
static int gateway_up(struct nl *n, struct err *e)
{
	struct ipaddr gw = addr_gateway4();
	struct route_hit hit;
	int r = route_lookup(n, &gw, &hit, e);

	if (r < 0 || hit.local)
		return r;
	link_put_up(n, "lo");
	addr_put_link_scope(n, LO_INDEX, &gw);
	return nl_done(n, e);
}

/* The IPv6 gateway is the host end itself. */
static int host_gateway(struct nl *n, const struct net_spec *s, unsigned index, uint8_t family,
			struct err *e)
{
	if (family == AF_INET)
		return gateway_up(n, e);
	link_sysctl6_routed(s->host_name);
	addr_put_link_local(n, index, s->host_mac);
	return nl_done(n, e);
}

/*
 * The uplink answers for the address after up to 0.8 s (its own proxy_delay) the first time; that
 * setting is the administrator's and is left alone.
 *
 * Route to the address, and answer for it where this host would have looked for it before:
 * on the link of its subnet, or of the default route. That look-up also tells of an address
 * that is the host's own or another link's.
 */
static int host_addr_add(struct nl *n, unsigned index, const struct ipaddr *a, struct err *e)
{
	char text[IPADDR_STRLEN], uplink[IFNAMSIZ];
	struct route_hit hit;
	int r = route_lookup(n, a, &hit, e);

	if (r < 0)
		return r;
	format_ip_host(a, text);
	if (hit.local)
		return err_set(e, EADDRINUSE, VZ_IP_IN_USE, "add %s: address of this host", text);
	if (hit.exact && hit.oif == index)
		return 0;
	if (hit.exact)
		return err_set(e, EADDRINUSE, VZ_IP_IN_USE, "add %s: routed to another link", text);
	route_put_host(n, index, a);
	if (hit.oif > LO_INDEX && if_indextoname(hit.oif, uplink)) {
		if (a->family == AF_INET6)
			link_sysctl6_proxy(uplink);     /* proxy entries need it (ip-sysctl.rst) */
		route_put_proxy(n, hit.oif, a);
	}
	r = nl_done(n, e);
	return r < 0 ? err_wrap(e, "add %s", text) : 0;
}

/* With its route gone, the address is looked for where it was before. */
static void host_proxy_del(struct nl *n, const struct ipaddr *a)
{
	struct err e = ERR_INIT;
	struct route_hit hit;

	if (route_lookup(n, a, &hit, &e) < 0 || hit.local || hit.exact || hit.oif <= LO_INDEX)
		return;
	route_put_proxy_del(n, hit.oif, a);
	(void)!nl_done(n, &e);
}

static int host_up(struct nl *n, const struct net_spec *s, struct err *e)
{
	unsigned index;
	int r = link_index(n, s->host_name, &index, e);

	if (r < 0)
		return r;
	link_put_routed(n, s->host_name);
	link_put_no_autoaddr(n, s->host_name);
	link_put_up(n, s->host_name);
	r = nl_done(n, e);
	if (r == 0 && first_of(s, AF_INET, NULL))
		r = host_gateway(n, s, index, AF_INET, e);
	if (r == 0 && first_of(s, AF_INET6, NULL))
		r = host_gateway(n, s, index, AF_INET6, e);
	for (size_t i = 0; i < s->n_addrs && r == 0; i++)
		r = host_addr_add(n, index, &s->addrs[i], e);
	return r;
}

/*
 * The end that is set up first sends nothing until the kernel's link watch has noticed its
 * carrier: the first answer to ARP would be lost and cost the VE a second. That is why the
 * guest end comes last; for the host end, asking for the link makes the kernel catch up
 * (measured on 6.18: without it a quarter of first packets sent at once were lost, with it
 * none). A kernel that does not catch up here does so by itself a moment later.
 */
static int settle(struct nl *n, const struct net_spec *s, struct err *e)
{
	unsigned index;

	return link_index(n, s->host_name, &index, e);
}

static int up(const struct net_spec *s, int netns, struct err *e)
{
	_nl_ struct nl n = NL_INIT;
	int r = nf_ensure(s->table, e);

	if (r == 0)
		r = nf_link_add(s->table, s->host_name, s->guest_mac, s->addrs, s->n_addrs, e);
	if (r == 0)
		r = acct_add(s->table, s->host_name, e);
	if (r == 0)
		r = nl_open(&n, NETLINK_ROUTE, e);
	if (r == 0)
		r = make_pair(&n, s, netns, e);
	if (r == 0 && (s->shape.in || s->shape.out))
		r = shape_set(s->host_name, &s->shape, e);
	if (r == 0)
		r = host_up(&n, s, e);
	if (r == 0)
		r = guest_up(s, netns, e);
	return r < 0 ? r : settle(&n, s, e);
}

int net_up(const struct net_spec *s, int netns, struct err *e)
{
	if (up(s, netns, e) == 0)
		return 0;
	net_down(s);
	(void)err_exit(e, VZ_VETH);
	return err_wrap(e, "link %s", s->host_name);
}

void net_down(const struct net_spec *s)
{
	_nl_ struct nl n = NL_INIT;
	struct err e = ERR_INIT;

	if (nl_open(&n, NETLINK_ROUTE, &e) == 0) {
		link_put_del(&n, s->host_name);
		(void)!nl_done(&n, &e);
		for (size_t i = 0; i < s->n_addrs; i++)
			host_proxy_del(&n, &s->addrs[i]);
	}
	shape_forget(s->host_name);
	nf_link_del(s->table, s->host_name, s->guest_mac, s->addrs, s->n_addrs);
}

/* Host side of a new address. */
static int host_addr_up(const struct net_spec *s, const struct ipaddr *a, struct err *e)
{
	_nl_ struct nl n = NL_INIT;
	unsigned index;
	int r = nl_open(&n, NETLINK_ROUTE, e);

	if (r == 0)
		r = link_index(&n, s->host_name, &index, e);
	if (r == 0)
		r = host_gateway(&n, s, index, a->family, e);
	return r < 0 ? r : host_addr_add(&n, index, a, e);
}

static int host_addr_down(const struct net_spec *s, const struct ipaddr *a, struct err *e)
{
	_nl_ struct nl n = NL_INIT;
	unsigned index;
	int r = nl_open(&n, NETLINK_ROUTE, e);

	if (r == 0)
		r = link_index(&n, s->host_name, &index, e);
	if (r < 0)
		return r;
	route_put_host_del(&n, index, a);
	r = nl_done(&n, e);
	host_proxy_del(&n, a);
	return r;
}

int net_addr_add(const struct net_spec *s, int netns, const struct ipaddr *a, struct err *e)
{
	struct err undo = ERR_INIT;
	int r = host_addr_up(s, a, e);

	if (r == -EADDRINUSE)           /* nothing done yet, and nothing of it is ours */
		return err_wrap(e, "link %s", s->host_name);
	if (r == 0)
		r = nf_addr_add(s->table, s->host_name, a, e);
	if (r == 0)
		r = guest_addr_add(s, netns, a, e);
	if (r == 0)
		return 0;
	(void)!net_addr_del(s, netns, a, &undo);
	(void)err_exit(e, VZ_ADD_IP);
	return err_wrap(e, "link %s", s->host_name);
}

/* Both sides are tried whatever happens; the first failure is the one reported. */
int net_addr_del(const struct net_spec *s, int netns, const struct ipaddr *a, struct err *e)
{
	struct err second = ERR_INIT;
	int r = guest_addr_del(s, netns, a, e);
	int r2 = host_addr_down(s, a, r < 0 ? &second : e);

	nf_addr_del(s->table, s->host_name, a);
	if (r == 0 && r2 == 0)
		return 0;
	(void)err_exit(e, VZ_ADD_IP);
	return err_wrap(e, "link %s", s->host_name);
}

bool net_is_host_addr(const struct ipaddr *a)
{
	_nl_ struct nl n = NL_INIT;
	struct err e = ERR_INIT;
	struct route_hit hit;

	return nl_open(&n, NETLINK_ROUTE, &e) == 0 && route_lookup(&n, a, &hit, &e) == 0 &&
	       hit.local;
}

int net_read_counters(const char *host_name, struct net_counters *ret)
{
	_nl_ struct nl n = NL_INIT;
	struct err e = ERR_INIT;
	int r = nl_open(&n, NETLINK_ROUTE, &e);

	return r < 0 ? r : link_counters(&n, host_name, ret, &e);
}
