/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One entry of NETIF, in vzctl's grammar:
 *
 *	ifname=eth1,bridge=br0,mac=M,host_ifname=H,host_mac=M,mac_filter=on
 *
 * Sub-keys stand in any order; those of later vzctls are read too (network, ip_filter, ip, ip6,
 * gw, gw6), device is ours, and what nobody here knows is kept as it is. ip, ip6 and allow may be repeated.
 */
#pragma once

#include <net/if.h>

#include "ve/params.h"

#define NETIF_ALLOWED 8
#define NETIF_NO_INDEX UINT32_MAX

struct netif {
	char ifname[IFNAMSIZ];          /* inside */
	char host_ifname[IFNAMSIZ];     /* "": the usual one */
	char bridge[IFNAMSIZ], network[NETWORK_NAME_LEN];
	char device[IFNAMSIZ];          /* a link of the host that is moved in */
	uint8_t mac[6], host_mac[6];
	bool has_mac, has_host_mac;     /* else they follow from number and index */
	bool mac_open, ip_open;         /* mac_filter=off, ip_filter=off */
	unsigned index;                 /* NETIF_NO_INDEX until it has one */
	struct ip_list ips;
	struct ipaddr gw[2];            /* IPv4, IPv6; family 0: the network's */
	struct ipaddr allow[NETIF_ALLOWED];
	unsigned n_allow;
	char other[160];                /* unknown sub-keys, as they are in the file */
};

/*
 * Take the sub-keys of an entry on top of what f says. 0, -EINVAL or -ERANGE; *ret_want then says
 * what would be accepted.
 */
int netif_take(struct netif *f, const char *text, const char **ret_want);
/* One sub-key whose value is a stranger's: a comma in it begins no other. Errors as above. */
int netif_take_one(struct netif *f, const char *key, const char *value, const char **ret_want);
/* Add it to the entries in dst. 0 or -ENAMETOOLONG */
int netif_append(const struct netif *f, char *dst, size_t size);
/* vzctl's ifname[,mac[,host_ifname[,host_mac[,bridge]]]] as an entry of the file. */
int netif_from_option(const char *text, char *dst, size_t size);
