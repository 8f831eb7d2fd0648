/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VE's routed link: a veth pair whose guest end (eth0) is born inside the VE's network
 * namespace, one /32 or /128 host route per address, an on-link gateway, no shared layer 2.
 * Everything the pair needs disappears with the namespace, except proxy neighbour entries on
 * the uplink and the filter's set elements, which net_down removes.
 *
 * The gateway is 169.254.0.1, put once on the host's lo (arp_ignore 0 answers for it on every
 * link, see ip-sysctl.rst), and for IPv6 the link-local address of the host end, which follows
 * from its MAC. Nothing here grows with the number of VEs.
 */
#pragma once

#include "netns/shape.h"
#include "util/err.h"
#include "util/parse.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct net_spec {
	uint32_t veid;
	char table[32];                 /* name of the instance's nftables table, e.g. "berth" */
	char host_name[IFNAMSIZ];       /* host end, see net_host_name */
	char guest_name[IFNAMSIZ];      /* "eth0" */
	uint8_t host_mac[6], guest_mac[6];
	const struct ipaddr *addrs;     /* addresses the VE may use */
	size_t n_addrs;
	struct shape shape;             /* its rates */
};

/*
 * veth101.0 for the default instance (tag ""), b3f2.101.0 for others. A tag has at most four
 * characters; where a large number would not fit, number and index (then below 16) are hex.
 */
void net_host_name(char dst[IFNAMSIZ], const char *tag, uint32_t veid, unsigned index);

/* Stable locally administered MACs from instance tag, VE number and link index. */
void net_macs(const char *tag, uint32_t veid, unsigned index, uint8_t host[6], uint8_t guest[6]);

/*
 * Make the link: filters for its name first, then the pair (down), the host's side of it, then
 * addresses and routes in the VE. netns is an open fd of the VE's network namespace. All or
 * nothing.
 */
MUST_CHECK int net_up(const struct net_spec *s, int netns, struct err *e);

/* Remove link, proxy entries and filter elements; whatever is not there is fine. */
void net_down(const struct net_spec *s);

/* One address on a running VE: route, proxy entry, filter element, address and route inside. */
MUST_CHECK int net_addr_add(const struct net_spec *s, int netns, const struct ipaddr *a,
			    struct err *e);
MUST_CHECK int net_addr_del(const struct net_spec *s, int netns, const struct ipaddr *a,
			    struct err *e);

/* Gateway of the VE for IPv6: the link-local address that follows from the host end's MAC. */
struct ipaddr net_gateway6(const uint8_t host_mac[6]);

/* true when the address is one of the host's own (a route lookup, not a scan). */
bool net_is_host_addr(const struct ipaddr *a);

/* As the VE sees them. */
struct net_counters { uint64_t rx_bytes, rx_packets, tx_bytes, tx_packets; };
int net_read_counters(const char *host_name, struct net_counters *ret);
