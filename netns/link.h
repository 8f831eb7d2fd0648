/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Links by rtnetlink (rtnetlink(7), linux/if_link.h). The put functions queue on a struct nl. */
#pragma once

#include "netns/network.h"
#include "netns/nl.h"

/*
 * Create the pair of s, both ends down: the host end here, the guest end born inside netns.
 * Moving an end later would cost an RCU grace period (17 ms against 0.6).
 */
void link_put_veth(struct nl *n, const struct net_spec *s, int netns);
/* Create an ifb, the intermediate queue for what a link receives. */
void link_put_ifb(struct nl *n, const char *name);
/* Delete by name; a link that is not there is fine. */
void link_put_del(struct nl *n, const char *name);
void link_put_up(struct nl *n, const char *name);
/* See net_group; a pair is born in its. */
void link_put_group(struct nl *n, const char *name, uint32_t group);
/* IPv4: forward what comes in, strict source check, no redirects in either direction. */
void link_put_routed(struct nl *n, const char *name);
/* The kernel makes no IPv6 link-local address itself; one is set explicitly, without DAD. */
void link_put_no_autoaddr(struct nl *n, const char *name);

/* A bridge without spanning tree; with vlans it looks at 802.1Q tags. */
void link_put_bridge(struct nl *n, const char *name, bool vlans);
/* Make the link a port of the bridge. */
void link_put_master(struct nl *n, const char *name, unsigned bridge);
void link_put_port(struct nl *n, const char *name, bool learn, bool isolated);
/* The port is of no VLAN / of these, untagged (and the one of untagged frames) or tagged. */
void link_put_port_vlan_none(struct nl *n, unsigned index);
void link_put_port_vlan(struct nl *n, unsigned index, struct vlan_range vlans, bool untagged);
/* What the host itself sends and takes by a bridge is of this VLAN. */
void link_put_bridge_vlan(struct nl *n, unsigned index, uint16_t vlan);
/* A forwarding entry that stays and cannot move to another port. */
void link_put_fdb(struct nl *n, unsigned index, const uint8_t mac[6]);

/* Index of the link, or -ENODEV. */
MUST_CHECK int link_index(struct nl *n, const char *name, unsigned *ret, struct err *e);
/* Does it pass frames (RFC 2863's operational state)? 6.18 looks before it answers, 6.1 does not. */
MUST_CHECK int link_is_up(struct nl *n, const char *name, bool *ret, struct err *e);
/* Is it in a bridge? */
bool link_is_port(struct nl *n, const char *name);
/* Is it of this kind, "bridge" or "ifb"? */
bool link_is(struct nl *n, const char *name, const char *kind);
/* Counters of the host end, turned round: what it receives the VE has sent. */
MUST_CHECK int link_counters(struct nl *n, const char *name, struct net_counters *ret,
			     struct err *e);
/* IPv6 settings of the host end that have no netlink form: no RA, no redirects, forward. */
void link_sysctl6_routed(const char *name);
/* Answer for neighbours of others on this link (net.ipv6.conf.NAME.proxy_ndp). */
void link_sysctl6_proxy(const char *name);
