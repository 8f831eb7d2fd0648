/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Networks: etc/berth/networks/NAME.conf, one file each, KEY="value" as in a VE's config. A
 * VE's links name the network they are on. "routed" is there without a file and is the one of
 * whoever names none.
 *
 * What is decided here is written down once; links take it over when they are made. So what
 * shapes a link cannot be changed while a VE runs on it, and a network that a VE names cannot
 * be deleted.
 */
#pragma once

#include "netns/network.h"
#include "netns/range.h"
#include "ve/inst.h"
#include "ve/params.h"

#define NETWORK_DEFAULT "routed"
#define NETWORK_POOLS 8
#define NETWORK_FORWARDS 32
#define NETWORK_TEXT 1024

enum net_row { NR_MODE, NR_BRIDGE, NR_UPLINK, NR_VLAN, NR_TRUNK, NR_POOL, NR_GATEWAY, NR_PROBE,
	       NR_ISOLATED, NR_TRUSTED, NR_FORWARD, NR_HOST_SERVICES,
	       NR_NUMBER, NR_COUNT };

struct net_row_info {
	const char *key, *opt, *json, *arg, *help;
	bool shapes;            /* links are made by it: not while one is up */
};
extern const struct net_row_info net_rows[NR_COUNT];

struct network {
	char name[NETWORK_NAME_LEN];
	char text[NR_COUNT][NETWORK_TEXT];      /* as in the file; "" where it says nothing */
	/* what the texts mean */
	enum net_mode mode;
	uint32_t number;
	char bridge[IFNAMSIZ];                  /* its own or the one it was told; of macvlan the uplink */
	bool own_bridge, probe, isolated, trusted;
	uint16_t vlan;
	struct vlan_range trunk[NET_MAX_VLANS];
	size_t n_trunk;
	struct ip_range pool[NETWORK_POOLS];
	size_t n_pool;
	struct ipaddr gateway[2];
	struct net_forward forward[NETWORK_FORWARDS];
	size_t n_forward;
	struct services services;
};

MUST_CHECK int network_load(const struct inst *in, const char *name, struct network *ret,
			    struct err *e);
bool network_has(const struct network *n, const struct ipaddr *a);
/* The address must be of this network, where it has a pool, and of no other's pool. */
MUST_CHECK int network_check_addr(const struct inst *in, const struct network *n,
				  const struct ipaddr *a, struct err *e);
/* What its VEs may reach of the host, as text; also the default of berth.conf. */
const char *network_services(const struct inst *in, const struct network *n);
const char *network_mode_word(enum net_mode m);

/* What create and set were told: NULL where a row is not mentioned. */
struct network_change {
	const char *text[NR_COUNT];
};
MUST_CHECK int network_create(struct inst *in, const char *name, const struct network_change *c,
			      struct err *e);
MUST_CHECK int network_set(struct inst *in, const char *name, const struct network_change *c,
			   struct err *e);
MUST_CHECK int network_delete(struct inst *in, const char *name, struct err *e);
/* Calls fn for each, the built-in one first; stops at its first non-zero answer. */
MUST_CHECK int network_each(const struct inst *in, int (*fn)(void *arg, const struct network *n),
			    void *arg, struct err *e);
