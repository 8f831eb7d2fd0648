/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/door.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>

#include "netns/addr.h"
#include "netns/link.h"
#include "netns/netfilter.h"
#include "netns/nf-rules.h"
#include "netns/nl.h"
#include "netns/route.h"
#include "netns/space.h"
#include "util/exits.h"
#include "util/str.h"

#define GUEST "door"

/*
 * Of 169.254.NUMBER.0/24 two neighbours by the instance's tag: instances on one host do not know
 * of each other, and rarely meet.
 */
static struct ipaddr address(const struct door *d, unsigned end)
{
	uint32_t h = 0;

	for (const char *c = d->tag; *c; c++)
		h = h * 31 + (uint8_t)*c;
	return (struct ipaddr){ .family = AF_INET, .prefix = 32,
				.v4.s_addr = htonl(0xa9fe0000 | d->number << 8 | h % 127 << 1 | end) };
}

struct in_addr door_addr(const struct door *d)
{
	return address(d, 1).v4;
}

static void spec_of(const struct door *d, const struct ipaddr *there, struct net_spec *s)
{
	*s = (struct net_spec){ .veid = d->number, .mode = NET_ROUTED, .flags = NET_DOOR,
				.guest_name = GUEST, .addrs = there, .n_addrs = 1 };
	(void)str_fmt(s->table, sizeof(s->table), "%s", d->table);
	net_host_name(s->host_name, d->link_tag, d->number, 0);
	net_macs(d->tag, d->number, 0, s->host_mac, s->guest_mac);
}

/* One end: its address with that of the other as only neighbour. */
static int end_up(struct nl *n, const char *name, const struct ipaddr *a, struct err *e)
{
	unsigned index;
	int r = link_index(n, name, &index, e);

	if (r < 0)
		return r;
	link_put_routed(n, name);
	link_put_no_autoaddr(n, name);
	addr_put(n, index, a, 31);
	link_put_up(n, name);
	return nl_done(n, e);
}

static int check_free(struct nl *n, const struct door *d, struct err *e)
{
	struct ipaddr here = address(d, 0);
	char text[IPADDR_STRLEN];
	struct route_hit hit;
	int r = route_lookup(n, &here, &hit, e);

	if (r < 0 || !hit.local)
		return r;
	format_ip_host(&here, text);
	return err_set(e, EADDRINUSE, VZ_VETH, "forward ports: another link has %s already", text);
}

static int pair_up(const struct net_spec *s, const struct door *d, int space, struct err *e)
{
	struct ipaddr here = address(d, 0);
	_nl_ struct nl n = NL_INIT, in = NL_INIT;
	int r = nl_open(&n, NETLINK_ROUTE, e);

	if (r < 0)
		return r;
	link_put_del(&n, s->host_name);
	r = nl_done(&n, e);
	if (r == 0)
		r = check_free(&n, d, e);
	if (r == 0) {
		link_put_veth(&n, s, space);
		r = nl_done(&n, e);
	}
	if (r == 0)
		r = end_up(&n, s->host_name, &here, e);
	if (r == 0)
		r = nl_open_in(&in, NETLINK_ROUTE, space, e);
	return r < 0 ? r : end_up(&in, GUEST, &s->addrs[0], e);
}

#define FORWARDS_MAX 32

/* As the host sees them: to the other end, where the port is the same. */
static struct net_forwards outside(const struct door *d, struct net_forward buf[FORWARDS_MAX])
{
	size_t n = d->forwards.n < FORWARDS_MAX ? d->forwards.n : FORWARDS_MAX;

	for (size_t i = 0; i < n; i++) {
		buf[i] = d->forwards.a[i];
		buf[i].to = door_addr(d);
		buf[i].to_port = buf[i].port;
	}
	return (struct net_forwards){ buf, n };
}

static int inside(const struct door *d, struct net_forwards gone, int space, struct err *e)
{
	_space_home_ struct space_home home = SPACE_HOME_INIT;
	int r = space_enter(space, &home, e);

	if (r == 0)
		r = nf_ensure(d->table, NF_CLOSED, e);
	if (r == 0)
		r = nf_ensure(d->table, NF_NAT, e);
	return r < 0 ? r : net_forward(d->table, gone, d->forwards, e);
}

int door_change(const struct door *from, const struct door *to, int space, struct err *e)
{
	struct net_forward gone[FORWARDS_MAX], come[FORWARDS_MAX];
	int r = inside(to, from->forwards, space, e);

	return r < 0 ? r : net_forward(to->table, outside(from, gone), outside(to, come), e);
}

int door_up(const struct door *d, int space, struct err *e)
{
	struct ipaddr there = address(d, 1);
	struct door none = *d;
	struct net_spec s;
	int r;

	spec_of(d, &there, &s);
	none.forwards.n = 0;
	r = nf_link_add(&s, e);
	if (r == 0)
		r = pair_up(&s, d, space, e);
	if (r == 0)
		r = door_change(&none, d, space, e);
	return r < 0 ? err_wrap(e, "link %s", s.host_name) : 0;
}

void door_down(const struct door *d)
{
	struct ipaddr there = address(d, 1);
	struct net_forwards none = { NULL, 0 };
	struct net_forward gone[FORWARDS_MAX];
	struct err ignored = ERR_INIT;
	struct net_spec s;

	spec_of(d, &there, &s);
	(void)!net_forward(d->table, outside(d, gone), none, &ignored);
	(void)net_down(&s);
}

int door_gateway(const struct net_spec *s, const struct ipaddr *gw, uint8_t prefix, struct err *e)
{
	_nl_ struct nl n = NL_INIT;
	unsigned index;
	int r = nl_open(&n, NETLINK_ROUTE, e);

	if (r == 0)
		r = link_index(&n, s->bridge, &index, e);
	if (r < 0)
		return r;
	if (gw->family == AF_INET)
		link_put_routed(&n, s->bridge);
	if (s->vlan)
		link_put_bridge_vlan(&n, index, s->vlan);
	addr_put(&n, index, gw, prefix);
	r = nl_done(&n, e);
	return r < 0 ? err_wrap(e, "gateway of bridge %s", s->bridge) : 0;
}
