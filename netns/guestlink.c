/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/guestlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "netns/addr.h"
#include "netns/link.h"
#include "netns/nl.h"
#include "netns/route.h"
#include "util/str.h"

#define TABLE_BASE 100          /* routing table of link 1 is 101 */

const struct ipaddr *net_first_of(const struct net_spec *s, uint8_t family,
				  const struct ipaddr *skip)
{
	for (size_t i = 0; i < s->n_addrs; i++)
		if (s->addrs[i].family == family && !(skip && ip_same_host(&s->addrs[i], skip)))
			return &s->addrs[i];
	return NULL;
}

bool net_gateway(const struct net_spec *s, uint8_t family, struct ipaddr *ret)
{
	if (net_on_wire(s->mode)) {
		*ret = s->gateway[family == AF_INET6];
		return ret->family == family;
	}
	*ret = family == AF_INET ? addr_gateway4() : net_gateway6(s->host_mac);
	return true;
}

static bool has_default(const struct net_spec *s, uint8_t family)
{
	return s->flags & (family == AF_INET ? NET_DEFAULT4 : NET_DEFAULT6);
}

static unsigned table_of(const struct net_spec *s, uint8_t family)
{
	return has_default(s, family) ? ROUTE_MAIN : TABLE_BASE + s->index;
}

/* Routes of the family; src is the address that what the VE sends bears. */
static void put_routes(struct nl *n, const struct net_spec *s, unsigned index,
		       const struct ipaddr *src)
{
	struct ipaddr gw;

	if (src->family == AF_INET6)
		addr_put_link_local(n, index, s->guest_mac);
	if (!net_gateway(s, src->family, &gw))
		return;
	if (!net_on_wire(s->mode) && src->family == AF_INET && has_default(s, AF_INET))
		route_put_gateway(n, index, &gw);
	route_put_default(n, table_of(s, src->family), index, &gw, src);
	for (size_t i = 0; i < s->n_nets && !has_default(s, src->family); i++)
		if (s->nets[i].family == src->family)
			route_put_net(n, index, &s->nets[i], &gw, src);
}

static void put_addr(struct nl *n, const struct net_spec *s, unsigned index,
		     const struct ipaddr *a)
{
	addr_put(n, index, a, net_on_wire(s->mode) ? a->prefix : addr_bits(a));
	if (!has_default(s, a->family))
		route_put_rule(n, a, table_of(s, a->family));
}

static int open_guest(struct nl *n, const struct net_spec *s, int netns, unsigned *ret,
		      struct err *e)
{
	int r = nl_open_in(n, NETLINK_ROUTE, netns, e);

	return r < 0 ? r : link_index(n, s->guest_name, ret, e);
}

int guestlink_up(const struct net_spec *s, int netns, struct err *e)
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
		put_addr(&n, s, index, &s->addrs[i]);
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		const struct ipaddr *src = net_first_of(s, families[i], NULL);

		if (src)
			put_routes(&n, s, index, src);
	}
	return nl_done(&n, e);
}

int guestlink_addr_add(const struct net_spec *s, int netns, const struct ipaddr *a, struct err *e)
{
	const struct ipaddr *src = net_first_of(s, a->family, NULL);
	_nl_ struct nl n = NL_INIT;
	unsigned index;
	int r = netns < 0 ? 0 : open_guest(&n, s, netns, &index, e);

	if (r < 0 || netns < 0)         /* a virtual machine's agent does it */
		return r;
	put_addr(&n, s, index, a);
	put_routes(&n, s, index, src ? src : a);
	return nl_done(&n, e);
}

/* The kernel removes routes whose preferred source goes, so the next address takes over. */
int guestlink_addr_del(const struct net_spec *s, int netns, const struct ipaddr *a, struct err *e)
{
	const struct ipaddr *src = net_first_of(s, a->family, a);
	_nl_ struct nl n = NL_INIT;
	struct ipaddr gw;
	unsigned index;
	int r = netns < 0 ? 0 : open_guest(&n, s, netns, &index, e);

	if (r < 0 || netns < 0)
		return r;
	addr_put_del(&n, index, a, net_on_wire(s->mode) ? a->prefix : addr_bits(a));
	if (!has_default(s, a->family))
		route_put_rule_del(&n, a, table_of(s, a->family));
	if (src)
		put_routes(&n, s, index, src);
	else if (a->family == AF_INET6 && net_gateway(s, AF_INET6, &gw))
		route_put_default_del(&n, table_of(s, AF_INET6), index, &gw);
	return nl_done(&n, e);
}

/* A rule that stays would send what is another link's by then by the next link of this index. */
void guestlink_leave(const struct net_spec *s, int netns)
{
	struct err ignored = ERR_INIT;
	_nl_ struct nl n = NL_INIT;

	if (nl_open_in(&n, NETLINK_ROUTE, netns, &ignored) < 0)
		return;
	for (size_t i = 0; i < s->n_addrs; i++)
		if (!has_default(s, s->addrs[i].family))
			route_put_rule_del(&n, &s->addrs[i], table_of(s, s->addrs[i].family));
	(void)!nl_done(&n, &ignored);
}

/* The new way first, so that there is one at each moment. */
static void move_default(struct nl *n, const struct net_spec *from, const struct net_spec *to,
			 unsigned index, uint8_t family)
{
	const struct ipaddr *src = net_first_of(to, family, NULL);
	struct ipaddr gw;

	if (!src)                       /* it went with the last address */
		return;
	put_routes(n, to, index, src);
	for (size_t i = 0; i < to->n_addrs; i++) {
		if (to->addrs[i].family != family)
			continue;
		if (has_default(to, family))
			route_put_rule_del(n, &to->addrs[i], table_of(from, family));
		else
			route_put_rule(n, &to->addrs[i], table_of(to, family));
	}
	if (net_gateway(from, family, &gw))
		route_put_default_del(n, table_of(from, family), index, &gw);
}

int guestlink_default(const struct net_spec *from, const struct net_spec *to, int netns,
		      struct err *e)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	_nl_ struct nl n = NL_INIT;
	unsigned index;
	int r;

	if (netns < 0 || !((from->flags ^ to->flags) & (NET_DEFAULT4 | NET_DEFAULT6)))
		return 0;
	r = open_guest(&n, to, netns, &index, e);
	if (r == -ENODEV) {             /* the tenant calls it something else, or has deleted it */
		err_clear(e);
		return 0;
	}
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		if (has_default(from, families[i]) != has_default(to, families[i]))
			move_default(&n, from, to, index, families[i]);
	return nl_done(&n, e);
}
