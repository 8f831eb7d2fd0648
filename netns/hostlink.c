/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host answers ARP for 169.254.0.1 from lo as long as net.ipv4.conf.all.arp_ignore is 0,
 * the kernel's default; an administrator who changed it has to give the gateway to each link.
 */
#include "netns/hostlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "netns/addr.h"
#include "netns/guestlink.h"
#include "netns/link.h"
#include "netns/route.h"
#include "util/exits.h"

#define LO_INDEX 1      /* in every network namespace */

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
static int host_addr_add(struct nl *n, const struct net_spec *s, unsigned index,
			 const struct ipaddr *a, struct err *e)
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
	if (s->mode == NET_ROUTED && hit.oif > LO_INDEX && if_indextoname(hit.oif, uplink)) {
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

/* Its own route hides where it would go without one; a neighbour of its number shows it. */
bool hostlink_uplink(const struct ipaddr *a, char ret[IFNAMSIZ])
{
	_nl_ struct nl n = NL_INIT;
	struct err ignored = ERR_INIT;
	struct ipaddr near = *a;
	uint8_t *last = (uint8_t *)&near.v4 + addr_len(a) - 1;

	if (nl_open(&n, NETLINK_ROUTE, &ignored) < 0)
		return false;
	for (unsigned bit = 1; bit < 256; bit <<= 1) {
		struct route_hit hit;

		*last ^= (uint8_t)bit;
		if (route_lookup(&n, &near, &hit, &ignored) == 0 && !hit.local && !hit.exact)
			return hit.oif > LO_INDEX && if_indextoname(hit.oif, ret);
		*last ^= (uint8_t)bit;
		err_clear(&ignored);
	}
	return false;
}

static int answer(struct nl *n, unsigned uplink, const char *name, const struct ipaddr *a,
		  struct err *e)
{
	if (a->family == AF_INET6)
		link_sysctl6_proxy(name);
	route_put_proxy(n, uplink, a);
	return nl_done(n, e);
}

/* Only for what is routed to the link now, whoever says that it has the address. */
static bool is_here(struct nl *n, const struct net_spec *s, const struct ipaddr *a)
{
	struct err ignored = ERR_INIT;
	struct route_hit hit;

	return route_lookup(n, a, &hit, &ignored) == 0 && hit.exact && !hit.local &&
	       hit.oif == if_nametoindex(s->host_name);
}

int hostlink_answers(const struct net_spec *s, bool mend, struct err *e)
{
	_nl_ struct nl n = NL_INIT;
	int r = nl_open(&n, NETLINK_ROUTE, e), missing = 0;
	char name[IFNAMSIZ];

	for (size_t i = 0; i < s->n_addrs && r == 0; i++) {
		const struct ipaddr *a = &s->addrs[i];
		unsigned uplink = hostlink_uplink(a, name) ? if_nametoindex(name) : 0;

		if (!uplink || route_has_proxy(&n, uplink, a) || !is_here(&n, s, a))
			continue;
		missing++;
		if (mend)
			r = answer(&n, uplink, name, a, e);
	}
	return r < 0 ? r : missing == 0;
}

int hostlink_up(struct nl *n, const struct net_spec *s, struct err *e)
{
	unsigned index;
	int r = link_index(n, s->host_name, &index, e);

	if (r < 0)
		return r;
	link_put_routed(n, s->host_name);
	link_put_no_autoaddr(n, s->host_name);
	link_put_up(n, s->host_name);
	r = nl_done(n, e);
	if (r == 0 && net_first_of(s, AF_INET, NULL))
		r = host_gateway(n, s, index, AF_INET, e);
	if (r == 0 && net_first_of(s, AF_INET6, NULL))
		r = host_gateway(n, s, index, AF_INET6, e);
	for (size_t i = 0; i < s->n_addrs && r == 0; i++)
		r = host_addr_add(n, s, index, &s->addrs[i], e);
	return r;
}

void hostlink_down(struct nl *n, const struct net_spec *s)
{
	for (size_t i = 0; i < s->n_addrs && s->mode == NET_ROUTED; i++)
		host_proxy_del(n, &s->addrs[i]);
}

/* Host side of a new address. */
int hostlink_addr_add(const struct net_spec *s, const struct ipaddr *a, struct err *e)
{
	_nl_ struct nl n = NL_INIT;
	unsigned index;
	int r = nl_open(&n, NETLINK_ROUTE, e);

	if (r == 0)
		r = link_index(&n, s->host_name, &index, e);
	if (r == 0)
		r = host_gateway(&n, s, index, a->family, e);
	return r < 0 ? r : host_addr_add(&n, s, index, a, e);
}

int hostlink_addr_del(const struct net_spec *s, const struct ipaddr *a, struct err *e)
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
	if (s->mode == NET_ROUTED)
		host_proxy_del(&n, a);
	return r;
}
