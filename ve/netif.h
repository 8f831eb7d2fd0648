/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NETIF: the links of a VE beyond what IP_ADDRESS and NETWORK say, in vzctl's grammar:
 *
 *	ifname=eth1,bridge=br0,mac=M,host_ifname=H,host_mac=M,mac_filter=on;ifname=eth2,...
 *
 * Sub-keys stand in any order; those of later vzctls are read too (network, ip_filter, ip, ip6,
 * gw, gw6), device is ours, and what nobody here knows is kept as it is. ip, ip6 and allow may be repeated.
 *
 * A VE always has eth0. Its entry in NETIF may be missing, and its addresses are IP_ADDRESS.
 */
#pragma once

#include "netns/network.h"
#include "ve/params.h"

#define NETIF_ALLOWED 8
#define NETIF_FIRST "eth0"

struct netif {
	char ifname[IFNAMSIZ];          /* inside */
	char host_ifname[IFNAMSIZ];     /* "": the usual one */
	char bridge[IFNAMSIZ], network[NETWORK_NAME_LEN];
	char device[IFNAMSIZ];          /* a link of the host that is moved in */
	uint8_t mac[6], host_mac[6];
	bool has_mac, has_host_mac;     /* else they follow from number and index */
	bool mac_open, ip_open;         /* mac_filter=off, ip_filter=off */
	unsigned index;
	struct ip_list ips;
	struct ipaddr gw[2];            /* IPv4, IPv6; family 0: the network's */
	struct ipaddr allow[NETIF_ALLOWED];
	unsigned n_allow;
	char other[160];                /* unknown sub-keys, as they are in the file */
};

struct netif_list {
	unsigned n;
	struct netif a[NET_MAX_LINKS];
};

/* Text of the file. 0, -EINVAL or -ERANGE; *ret_want then says what would be accepted. */
int netif_parse(const char *text, struct netif_list *ret, const char **ret_want);
/* 0 or -ENAMETOOLONG */
int netif_format(const struct netif_list *l, char *dst, size_t size);
struct netif *netif_find(struct netif_list *l, const char *ifname);

/* What `set` and `create` were told about links; deletions come first. */
struct netif_change {
	bool del_all;
	char del[256];                  /* names, blank separated */
	char del_device[256];           /* the same, of the host's links */
	char add[1024];                 /* entries in the grammar of the file */
	char ifname[IFNAMSIZ];          /* --ifname: the link that edit is about */
	char edit[1024];                /* sub-keys that replace those of that link */
};

struct ve_change;
struct ve_conf;

bool netif_change_empty(const struct netif_change *c);
/* Are the addresses and the network that it names those of --ifname, not of the first link? */
bool netif_change_is_for(const struct netif_change *c);
/* Work what it says about links into c->netif. */
MUST_CHECK int netif_apply(struct ve_conf *c, const struct ve_change *change, struct err *e);
/* vzctl's ifname[,mac[,host_ifname[,host_mac[,bridge]]]] as an entry of the file. */
int netif_from_option(const char *text, char *dst, size_t size);
/* Every address of a VE, on whichever link: IP_ADDRESS and the ip= of NETIF. */
MUST_CHECK int netif_all_ips(const struct ip_list *ips, const char *netif, struct ip_list *ret,
			     struct err *e);

extern const struct ptype ptype_netif;
