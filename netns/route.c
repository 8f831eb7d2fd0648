/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/route.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "netns/addr.h"

/* A message about a route of family f; dst NULL is the default route. */
static struct nlmsghdr *put_route(struct nl *n, uint16_t type, uint16_t flags, uint8_t f,
				  const struct ipaddr *dst)
{
	bool add = type == RTM_NEWROUTE;
	struct nlmsghdr *h = nl_msg(n, type, flags | NLM_F_ACK, add ? "add route" : "delete route");
	struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));

	m->rtm_family = f;
	m->rtm_table = RT_TABLE_MAIN;
	m->rtm_protocol = add ? RTPROT_STATIC : RTPROT_UNSPEC;
	m->rtm_scope = add ? RT_SCOPE_UNIVERSE : RT_SCOPE_NOWHERE;
	m->rtm_type = add ? RTN_UNICAST : RTN_UNSPEC;
	if (dst) {
		m->rtm_dst_len = addr_bits(dst);
		mnl_attr_put(h, RTA_DST, addr_len(dst), &dst->v4);
	}
	return h;
}

static void put_link_route(struct nl *n, uint16_t flags, unsigned index, const struct ipaddr *dst)
{
	struct nlmsghdr *h = put_route(n, RTM_NEWROUTE, flags, dst->family, dst);
	struct rtmsg *m = mnl_nlmsg_get_payload(h);

	if (dst->family == AF_INET)
		m->rtm_scope = RT_SCOPE_LINK;
	mnl_attr_put_u32(h, RTA_OIF, index);
}

void route_put_host(struct nl *n, unsigned index, const struct ipaddr *a)
{
	put_link_route(n, NLM_F_CREATE | NLM_F_EXCL, index, a);
}

void route_put_gateway(struct nl *n, unsigned index, const struct ipaddr *gw)
{
	put_link_route(n, NLM_F_CREATE | NLM_F_REPLACE, index, gw);
}

void route_put_host_del(struct nl *n, unsigned index, const struct ipaddr *a)
{
	struct nlmsghdr *h = put_route(n, RTM_DELROUTE, 0, a->family, a);

	mnl_attr_put_u32(h, RTA_OIF, index);
	nl_allow(n, ESRCH);
}

static struct nlmsghdr *put_via(struct nl *n, const struct ipaddr *dst, unsigned index,
				const struct ipaddr *gw, const struct ipaddr *prefsrc)
{
	struct nlmsghdr *h = put_route(n, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, gw->family,
				       dst);
	struct rtmsg *m = mnl_nlmsg_get_payload(h);

	m->rtm_flags = RTNH_F_ONLINK;
	mnl_attr_put(h, RTA_GATEWAY, addr_len(gw), &gw->v4);
	mnl_attr_put_u32(h, RTA_OIF, index);
	if (prefsrc)
		mnl_attr_put(h, RTA_PREFSRC, addr_len(prefsrc), &prefsrc->v4);
	return h;
}

static void set_table(struct nlmsghdr *h, unsigned table)
{
	struct rtmsg *m = mnl_nlmsg_get_payload(h);

	m->rtm_table = (unsigned char)table;
}

void route_put_default(struct nl *n, unsigned table, unsigned index, const struct ipaddr *gw,
		       const struct ipaddr *prefsrc)
{
	set_table(put_via(n, NULL, index, gw, prefsrc), table);
}

void route_put_net(struct nl *n, unsigned index, const struct ipaddr *dst, const struct ipaddr *gw,
		   const struct ipaddr *prefsrc)
{
	struct nlmsghdr *h = put_via(n, dst, index, gw, prefsrc);
	struct rtmsg *m = mnl_nlmsg_get_payload(h);

	m->rtm_dst_len = dst->prefix;
}

void route_put_default_del(struct nl *n, unsigned table, unsigned index, const struct ipaddr *gw)
{
	struct nlmsghdr *h = put_route(n, RTM_DELROUTE, 0, gw->family, NULL);

	set_table(h, table);
	mnl_attr_put(h, RTA_GATEWAY, addr_len(gw), &gw->v4);
	mnl_attr_put_u32(h, RTA_OIF, index);
	nl_allow(n, ESRCH);
}

/* Of one priority, so that the same rule again is seen to be there. */
static void put_rule(struct nl *n, uint16_t type, const struct ipaddr *from, unsigned table)
{
	bool add = type == RTM_NEWRULE;
	struct nlmsghdr *h = nl_msg(n, type, (add ? NLM_F_CREATE | NLM_F_EXCL : 0) | NLM_F_ACK,
				    add ? "add routing rule" : "delete routing rule");
	struct fib_rule_hdr *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));

	m->family = from->family;
	m->src_len = addr_bits(from);
	m->table = (uint8_t)table;
	m->action = FR_ACT_TO_TBL;
	mnl_attr_put(h, FRA_SRC, addr_len(from), &from->v4);
	mnl_attr_put_u32(h, FRA_PRIORITY, 1000);
	nl_allow(n, add ? EEXIST : ENOENT);
}

void route_put_rule(struct nl *n, const struct ipaddr *from, unsigned table)
{
	put_rule(n, RTM_NEWRULE, from, table);
}

void route_put_rule_del(struct nl *n, const struct ipaddr *from, unsigned table)
{
	put_rule(n, RTM_DELRULE, from, table);
}

static void put_neigh(struct nl *n, uint16_t type, uint16_t flags, unsigned index,
		      const struct ipaddr *a)
{
	struct nlmsghdr *h = nl_msg(n, type, flags | NLM_F_ACK, "proxy neighbour entry");
	struct ndmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));

	m->ndm_family = a->family;
	m->ndm_ifindex = (int)index;
	m->ndm_flags = NTF_PROXY;
	m->ndm_state = NUD_PERMANENT;
	mnl_attr_put(h, NDA_DST, addr_len(a), &a->v4);
}

void route_put_proxy(struct nl *n, unsigned index, const struct ipaddr *a)
{
	put_neigh(n, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, index, a);
}

void route_put_proxy_del(struct nl *n, unsigned index, const struct ipaddr *a)
{
	put_neigh(n, RTM_DELNEIGH, 0, index, a);
	nl_allow(n, ENOENT);
}

/* Asked for one at a time since Linux 5.0; before, nobody knows. */
bool route_has_proxy(struct nl *n, unsigned index, const struct ipaddr *a)
{
	struct nlmsghdr *h = nl_msg(n, RTM_GETNEIGH, 0, "find proxy neighbour entry");
	struct ndmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	struct err ignored = ERR_INIT;

	m->ndm_family = a->family;
	m->ndm_ifindex = (int)index;
	m->ndm_flags = NTF_PROXY;
	mnl_attr_put(h, NDA_DST, addr_len(a), &a->v4);
	return nl_done(n, &ignored) != -ENOENT;
}

static int take_hit(const struct nlmsghdr *h, void *data)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	struct route_hit *hit = data;
	const struct nlattr *a;

	hit->local = m->rtm_type == RTN_LOCAL;
	hit->exact = m->rtm_dst_len == (m->rtm_family == AF_INET ? 32 : 128);
	mnl_attr_for_each(a, h, sizeof(*m))
		if (mnl_attr_get_type(a) == RTA_OIF && mnl_attr_validate(a, MNL_TYPE_U32) >= 0)
			hit->oif = mnl_attr_get_u32(a);
	return MNL_CB_OK;
}

int route_lookup(struct nl *n, const struct ipaddr *a, struct route_hit *ret, struct err *e)
{
	struct nlmsghdr *h = nl_msg(n, RTM_GETROUTE, 0, "look up route");
	struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	struct route_hit hit = { 0 };
	int r;

	m->rtm_family = a->family;
	m->rtm_dst_len = addr_bits(a);
	m->rtm_flags = RTM_F_FIB_MATCH;         /* the route itself, not what came of it; 4.13 */
	mnl_attr_put(h, RTA_DST, addr_len(a), &a->v4);
	r = nl_query(n, take_hit, &hit, e);
	if (r == -ENETUNREACH || r == -EHOSTUNREACH || r == -EACCES || r == -EINVAL) {
		err_clear(e);                   /* no, unreachable, prohibit, blackhole route */
		hit = (struct route_hit){ 0 };
		r = 0;
	}
	if (r == 0)
		*ret = hit;
	return r;
}
