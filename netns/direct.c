/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/direct.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "netns/caps.h"
#include "netns/guestlink.h"
#include "netns/nl.h"
#include "netns/route.h"
#include "netns/wire.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/parse.h"
#include "util/str.h"

#define INDEX_BASE 1000000      /* the kernel counts up from 1 */

bool net_is_direct(const struct net_spec *s)
{
	return s->mode == NET_MACVLAN || s->mode == NET_DEVICE;
}

int direct_check(const struct net_spec *s, struct err *e)
{
	if (!s->shape.in && !s->shape.out && !caps_any(&s->caps))
		return 0;
	return err_set(e, EOPNOTSUPP, VZ_NO_KERNEL_SUPPORT,
		       "link %s leads past the host by %s: there are no rates and caps", s->guest_name,
		       s->bridge);
}

static unsigned index_inside(const struct net_spec *s)
{
	return INDEX_BASE + s->index;
}

/* ---- what a link is ---- */

struct look {
	struct direct_was was;
	unsigned index;
};

static void take_kind(struct direct_was *w, const struct nlattr *info)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, info)
		if (mnl_attr_get_type(a) == IFLA_INFO_KIND)
			(void)str_fmt(w->kind, sizeof(w->kind), "%.15s", mnl_attr_get_str(a));
}

static int take_look(const struct nlmsghdr *h, void *data)
{
	const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);
	struct look *l = data;
	const struct nlattr *a;

	l->index = (unsigned)m->ifi_index;
	(void)str_fmt(l->was.kind, sizeof(l->was.kind), "-");
	mnl_attr_for_each(a, h, sizeof(*m)) {
		uint16_t type = mnl_attr_get_type(a);

		if (type == IFLA_LINKINFO)
			take_kind(&l->was, a);
		else if (type == IFLA_MTU && mnl_attr_get_payload_len(a) == sizeof(uint32_t))
			l->was.mtu = mnl_attr_get_u32(a);
		else if (type == IFLA_ADDRESS && mnl_attr_get_payload_len(a) == 6)
			memcpy(l->was.addr, mnl_attr_get_payload(a), 6);
		else if (type == IFLA_PERM_ADDRESS && mnl_attr_get_payload_len(a) == 6)
			memcpy(l->was.perm, mnl_attr_get_payload(a), 6);
	}
	return MNL_CB_OK;
}

static struct nlmsghdr *put_of(struct nl *n, uint16_t type, uint16_t flags, unsigned index,
			       const char *what)
{
	struct nlmsghdr *h = nl_msg(n, type, flags, what);
	struct ifinfomsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));

	m->ifi_family = AF_UNSPEC;
	m->ifi_index = (int)index;
	return h;
}

/* By name where index is 0. */
static int look(struct nl *n, const char *link, unsigned index, struct look *ret, struct err *e)
{
	struct nlmsghdr *h = put_of(n, RTM_GETLINK, 0, index, "find link");
	struct look l = { .index = 0 };
	int r;

	if (!index)
		mnl_attr_put_strz(h, IFLA_IFNAME, link);
	r = nl_query(n, take_look, &l, e);
	if (r == 0)
		*ret = l;
	return r;
}

int direct_look(const char *link, struct direct_was *ret, struct err *e)
{
	_nl_ struct nl n = NL_INIT;
	struct look l;
	int r = nl_open(&n, NETLINK_ROUTE, e);

	if (r == 0)
		r = look(&n, link, 0, &l, e);
	if (r == 0)
		*ret = l.was;
	return r;
}

int direct_format(const struct direct_was *w, char *dst, size_t size)
{
	char perm[MAC_STRLEN], addr[MAC_STRLEN];

	format_mac(w->perm, perm);
	format_mac(w->addr, addr);
	return str_fmt(dst, size, "%s %s %s %u", w->kind, perm, addr, w->mtu);
}

int direct_parse(const char *text, struct direct_was *ret)
{
	struct direct_was w;
	char perm[MAC_STRLEN], addr[MAC_STRLEN], mtu[12];
	uint32_t n;

	if (str_word(&text, w.kind, sizeof(w.kind)) <= 0 || str_word(&text, perm, sizeof(perm)) <= 0 ||
	    str_word(&text, addr, sizeof(addr)) <= 0 || str_word(&text, mtu, sizeof(mtu)) <= 0 ||
	    parse_mac(perm, w.perm) < 0 || parse_mac(addr, w.addr) < 0 ||
	    parse_u32(mtu, 0, UINT32_MAX, &n) < 0)
		return -EINVAL;
	w.mtu = n;
	*ret = w;
	return 0;
}

/* An address of the documentation's (RFC 5737, RFC 3849), to which no route but the default leads. */
bool direct_is_default(const char *link)
{
	static const char *const far[] = { "192.0.2.1", "2001:db8::1" };
	unsigned index = if_nametoindex(link);
	bool is = false;

	for (size_t i = 0; i < ARRAY_SIZE(far); i++) {
		_nl_ struct nl n = NL_INIT;
		struct err ignored = ERR_INIT;
		struct route_hit hit;
		struct ipaddr a;

		if (parse_ip(far[i], &a) == 0 && nl_open(&n, NETLINK_ROUTE, &ignored) == 0 &&
		    route_lookup(&n, &a, &hit, &ignored) == 0 && hit.oif == index)
			is = true;
	}
	return index && is;
}

/* ---- there ---- */

static void put_macvlan(struct nl *n, const struct net_spec *s, unsigned below, int netns)
{
	struct nlmsghdr *h = put_of(n, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK,
				    index_inside(s), "create macvlan");
	struct nlattr *info, *data;

	mnl_attr_put_strz(h, IFLA_IFNAME, s->guest_name);
	mnl_attr_put(h, IFLA_ADDRESS, 6, s->guest_mac);
	mnl_attr_put_u32(h, IFLA_LINK, below);
	mnl_attr_put_u32(h, IFLA_NET_NS_FD, (uint32_t)netns);
	info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "macvlan");
	data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	mnl_attr_put_u32(h, IFLA_MACVLAN_MODE,
			 s->flags & NET_ISOLATED ? MACVLAN_MODE_PRIVATE : MACVLAN_MODE_BRIDGE);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
}

static void put_down(struct nl *n, unsigned index)
{
	struct ifinfomsg *m = mnl_nlmsg_get_payload(put_of(n, RTM_NEWLINK, NLM_F_ACK, index,
							   "set link down"));

	m->ifi_change = IFF_UP;
}

/* IFLA_NEW_IFINDEX is of Linux 5.13. */
static void put_move_in(struct nl *n, const struct net_spec *s, unsigned index, int netns)
{
	struct nlmsghdr *h;

	put_down(n, index);
	h = put_of(n, RTM_NEWLINK, NLM_F_ACK, index, "move link into the VE");
	mnl_attr_put_u32(h, IFLA_NET_NS_FD, (uint32_t)netns);
	mnl_attr_put_u32(h, IFLA_NEW_IFINDEX, index_inside(s));
	mnl_attr_put_strz(h, IFLA_IFNAME, s->guest_name);
}

/* A device without addresses of ours is the tenant's to set up. */
int direct_up(const struct net_spec *s, int netns, struct err *e)
{
	_nl_ struct nl n = NL_INIT;
	unsigned below = if_nametoindex(s->bridge);
	int r = direct_check(s, e);

	if (r == 0)
		r = below ? nl_open(&n, NETLINK_ROUTE, e)
			  : err_set(e, ENODEV, 0, "the host has no link %s", s->bridge);
	if (r < 0)
		return r;
	if (s->mode == NET_MACVLAN)
		put_macvlan(&n, s, below, netns);
	else
		put_move_in(&n, s, below, netns);
	r = nl_done(&n, e);
	if (r == 0 && (s->n_addrs || s->mode == NET_MACVLAN))
		r = guestlink_up(s, netns, e);
	if (r == 0 && s->mode == NET_MACVLAN)
		wire_announce(netns, s->guest_name, s->guest_mac, s->addrs, s->n_addrs);
	return r;
}

/* ---- and back ---- */

int direct_remove(const struct net_spec *s, int netns, struct err *e)
{
	_nl_ struct nl n = NL_INIT;
	int r = nl_open_in(&n, NETLINK_ROUTE, netns, e);

	if (r < 0)
		return r;
	(void)put_of(&n, RTM_DELLINK, NLM_F_ACK, index_inside(s), "delete macvlan");
	nl_allow(&n, ENODEV);
	return nl_done(&n, e);
}

static int move_back(struct nl *n, const struct net_spec *s, const struct direct_was *was, int home,
		     const char *name, struct err *e)
{
	struct nlmsghdr *h;

	put_down(n, index_inside(s));
	h = put_of(n, RTM_NEWLINK, NLM_F_ACK, index_inside(s), "move link back");
	mnl_attr_put_u32(h, IFLA_NET_NS_FD, (uint32_t)home);
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	mnl_attr_put(h, IFLA_ADDRESS, 6, was->addr);
	mnl_attr_put_u32(h, IFLA_MTU, was->mtu);
	mnl_attr_put_strz(h, IFLA_IFALIAS, "");
	return nl_done(n, e);
}

/* Where its name has been taken meanwhile it comes back under one of the kernel's choice. */
int direct_return(const struct net_spec *s, int netns, const struct direct_was *was, struct err *e)
{
	_fd_ int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	_nl_ struct nl n = NL_INIT;
	struct look l;
	int r = home < 0 ? err_sys(e, "open /proc/thread-self/ns/net")
			 : nl_open_in(&n, NETLINK_ROUTE, netns, e);

	if (r == 0)
		r = look(&n, "", index_inside(s), &l, e);
	if (r == -ENODEV) {
		err_clear(e);
		return 0;
	}
	if (r < 0)
		return r;
	if (!str_eq(l.was.kind, was->kind) || memcmp(l.was.perm, was->perm, 6))
		return err_set(e, EXDEV, 0, "link %s: another is in its place", s->bridge);
	r = move_back(&n, s, was, home, s->bridge, e);
	if (r == -EEXIST) {
		err_clear(e);
		r = move_back(&n, s, was, home, "dev%d", e);
		if (r == 0)
			r = err_set(e, EEXIST, 0, "link %s: its name is taken, it is back under another",
				    s->bridge);
	}
	return r;
}
