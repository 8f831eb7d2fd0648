/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables of one name in several families: inet, for what a VE sends as IPv4 and IPv6 by a routed
 * link; arp, because ARP never reaches an inet chain; bridge, for every frame a bridged link
 * sends. On a routed link there is no neighbour to deceive; what the arp table stops is a VE
 * filling the host's neighbour table, whose size all VEs share, with addresses that are not its
 * own (rp_filter would stop it too, but udev may loosen that). Other frames (VLAN, LLDP, STP,
 * MPLS, 802.3) have no receiver on the host side of such a link.
 *
 * A packet from a VE costs a few set look-ups and comparisons, any other packet one look-up.
 * Elements are keyed by link name and not by index: the name is known before the link exists,
 * so the guard stands before the link does and falls after it.
 *
 * Order matters: nothing of a guarded link passes before its MAC is checked, alone or with its
 * address, and the last rule drops. A VE is neither router (RA, redirect) nor DHCP server to what
 * is behind its link.
 */
#include "netns/nf-rules.h"

#include <linux/if_ether.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter_arp.h>
#include <linux/netfilter_ipv4.h>
#include <linux/rtnetlink.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

/* Numbers of nft's data types; only `nft list` reads them, to print elements as text. */
enum { T_IP4 = 7, T_IP6 = 8, T_MAC = 9, T_PROTO = 12, T_PORT = 13, T_MARK = 19, T_GROUP = 35,
       T_IFNAME = 41 };
#define CONCAT(a, b) ((a) << 6 | (b))
#define NAME IFNAMSIZ

const struct nf_set nf_sets[S_COUNT] = {
	[S_LINKS] = { "links", T_IFNAME, NAME, { 0 }, 0, 0 },
	[S_MACS] = { "macs", CONCAT(T_IFNAME, T_MAC), NAME + 8, { 0 }, 0, 0 },
	[S_SRC4] = { "src4", CONCAT(T_IFNAME, T_IP4), NAME + 4, { 0 }, 0, 0 },
	[S_SRC6] = { "src6", CONCAT(T_IFNAME, T_IP6), NAME + 16, { 0 }, 0, 0 },
	[S_ANY_MAC] = { "any_mac", T_IFNAME, NAME, { 0 }, 0, 0 },
	[S_ANY_IP] = { "any_ip", T_IFNAME, NAME, { 0 }, 0, 0 },
	[S_MORE4] = { "more4", CONCAT(T_IFNAME, T_IP4), NAME + 4, { NAME, 4 }, 0, 0 },
	[S_MORE6] = { "more6", CONCAT(T_IFNAME, T_IP6), NAME + 16, { NAME, 16 }, 0, 0 },
	[S_QUICK4] = { "quick4", CONCAT(CONCAT(T_IFNAME, T_MAC), T_IP4), NAME + 12, { 0 }, 0, 0 },
	[S_QUICK6] = { "quick6", CONCAT(CONCAT(T_IFNAME, T_MAC), T_IP6), NAME + 24, { 0 }, 0, 0 },
	[S_TRUNK] = { "trunk", CONCAT(T_IFNAME, T_PORT), NAME + 4, { 0 }, 0, 0 },
	[S_SAME] = { "same", CONCAT(T_GROUP, T_GROUP), 8, { 0 }, 0, 0 },
	[S_CLOSED] = { "closed", T_IFNAME, NAME, { 0 }, 0, 0 },
	[S_HIDDEN] = { "hidden", T_IFNAME, NAME, { 0 }, 0, 0 },
	[S_FORWARDS] = { "forwards", CONCAT(T_PROTO, T_PORT), 8, { 0 }, CONCAT(T_IP4, T_PORT), 8 },
	[S_DOORS] = { "doors", T_IFNAME, NAME, { 0 }, 0, 0 },
	[S_FLOWS] = { "flows", T_IFNAME, NAME, { 0 }, 0, 0 },
	[S_ENTRIES] = { "entries", T_IFNAME, NAME, { 0 }, 0, 0 },
	[S_MAIL] = { "mail", T_IFNAME, NAME, { 0 }, 0, 0 },
	[S_GUESTS] = { "guests", T_IFNAME, NAME, { 0 }, NFT_DATA_VERDICT, 16 },
	[S_PORTS] = { "ports", T_MAC, 6, { 0 }, NFT_DATA_VERDICT, 16 },
	[S_LISTS] = { "lists", T_GROUP, 4, { 0 }, T_MARK, 4 },
	[S_LISTED] = { "listed", T_PORT, 2, { 0 }, 0, 0 },
	[S_VE4] = { "ve4", T_IP4, 4, { 0 }, 0, 0 },
	[S_VE6] = { "ve6", T_IP6, 16, { 0 }, 0, 0 },
	[S_ASKED4] = { "asked4", CONCAT(T_IP4, T_PORT), 8, { 0 }, 0, 0 },
	[S_ASKED6] = { "asked6", CONCAT(T_IP6, T_PORT), 20, { 0 }, 0, 0 },
};

/* linux/netfilter_bridge.h has them, but cannot stand beside net/if.h. */
enum { NF_BR_PRE_ROUTING = 0, NF_BR_LOCAL_IN = 1 };

#define PRIORITY NF_IP_PRI_RAW  /* before connection tracking: a spoofed packet leaves no trace */

#define NONE6 IS(16, 0)
#define VLAN_TAG ETHER(12, 2, FIRST)
/* Neighbour solicitation and advertisement (RFC 4861, 4.3 and 4.4) */
#define NEIGHBOUR PROTO(IPPROTO_ICMPV6), TRANSPORT(0, 1, FIRST), ABOVE(1, 134), BELOW(1, 137)
#define ND_LENGTH NETWORK(4, 2, FIRST)

/*
 * Every ND type in fragments is dropped: its rest could not be looked at, and hosts ignore it
 * (RFC 6980). Fragments carry an upper layer, no further headers that could hide it: what stands
 * behind a packet's end could be read in their place on a bridge. A first fragment that does not
 * reach to the upper layer's header is not READABLE and meets the last rule (RFC 7113).
 */
#define COMMON_DROPS                                                                          \
	{ PROTO(IPPROTO_UDP), TO_PORT(68), DROP },                                            \
	{ PROTO(IPPROTO_UDP), TO_PORT(546), DROP },                                           \
	{ PROTO(IPPROTO_ICMP), ICMP_TYPE(ICMP_REDIRECT), DROP },                              \
	{ PROTO(IPPROTO_ICMPV6), ICMP_TYPE(ND_ROUTER_ADVERT), DROP },                         \
	{ PROTO(IPPROTO_ICMPV6), ICMP_TYPE(ND_REDIRECT), DROP },                              \
	{ NEIGHBOUR, FRAGMENT, DROP },                                                        \
	{ FRAGMENT_OF, IS_NOT(1, IPPROTO_TCP), IS_NOT(1, IPPROTO_UDP), IS_NOT(1, IPPROTO_ICMPV6),\
	  IS_NOT(1, IPPROTO_ESP), IS_NOT(1, IPPROTO_GRE), IS_NOT(1, IPPROTO_IPIP),            \
	  IS_NOT(1, IPPROTO_IPV6), IS_NOT(1, IPPROTO_SCTP), DROP }

/*
 * Most packets need one look-up: link, MAC and address together are the VE's, and no other rule is
 * about what they carry. A next header of TCP or UDP says that IPv6 hides nothing, a port that is
 * there that this is no later fragment. What does not match goes by all rules, so that the group,
 * which spares what comes from outside the look-up, decides nothing.
 */
#define OF_VE META(NFT_META_IIFGROUP, FIRST), IS_NOT(4, 0)
#define NEXT_HEADER(p) NETWORK(6, 1, FIRST), IS(1, p)
#define NO_DHCP TRANSPORT(2, 2, FIRST), IS_NOT(2, 0, 67), IS_NOT(2, 0, 68), \
	IS_NOT(2, 546 >> 8, 546 & 255)
#define KNOWN4 LINK, ETHER(6, 6, SECOND), NETWORK(12, 4, THIRD), IN_SET("quick4"), PASS
#define KNOWN6 LINK, ETHER(6, 6, SECOND), NETWORK(8, 16, THIRD), IN_SET("quick6"), PASS

#define QUICK_PASS(type)                                                                      \
	{ OF_VE, type(ETH_P_IP), PROTO(IPPROTO_TCP), KNOWN4 },                                \
	{ OF_VE, type(ETH_P_IPV6), NEXT_HEADER(IPPROTO_TCP), KNOWN6 },                        \
	{ OF_VE, type(ETH_P_IP), PROTO(IPPROTO_UDP), NO_DHCP, KNOWN4 },                       \
	{ OF_VE, type(ETH_P_IPV6), NEXT_HEADER(IPPROTO_UDP), NO_DHCP, KNOWN6 }

/*
 * At most one option, and a link-layer address in it is the link's own; who advertises an
 * address, or looks for duplicates of it, has it.
 */
#define ND_DROPS \
	{ NEIGHBOUR, ND_LENGTH, ABOVE(2, 0, 32), DROP }, \
	{ NEIGHBOUR, ND_LENGTH, IS(2, 0, 32), TRANSPORT(24, 1, FIRST), ABOVE(1, 2), \
	  IS_NOT(1, 14), DROP }, \
	{ NEIGHBOUR, TRANSPORT(24, 1, FIRST), BELOW(1, 3), LINK, TRANSPORT(26, 6, SECOND), \
	  NOT_IN_SET("macs"), LINK, NOT_IN_SET("any_mac"), DROP }, \
	{ PROTO(IPPROTO_ICMPV6), ICMP_TYPE(ND_NEIGHBOR_ADVERT), LINK, TRANSPORT(8, 16, SECOND), \
	  NOT_IN_SET("src6"), LINK, NOT_IN_SET("any_ip"), DROP }, \
	{ PROTO(IPPROTO_ICMPV6), ICMP_TYPE(ND_NEIGHBOR_SOLICIT), NETWORK(8, 16, FIRST), NONE6, \
	  LINK, TRANSPORT(8, 16, SECOND), NOT_IN_SET("src6"), LINK, NOT_IN_SET("any_ip"), DROP }

static const struct nf_expr from_routed[][NF_RULE_MAX] = {
	QUICK_PASS(PROTOCOL),
	{ LINK, NOT_IN_SET("links"), PASS },
	{ LINK, ETHER(6, 6, SECOND), NOT_IN_SET("macs"), LINK, NOT_IN_SET("any_mac"), DROP },
	COMMON_DROPS,
	ND_DROPS,
	{ FAMILY(NFPROTO_IPV4), LINK, NETWORK(12, 4, SECOND), IN_SET("src4"), PASS },
	{ FAMILY(NFPROTO_IPV6), READABLE, LINK, NETWORK(8, 16, SECOND), IN_SET("src6"), PASS },
	{ FAMILY(NFPROTO_IPV6), LATER_FRAGMENT, LINK, NETWORK(8, 16, SECOND), IN_SET("src6"),
	  PASS },
	/* The unspecified address: duplicate detection and multicast reports. */
	{ FAMILY(NFPROTO_IPV6), PROTO(IPPROTO_ICMPV6), NETWORK(8, 16, FIRST), NONE6, PASS },
	{ FAMILY(NFPROTO_IPV4), LINK, NETWORK(12, 4, SECOND), IN_SET("more4"), PASS },
	{ FAMILY(NFPROTO_IPV6), READABLE, LINK, NETWORK(8, 16, SECOND), IN_SET("more6"), PASS },
	{ FAMILY(NFPROTO_IPV6), LATER_FRAGMENT, LINK, NETWORK(8, 16, SECOND), IN_SET("more6"),
	  PASS },
	{ FAMILY(NFPROTO_IPV4), LINK, IN_SET("any_ip"), PASS },
	{ FAMILY(NFPROTO_IPV6), READABLE, LINK, IN_SET("any_ip"), PASS },
	{ FAMILY(NFPROTO_IPV6), LATER_FRAGMENT, LINK, IN_SET("any_ip"), PASS },
	{ DROP },
};

/* ARP over Ethernet and IPv4 (RFC 826): sender hardware address at 8, protocol address at 14. */
static const struct nf_expr from_arp[][NF_RULE_MAX] = {
	{ LINK, NOT_IN_SET("links"), PASS },
	{ LINK, NETWORK(8, 6, SECOND), NOT_IN_SET("macs"), LINK, NOT_IN_SET("any_mac"), DROP },
	{ LINK, NETWORK(14, 4, SECOND), IN_SET("src4"), PASS },
	{ LINK, NETWORK(14, 4, SECOND), IN_SET("more4"), PASS },
	{ LINK, IN_SET("any_ip"), PASS },
	{ DROP },
};

#define ARP PROTOCOL(ETH_P_ARP)
#define IP4 PROTOCOL(ETH_P_IP)
#define IP6 PROTOCOL(ETH_P_IPV6)
#define UNTAGGED(p) ETHER(12, 2, FIRST), IS(2, (p) >> 8, (p) & 255)

/*
 * A tag is taken off before a bridge sees a frame, but reads as if it were in its place; a
 * second tag is the protocol then. Only ARP, IPv4 and IPv6 pass.
 */
static const struct nf_expr from_port[][NF_RULE_MAX] = {
	QUICK_PASS(UNTAGGED),
	{ LINK, NOT_IN_SET("links"), PASS },
	{ VLAN_TAG, IS(2, 0x88, 0xa8), DROP },
	{ VLAN_TAG, IS(2, 0x81, 0x00), LINK, ETHER(14, 2, SECOND), MASK(SECOND, 2, 0x0f, 0xff),
	  NOT_IN_SET("trunk"), DROP },
	{ LINK, ETHER(6, 6, SECOND), NOT_IN_SET("macs"), LINK, NOT_IN_SET("any_mac"), DROP },

	{ ARP, NETWORK(0, 6, FIRST), IS_NOT(6, 0, 1, 8, 0, 6, 4), DROP },
	{ ARP, LINK, NETWORK(8, 6, SECOND), NOT_IN_SET("macs"), LINK, NOT_IN_SET("any_mac"), DROP },
	{ ARP, LINK, NETWORK(14, 4, SECOND), IN_SET("src4"), PASS },
	{ ARP, LINK, NETWORK(14, 4, SECOND), IN_SET("more4"), PASS },
	/* a probe (RFC 5227) claims nothing */
	{ ARP, NETWORK(6, 2, FIRST), IS(2, 0, 1), NETWORK(14, 4, FIRST), IS(4, 0), PASS },

	COMMON_DROPS,
	/* DHCP requests for a made-up client (chaddr, RFC 2131) would exhaust its server */
	{ PROTO(IPPROTO_UDP), TO_PORT(67), LINK, TRANSPORT(36, 6, SECOND), NOT_IN_SET("macs"),
	  LINK, NOT_IN_SET("any_mac"), DROP },
	{ IP4, LINK, NETWORK(12, 4, SECOND), IN_SET("src4"), PASS },
	{ IP4, PROTO(IPPROTO_UDP), TO_PORT(67), NETWORK(12, 4, FIRST), IS(4, 0), PASS },
	{ IP4, LINK, NETWORK(12, 4, SECOND), IN_SET("more4"), PASS },

	ND_DROPS,
	{ IP6, READABLE, LINK, NETWORK(8, 16, SECOND), IN_SET("src6"), PASS },
	{ IP6, LATER_FRAGMENT, LINK, NETWORK(8, 16, SECOND), IN_SET("src6"), PASS },
	{ IP6, PROTO(IPPROTO_ICMPV6), NETWORK(8, 16, FIRST), NONE6, PASS },
	{ IP6, READABLE, LINK, NETWORK(8, 16, SECOND), IN_SET("more6"), PASS },
	{ IP6, LATER_FRAGMENT, LINK, NETWORK(8, 16, SECOND), IN_SET("more6"), PASS },

	{ ARP, LINK, IN_SET("any_ip"), PASS },
	{ IP4, LINK, IN_SET("any_ip"), PASS },
	{ IP6, READABLE, LINK, IN_SET("any_ip"), PASS },
	{ IP6, LATER_FRAGMENT, LINK, IN_SET("any_ip"), PASS },
	{ DROP },
};

/*
 * Frames to the reserved group addresses (802.1D, 7.12.6) reach the host past the first chain. What
 * bears another MAC than the link's may go to the wire, where any may send, but not to the host:
 * that would take it for another's.
 */
static const struct nf_expr to_bridge[][NF_RULE_MAX] = {
	{ LINK, NOT_IN_SET("links"), PASS },
	{ ETHER(0, 5, FIRST), IS(5, 0x01, 0x80, 0xc2, 0x00, 0x00), DROP },
	{ LINK, ETHER(6, 6, SECOND), NOT_IN_SET("macs"), DROP },
};

/* Two links of one network: the kernel's group of a link is its network (IFLA_GROUP). */
#define BOTH_LINKS META(NFT_META_IIFGROUP, FIRST), META(NFT_META_OIFGROUP, NFT_REG32_01), \
	IN_SET("same")

static const struct nf_expr between[][NF_RULE_MAX] = {
	{ BOTH_LINKS, PASS },
	{ LINK, IN_SET("closed"), DROP },
	{ OUT_LINK, IN_SET("closed"), DROP },
};

#define CT_BITS(k, bits) CT(k), MASK(FIRST, 4, (bits) & 255), IS_NOT(4, 0)

/* Into a network behind an address only what it asked for, and what is forwarded. */
static const struct nf_expr into_hidden[][NF_RULE_MAX] = {
	{ OUT_LINK, NOT_IN_SET("hidden"), PASS },
	{ BOTH_LINKS, PASS },
	{ CT_BITS(NFT_CT_STATE, NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED)),
	  PASS },
	{ CT_BITS(NFT_CT_STATUS, IPS_DST_NAT), PASS },
	{ DROP },
};

static const struct nf_expr hide[][NF_RULE_MAX] = {
	{ LINK, NOT_IN_SET("hidden"), PASS },
	{ BOTH_LINKS, PASS },
	{ { .kind = X_MASQUERADE } },
};

static const struct nf_expr forward[][NF_RULE_MAX] = {
	{ FAMILY(NFPROTO_IPV4), { .kind = X_FIB_LOCAL }, IS(4, RTN_LOCAL),
	  META(NFT_META_L4PROTO, FIRST), TRANSPORT(2, 2, NFT_REG32_01),
	  MAP("forwards", FIRST, SECOND), { .kind = X_DNAT } },
};

/* Who comes by a door looks like our end of it; the host's own processes may come, too. */
static const struct nf_expr by_door[][NF_RULE_MAX] = {
	{ OUT_LINK, NOT_IN_SET("doors"), PASS },
	{ { .kind = X_MASQUERADE } },
};

/*
 * Behind connection tracking, which has found the flow, and before translation; a flow dropped
 * here is never entered. What a VE is asked from outside takes an entry too.
 */
#define NOT_NEW CT(NFT_CT_STATE), MASK(FIRST, 4, NF_CT_STATE_BIT(IP_CT_NEW)), IS(4, 0)

static const struct nf_expr caps_out[][NF_RULE_MAX] = {
	{ NOT_NEW, PASS },
	{ LINK, IN_SET("flows"), DROP },
	{ PROTO(IPPROTO_TCP), TO_PORT(25), LINK, IN_SET("mail"), DROP },
	{ LINK, IN_SET("entries"), DROP },
};
static const struct nf_expr caps_in[][NF_RULE_MAX] = {
	{ NOT_NEW, PASS },
	{ OUT_LINK, IN_SET("entries"), DROP },
};

static const enum nf_set_id sets_inet[] = { S_LINKS, S_MACS, S_SRC4, S_SRC6, S_ANY_MAC, S_ANY_IP, S_MORE4,
					    S_MORE6, S_QUICK4, S_QUICK6 };
static const enum nf_set_id sets_arp[] = { S_LINKS, S_MACS, S_SRC4, S_ANY_MAC, S_ANY_IP, S_MORE4 };
static const enum nf_set_id sets_bridge[] = { S_LINKS, S_MACS, S_SRC4, S_SRC6, S_ANY_MAC, S_ANY_IP, S_MORE4,
					      S_MORE6, S_TRUNK, S_QUICK4, S_QUICK6 };
static const enum nf_set_id sets_closed[] = { S_SAME, S_CLOSED };
static const enum nf_set_id sets_nat[] = { S_HIDDEN, S_FORWARDS };

static const struct nf_chain chains_inet[] = {
	{ "from_ve", "filter", NF_INET_PRE_ROUTING, PRIORITY, RULES(from_routed) },
};
static const struct nf_chain chains_arp[] = {
	{ "from_ve", "filter", NF_ARP_IN, PRIORITY, RULES(from_arp) },
};
static const struct nf_chain chains_bridge[] = {
	{ "to_host", "filter", NF_BR_LOCAL_IN, PRIORITY, RULES(to_bridge) },
	{ "from_ve", "filter", NF_BR_PRE_ROUTING, PRIORITY, RULES(from_port) },
};
static const struct nf_chain chains_closed[] = {
	{ "between", "filter", NF_INET_FORWARD, PRIORITY, RULES(between) },
};
static const struct nf_chain chains_nat[] = {
	{ "hide", "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC, RULES(hide) },
	{ "forward", "nat", NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST, RULES(forward) },
	{ "into_hidden", "filter", NF_INET_FORWARD, NF_IP_PRI_FILTER, RULES(into_hidden) },
};

static const enum nf_set_id sets_door[] = { S_DOORS };
static const struct nf_chain chains_door[] = {
	{ "by_door", "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC, RULES(by_door) },
	{ "forward_own", "nat", NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST, RULES(forward) },
};

static const enum nf_set_id sets_caps[] = { S_FLOWS, S_ENTRIES, S_MAIL };
static const struct nf_chain chains_caps[] = {
	{ "out", "filter", NF_INET_PRE_ROUTING, NF_IP_PRI_MANGLE, RULES(caps_out) },
	{ "in", "filter", NF_INET_POST_ROUTING, NF_IP_PRI_MANGLE, RULES(caps_in) },
};

static const struct nf_family routed[] = {
	{ NFPROTO_INET, RULES(sets_inet), RULES(chains_inet) },
	{ NFPROTO_ARP, RULES(sets_arp), RULES(chains_arp) },
};
static const struct nf_family bridged[] = {
	{ NFPROTO_BRIDGE, RULES(sets_bridge), RULES(chains_bridge) },
};
static const struct nf_family closed[] = {
	{ NFPROTO_INET, RULES(sets_closed), RULES(chains_closed) },
};
static const struct nf_family nat[] = {
	{ NFPROTO_INET, RULES(sets_nat), RULES(chains_nat) },
};

static const struct nf_family door[] = {
	{ NFPROTO_INET, RULES(sets_door), RULES(chains_door) },
};

static const struct nf_family caps[] = {
	{ NFPROTO_INET, RULES(sets_caps), RULES(chains_caps) },
};

const struct nf_part nf_parts[NF_PARTS] = {
	[NF_ROUTED] = { RULES(routed) },
	[NF_BRIDGED] = { RULES(bridged) },
	[NF_CLOSED] = { RULES(closed) },
	[NF_NAT] = { RULES(nat) },
	[NF_DOOR] = { RULES(door) },
	[NF_CAPS] = { RULES(caps) },
	[NF_HOST] = { RULES(nf_host) },
};
