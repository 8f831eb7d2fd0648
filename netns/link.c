/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "util/str.h"
#include "util/sys-fs.h"

static struct nlmsghdr *put_link(struct nl *n, uint16_t type, uint16_t flags, const char *name,
				 const char *what)
{
	struct nlmsghdr *h = nl_msg(n, type, flags, what);
	struct ifinfomsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));

	m->ifi_family = AF_UNSPEC;
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	return h;
}

static void put_guest_end(struct nlmsghdr *h, const struct net_spec *s, int netns)
{
	struct nlattr *peer = mnl_attr_nest_start(h, VETH_INFO_PEER);

	(void)mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(h, IFLA_IFNAME, s->guest_name);
	mnl_attr_put(h, IFLA_ADDRESS, 6, s->guest_mac);
	mnl_attr_put_u32(h, IFLA_NET_NS_FD, (uint32_t)netns);
	mnl_attr_nest_end(h, peer);
}

void link_put_veth(struct nl *n, const struct net_spec *s, int netns)
{
	struct nlmsghdr *h = put_link(n, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK,
				      s->host_name, "create veth");
	struct nlattr *info, *data;

	mnl_attr_put(h, IFLA_ADDRESS, 6, s->host_mac);
	mnl_attr_put_u32(h, IFLA_GROUP, s->group);
	info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	put_guest_end(h, s, netns);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
}

void link_put_ifb(struct nl *n, const char *name)
{
	struct nlmsghdr *h = put_link(n, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, name,
				      "create ifb");
	struct nlattr *info = mnl_attr_nest_start(h, IFLA_LINKINFO);

	mnl_attr_put_strz(h, IFLA_INFO_KIND, "ifb");
	mnl_attr_nest_end(h, info);
}

void link_put_del(struct nl *n, const char *name)
{
	(void)put_link(n, RTM_DELLINK, NLM_F_ACK, name, "delete link");
	nl_allow(n, ENODEV);
}

void link_put_up(struct nl *n, const char *name)
{
	struct nlmsghdr *h = put_link(n, RTM_NEWLINK, NLM_F_ACK, name, "set link up");
	struct ifinfomsg *m = mnl_nlmsg_get_payload(h);

	m->ifi_flags = IFF_UP;
	m->ifi_change = IFF_UP;
}

void link_put_group(struct nl *n, const char *name, uint32_t group)
{
	struct nlmsghdr *h = put_link(n, RTM_NEWLINK, NLM_F_ACK, name, "set group of link");

	mnl_attr_put_u32(h, IFLA_GROUP, group);
}

/*
 * Per-link values of ip-sysctl.rst, index IPV4_DEVCONF_*. A udev rule of systemd may put
 * rp_filter back to 2 (loose) later; the spoof filters do not rely on it.
 */
void link_put_routed(struct nl *n, const char *name)
{
	static const struct { uint16_t key; uint32_t value; } conf[] = {
		{ IPV4_DEVCONF_FORWARDING, 1 },
		{ IPV4_DEVCONF_RP_FILTER, 1 },
		{ IPV4_DEVCONF_SEND_REDIRECTS, 0 },
		{ IPV4_DEVCONF_ACCEPT_REDIRECTS, 0 },
		{ IPV4_DEVCONF_ACCEPT_SOURCE_ROUTE, 0 },
		{ IPV4_DEVCONF_PROXY_ARP, 0 },
		{ IPV4_DEVCONF_ARP_IGNORE, 0 },
	};
	struct nlmsghdr *h = put_link(n, RTM_NEWLINK, NLM_F_ACK, name, "set IPv4 forwarding");
	struct nlattr *spec = mnl_attr_nest_start(h, IFLA_AF_SPEC);
	struct nlattr *inet = mnl_attr_nest_start(h, AF_INET);
	struct nlattr *list = mnl_attr_nest_start(h, IFLA_INET_CONF);

	for (size_t i = 0; i < ARRAY_SIZE(conf); i++)
		mnl_attr_put_u32(h, conf[i].key, conf[i].value);
	mnl_attr_nest_end(h, list);
	mnl_attr_nest_end(h, inet);
	mnl_attr_nest_end(h, spec);
}

void link_put_no_autoaddr(struct nl *n, const char *name)
{
	struct nlmsghdr *h = put_link(n, RTM_NEWLINK, NLM_F_ACK, name, "set IPv6 address mode");
	struct nlattr *spec = mnl_attr_nest_start(h, IFLA_AF_SPEC);
	struct nlattr *inet6 = mnl_attr_nest_start(h, AF_INET6);

	mnl_attr_put_u8(h, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(h, inet6);
	mnl_attr_nest_end(h, spec);
	nl_allow(n, EAFNOSUPPORT);      /* ipv6.disable=1; an IPv6 address will say so itself */
}

void link_put_bridge(struct nl *n, const char *name, bool vlans)
{
	struct nlmsghdr *h = put_link(n, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, name,
				      "create bridge");
	struct nlattr *info = mnl_attr_nest_start(h, IFLA_LINKINFO), *data;

	mnl_attr_put_strz(h, IFLA_INFO_KIND, "bridge");
	data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	mnl_attr_put_u32(h, IFLA_BR_STP_STATE, 0);
	mnl_attr_put_u8(h, IFLA_BR_MCAST_SNOOPING, 0);
	if (vlans)
		mnl_attr_put_u8(h, IFLA_BR_VLAN_FILTERING, 1);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
}

void link_put_master(struct nl *n, const char *name, unsigned bridge)
{
	struct nlmsghdr *h = put_link(n, RTM_NEWLINK, NLM_F_ACK, name, "put link into bridge");

	mnl_attr_put_u32(h, IFLA_MASTER, bridge);
}

void link_put_port(struct nl *n, const char *name, bool learn, bool isolated)
{
	struct nlmsghdr *h = put_link(n, RTM_NEWLINK, NLM_F_ACK, name, "set bridge port");
	struct nlattr *info = mnl_attr_nest_start(h, IFLA_LINKINFO), *data;

	mnl_attr_put_strz(h, IFLA_INFO_SLAVE_KIND, "bridge");
	data = mnl_attr_nest_start(h, IFLA_INFO_SLAVE_DATA);
	mnl_attr_put_u8(h, IFLA_BRPORT_LEARNING, learn);
	mnl_attr_put_u8(h, IFLA_BRPORT_ISOLATED, isolated);
	mnl_attr_put_u8(h, IFLA_BRPORT_GUARD, 1);       /* takes no BPDU: it is no bridge */
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
}

static struct nlmsghdr *put_vlan(struct nl *n, uint16_t type, unsigned index)
{
	struct nlmsghdr *h = nl_msg(n, type, NLM_F_ACK, "set VLANs of bridge port");
	struct ifinfomsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));

	m->ifi_family = AF_BRIDGE;
	m->ifi_index = (int)index;
	return h;
}

static void put_vlan_info(struct nlmsghdr *h, uint16_t flags, uint16_t vid)
{
	struct bridge_vlan_info v = { .flags = flags, .vid = vid };

	mnl_attr_put(h, IFLA_BRIDGE_VLAN_INFO, sizeof(v), &v);
}

/* VLAN 1 is where every port of a bridge is at first. */
void link_put_port_vlan_none(struct nl *n, unsigned index)
{
	struct nlmsghdr *h = put_vlan(n, RTM_DELLINK, index);
	struct nlattr *spec = mnl_attr_nest_start(h, IFLA_AF_SPEC);

	put_vlan_info(h, 0, 1);
	mnl_attr_nest_end(h, spec);
}

void link_put_port_vlan(struct nl *n, unsigned index, struct vlan_range vlans, bool untagged)
{
	uint16_t flags = untagged ? BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED : 0;
	struct nlmsghdr *h = put_vlan(n, RTM_SETLINK, index);
	struct nlattr *spec = mnl_attr_nest_start(h, IFLA_AF_SPEC);

	if (vlans.first == vlans.last) {
		put_vlan_info(h, flags, vlans.first);
	} else {
		put_vlan_info(h, BRIDGE_VLAN_INFO_RANGE_BEGIN, vlans.first);
		put_vlan_info(h, BRIDGE_VLAN_INFO_RANGE_END, vlans.last);
	}
	mnl_attr_nest_end(h, spec);
}

void link_put_bridge_vlan(struct nl *n, unsigned index, uint16_t vlan)
{
	struct nlmsghdr *h = put_vlan(n, RTM_SETLINK, index);
	struct nlattr *spec = mnl_attr_nest_start(h, IFLA_AF_SPEC);

	mnl_attr_put_u16(h, IFLA_BRIDGE_FLAGS, BRIDGE_FLAGS_SELF);
	put_vlan_info(h, BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED, vlan);
	mnl_attr_nest_end(h, spec);
}

void link_put_fdb(struct nl *n, unsigned index, const uint8_t mac[6])
{
	struct nlmsghdr *h = nl_msg(n, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK,
				    "add forwarding entry");
	struct ndmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));

	m->ndm_family = AF_BRIDGE;
	m->ndm_ifindex = (int)index;
	m->ndm_flags = NTF_MASTER;
	m->ndm_state = NUD_NOARP;
	mnl_attr_put(h, NDA_LLADDR, 6, mac);
}

static void put_get(struct nl *n, const char *name, uint32_t mask)
{
	struct nlmsghdr *h = put_link(n, RTM_GETLINK, 0, name, "find link");

	mnl_attr_put_u32(h, IFLA_EXT_MASK, mask);
}

static int take_index(const struct nlmsghdr *h, void *data)
{
	const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);

	*(unsigned *)data = (unsigned)m->ifi_index;
	return MNL_CB_OK;
}

int link_index(struct nl *n, const char *name, unsigned *ret, struct err *e)
{
	unsigned index = 0;
	int r;

	put_get(n, name, RTEXT_FILTER_SKIP_STATS);
	r = nl_query(n, take_index, &index, e);
	if (r < 0)
		return r;
	if (!index)
		return err_set(e, EPROTO, 0, "find link: the kernel gave no answer");
	*ret = index;
	return 0;
}

static int take_state(const struct nlmsghdr *h, void *data)
{
	const struct nlattr *a;

	mnl_attr_for_each(a, h, sizeof(struct ifinfomsg))
		if (mnl_attr_get_type(a) == IFLA_OPERSTATE)
			*(bool *)data = mnl_attr_get_u8(a) == IF_OPER_UP;
	return MNL_CB_OK;
}

int link_is_up(struct nl *n, const char *name, bool *ret, struct err *e)
{
	*ret = false;
	put_get(n, name, RTEXT_FILTER_SKIP_STATS);
	return nl_query(n, take_state, ret, e);
}

struct kind {
	const char *want;
	bool is;
};

static int take_kind(const struct nlmsghdr *h, void *data)
{
	const struct nlattr *a, *k;
	struct kind *kind = data;

	mnl_attr_for_each(a, h, sizeof(struct ifinfomsg)) {
		if (mnl_attr_get_type(a) != IFLA_LINKINFO)
			continue;
		mnl_attr_for_each_nested(k, a)
			if (mnl_attr_get_type(k) == IFLA_INFO_KIND)
				kind->is = str_eq(mnl_attr_get_str(k), kind->want);
	}
	return MNL_CB_OK;
}

bool link_is(struct nl *n, const char *name, const char *kind)
{
	struct kind k = { .want = kind };
	struct err ignored = ERR_INIT;

	put_get(n, name, RTEXT_FILTER_SKIP_STATS);
	return nl_query(n, take_kind, &k, &ignored) == 0 && k.is;
}

static int take_counters(const struct nlmsghdr *h, void *data)
{
	struct net_counters *c = data;
	struct rtnl_link_stats64 st;
	const struct nlattr *a;

	mnl_attr_for_each(a, h, sizeof(struct ifinfomsg)) {
		if (mnl_attr_get_type(a) != IFLA_STATS64 ||
		    mnl_attr_get_payload_len(a) < offsetof(struct rtnl_link_stats64, rx_errors))
			continue;
		memcpy(&st, mnl_attr_get_payload(a), offsetof(struct rtnl_link_stats64, rx_errors));
		*c = (struct net_counters){
			.rx_bytes = st.tx_bytes, .rx_packets = st.tx_packets,
			.tx_bytes = st.rx_bytes, .tx_packets = st.rx_packets,
		};
	}
	return MNL_CB_OK;
}

int link_counters(struct nl *n, const char *name, struct net_counters *ret, struct err *e)
{
	struct net_counters c = { 0 };
	int r;

	put_get(n, name, 0);
	r = nl_query(n, take_counters, &c, e);
	if (r == 0)
		*ret = c;
	return r;
}

static int take_master(const struct nlmsghdr *h, void *data)
{
	const struct nlattr *a;

	mnl_attr_for_each(a, h, sizeof(struct ifinfomsg))
		if (mnl_attr_get_type(a) == IFLA_MASTER)
			*(bool *)data = true;
	return MNL_CB_OK;
}

bool link_is_port(struct nl *n, const char *name)
{
	struct err ignored = ERR_INIT;
	bool is = false;

	put_get(n, name, RTEXT_FILTER_SKIP_STATS);
	return nl_query(n, take_master, &is, &ignored) == 0 && is;
}

/*
 * A file that is not there (IPv6 off, an older kernel) is no reason to fail: the addresses
 * that need IPv6 report it, and the filters hold without these.
 */
static void sysctl6(const char *name, const char *key, const char *value)
{
	struct err e = ERR_INIT;
	char path[80];

	if (str_fmt(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/%s", name, key) >= 0)
		(void)!fs_write_at(AT_FDCWD, path, value, &e);
}

void link_sysctl6_routed(const char *name)
{
	sysctl6(name, "accept_ra", "0");
	sysctl6(name, "accept_redirects", "0");
	/*
	 * Without net.ipv6.conf.all.forwarding the host forwards nothing, and switching that on
	 * is the administrator's: it makes the host ignore router advertisements on its uplink.
	 * Since 6.17 a link can forward on its own, which serves traffic between VEs.
	 */
	sysctl6(name, "force_forwarding", "1");
}

void link_sysctl6_proxy(const char *name)
{
	sysctl6(name, "proxy_ndp", "1");
}
