/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A link of a VE: a pair of which the guest end is born inside the VE's network namespace and
 * the host end is what filters, rates and counters speak of. A VE has up to NET_MAX_LINKS of
 * them, told apart by their index; each is described by one struct net_spec, which is all that
 * making it, changing it and removing it need.
 *
 * Routed, nat and hostonly links have no shared layer 2: one /32 or /128 host route per address,
 * an on-link gateway (169.254.0.1, put once on the host's lo, for which arp_ignore 0 answers on
 * every link, see ip-sysctl.rst; for IPv6 the link-local address of the host end, which follows
 * from its MAC). A bridged link is a port of a bridge.
 *
 * Everything the pair needs disappears with the namespace, except proxy neighbour entries on
 * the uplink and the filter's set elements, which net_down removes. Nothing here grows with the
 * number of VEs.
 */
#pragma once

#include "netns/caps.h"
#include "netns/services.h"
#include "netns/shape.h"
#include "util/err.h"
#include "util/parse.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define NET_MAX_LINKS 8
#define NET_MAX_VLANS 16

enum net_mode {
	NET_ROUTED,             /* host routes, answered for on the uplink */
	NET_NAT,                /* host routes, hidden behind an address of the host */
	NET_HOSTONLY,           /* host routes, reaches its network and the host only */
	NET_BRIDGED,            /* a port of a bridge */
	NET_MACVLAN,            /* past the host, by one of its links (direct.h) */
	NET_DEVICE,             /* a link of the host itself */
};

enum net_flags {
	NET_MAC_OPEN = 1 << 0,  /* any MAC address may send */
	NET_IP_OPEN = 1 << 1,   /* any IP address may send */
	NET_DEFAULT4 = 1 << 2,  /* the VE's default route is by this link */
	NET_DEFAULT6 = 1 << 3,
	NET_ISOLATED = 1 << 4,  /* a port that other isolated ports cannot reach */
	NET_DOOR = 1 << 5,      /* no VE's: leads to a closed namespace (door.h) */
};

/* Are there others on layer 2, and prefixes that say who? */
bool net_on_wire(enum net_mode mode);

/* What comes to a port of the host goes to a VE behind it. */
struct net_forward {
	uint8_t proto;                  /* IPPROTO_TCP or UDP */
	uint16_t port, to_port;
	struct in_addr to;
};

struct vlan_range {
	uint16_t first, last;
};

struct net_spec {
	uint32_t veid;
	unsigned index;                 /* of the VE's links; the first is 0 */
	enum net_mode mode;
	unsigned flags;
	char table[32];                 /* name of the instance's nftables table, e.g. "berth" */
	char host_name[IFNAMSIZ];       /* host end, see net_host_name */
	char guest_name[IFNAMSIZ];      /* "eth0" */
	char bridge[IFNAMSIZ];          /* of a bridged link; of one past the host: that link of the host */
	uint8_t host_mac[6], guest_mac[6];
	const struct ipaddr *addrs;     /* addresses the VE may use */
	size_t n_addrs;
	struct shape shape;             /* its rates */
	struct caps caps;
	const struct ipaddr *allowed;   /* networks it may send from besides, such as a container's */
	size_t n_allowed;
	const struct ipaddr *nets;      /* networks behind a link that is not the VE's first */
	size_t n_nets;
	struct ipaddr gateway[2];       /* of a link on a wire, IPv4 and IPv6; family 0: none */
	uint32_t group;                 /* its network, see net_group */
	const struct services *services;        /* of the host that it may reach; NULL: none */
	uint16_t vlan;                  /* of a bridged link: untagged frames are of it; 0: none */
	struct vlan_range trunk[NET_MAX_VLANS];         /* and these it may tag itself */
	size_t n_trunk;
};

/*
 * veth101.0 for the default instance (tag ""), b3f2.101.0 for others. A tag has at most four
 * characters; where a large number would not fit, number and index (then below 16) are hex.
 */
void net_host_name(char dst[IFNAMSIZ], const char *tag, uint32_t veid, unsigned index);

/* FNV-1a of 64 bits, begun with NET_HASH, or gone on with. */
#define NET_HASH UINT64_C(0xcbf29ce484222325)
uint64_t net_hash(uint64_t h, const void *data, size_t len);

/* What the kernel shall call the group of a network's links: the number, apart from other instances'. */
uint32_t net_group(const char *table, uint32_t number);

/* Stable locally administered MACs from instance tag, VE number and link index. */
void net_macs(const char *tag, uint32_t veid, unsigned index, uint8_t host[6], uint8_t guest[6]);

/*
 * Make the link: filters for its name first, then the pair (down), the host's side of it, then
 * addresses and routes in the VE. netns is an open fd of the VE's network namespace. All or
 * nothing.
 */
MUST_CHECK int net_up(const struct net_spec *s, int netns, struct err *e);

/*
 * The same link for a virtual machine: a tap device of the host in place of the pair, *ret_tap
 * its other end. It goes away when the last to hold that closes it. Inside, the machine's own
 * agent sets the addresses: pass netns -1 to the functions below.
 */
MUST_CHECK int net_up_tap(const struct net_spec *s, int *ret_tap, struct err *e);

/*
 * Remove link, proxy entries and filter elements; whatever is not there is fine. Goes on after a
 * failure and returns the first: something may be left then, to be removed by another call.
 */
int net_down(const struct net_spec *s);

/*
 * Tell the uplink's wire that a routed link's addresses are here now, and the bridge that a machine's
 * are (tap: the end that net_up_tap gave, or -1); net_up does so for a container's. Closing the
 * socket for an uplink waits for a grace period of RCU, so it is for when nobody waits any more.
 */
void net_announce(const struct net_spec *s, int tap);
/* Tell the bridge one address that a running machine has got; pid, pidfd: who holds the other end. */
void net_announce_machine(const struct net_spec *s, const struct ipaddr *a, pid_t pid, int pidfd);
/* The link of the host that leads to others who may have the address; false: none. */
bool net_uplink(const struct ipaddr *a, char ret[IFNAMSIZ]);

/*
 * Does the uplink answer for all addresses of a routed link: 1 or 0. With mend it does afterwards:
 * the kernel drops its proxy entries when it goes down (not with its carrier: 6.1, 6.18).
 */
MUST_CHECK int net_answers(const struct net_spec *s, bool mend, struct err *e);

/* One address on a running VE: route, proxy entry, filter element, address and route inside. */
MUST_CHECK int net_addr_add(const struct net_spec *s, int netns, const struct ipaddr *a,
			    struct err *e);
MUST_CHECK int net_addr_del(const struct net_spec *s, int netns, const struct ipaddr *a,
			    struct err *e);

/* Switches and allowed networks of a link, while it is up; nothing else differs. */
MUST_CHECK int net_switch(const struct net_spec *from, const struct net_spec *to, struct err *e);

/* Of a link that stays: the VE's default route is by it now, or no longer; its addresses are to's. */
MUST_CHECK int net_default(const struct net_spec *from, const struct net_spec *to, int netns,
			   struct err *e);

/*
 * Forwards of a nat network, after its first link is up: those that go (NULL: none), those that
 * come. Without any link yet there is nothing to change, which is fine.
 */
struct net_forwards {
	const struct net_forward *a;
	size_t n;
};
MUST_CHECK int net_forward(const char *table, struct net_forwards gone, struct net_forwards come,
			   struct err *e);

/* Make all links of a network obey another list, in one step. Without any link yet: fine. */
MUST_CHECK int net_serve(const char *table, uint32_t group, const struct services *to,
			 struct err *e);

/* Gateway of the VE for IPv6: the link-local address that follows from the host end's MAC. */
struct ipaddr net_gateway6(const uint8_t host_mac[6]);

/* true when the address is one of the host's own (a route lookup, not a scan). */
bool net_is_host_addr(const struct ipaddr *a);

/* Make a link that is up obey its caps. */
MUST_CHECK int net_cap(const struct net_spec *s, struct err *e);

/* As the VE sees them. */
struct net_counters { uint64_t rx_bytes, rx_packets, tx_bytes, tx_packets; };
/* Is the link in a bridge? */
bool net_is_port(const char *host_name);
int net_read_counters(const char *host_name, struct net_counters *ret);
