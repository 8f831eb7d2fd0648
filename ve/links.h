/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The links of a VE, as its config and its networks say (links_plan), and what makes a running
 * VE have them (links_up, links_down, links_change).
 *
 * Making and removing links holds the instance's network lock shared; whoever removes what the
 * links of all VEs have in common (table, gateway, bridges) holds it alone.
 */
#pragma once

#include "netns/guestconf.h"
#include "ve/netif.h"
#include "ve/network.h"

struct ve;

/* Specs point into it: fill it where it stays. */
struct links {
	unsigned n;
	struct net_spec a[NET_MAX_LINKS];
	struct network net[NET_MAX_LINKS];
	struct ip_list ips[NET_MAX_LINKS];
	struct ipaddr nets[NET_MAX_LINKS][NETWORK_POOLS];
	struct netif_list conf;
	char fence[NETWORK_NAME_LEN];   /* that all of it is in; "": none */
};

/* What says which links a VE has: three rows of its config, or what it runs with. */
struct links_want {
	const struct ip_list *ips;
	const char *network, *netif;
};
struct links_want links_of_conf(const struct ve *ve);
struct links_want links_of_state(const struct ve *ve);

MUST_CHECK int links_plan(const struct ve *ve, const struct links_want *w, struct links *ret,
			  struct err *e);
/* For undoing: a network that cannot be read is taken for a routed one. */
void links_plan_undo(const struct ve *ve, const struct links_want *w, struct links *ret);

/*
 * Is every name that was asked for on the host's side free there, or of a link of `from` (NULL: none)?
 * An undo removes links by name: it must not come to one that was somebody else's before.
 */
MUST_CHECK int links_check_names(const struct links *from, const struct links *to, struct err *e);

MUST_CHECK int links_up(const struct inst *in, const struct links *l, int netns, struct err *e);
/* For a virtual machine: its end of each link, closed on failure. */
MUST_CHECK int links_up_taps(const struct inst *in, const struct links *l, int ret_taps[NET_MAX_LINKS],
			     struct err *e);
/* Tell the wires outside whose addresses are here now; see net_announce. */
void links_announce(const struct links *l, const int taps[NET_MAX_LINKS]);
int links_down(const struct inst *in, const struct links *l);
/* Of a VE that runs: what its addresses need on uplinks that were down meanwhile (net_answers). */
MUST_CHECK int links_answer(struct inst *in, uint32_t id, struct err *e);
/* Where the links' other ends are: in a network namespace, or plugged into a machine. */
struct links_at {
	int netns;              /* -1: a machine */
	int machine;            /* its run directory */
	unsigned patience_ms;   /* for its guest to let go of a link; it is cut off then */
	pid_t pid;              /* of a machine's QEMU, */
	int pidfd;
	bool *kept;             /* becomes true where it was: the guest still has the device */
};
/*
 * Both have been planned; on failure the links are as `from` says, as far as possible. The caller
 * has the network's lock (ve/netlock.h).
 */
MUST_CHECK int links_change(const struct inst *in, const struct links *from,
			    const struct links *to, const struct links_at *at, struct err *e);

/*
 * After a change whose command died: the links are as the state says again, or, of a VE that is
 * dead itself, gone. Whoever opens a VE to do something to it does this before.
 */
void links_mend(struct ve *ve);

/* The same links, but for their addresses and switches: what any machine that runs can follow. */
bool links_same(const struct links *a, const struct links *b);

/* For the files inside. */
unsigned links_guest(const struct links *l, struct guest_link ret[NET_MAX_LINKS]);
