/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fence: copies of some VEs in a network namespace of their own, with the addresses, MACs and
 * host names of the originals. What it consists of is written down in etc/berth/fences/NAME.conf
 * before the first copy is made; a copy's config names its fence (FENCE). So whatever was killed
 * on the way, the same create goes on and delete removes all.
 *
 *    lib/fence/NAME/ip/      claims of its addresses and MACs: one owner each, in there
 *    run/fence/NAME          the namespace, there while one of its VEs runs
 *
 * In there every network is closed: bridges have no uplink, no address is answered for, and the
 * namespace is the gateway of all of them. The one way in is a forward (netns/door.h).
 */
#pragma once

#include "netns/door.h"
#include "netns/space.h"
#include "ve/network.h"
#include "ve/ve.h"

#define FENCE_VES 64

struct fence {
	char name[NETWORK_NAME_LEN];
	unsigned number;
	struct { uint32_t from, copy; } ve[FENCE_VES];
	unsigned n_ves;
	char forwards[NETWORK_TEXT];            /* as in the file, and what it means */
	struct net_forward forward[NETWORK_FORWARDS];
	size_t n_forward;
};

MUST_CHECK int fence_load(const struct inst *in, const char *name, struct fence *ret, struct err *e);
/* Stops at the first non-zero answer of fn. */
MUST_CHECK int fence_each(const struct inst *in, int (*fn)(void *arg, const struct fence *f), void *arg,
			  struct err *e);
void fence_door(const struct inst *in, const struct fence *f, struct door *ret);

/* Name of the fence that a VE is in, "" for none. */
const char *fence_of(const struct ve *ve);
/* Where the claims of a VE's addresses are. */
MUST_CHECK int fence_claims(const struct inst *in, const char *fence, int *ret, struct err *e);

/* Is a port of the host forwarded already, by another network or fence than these? */
struct forwards_of {
	const char *network, *fence;
	struct net_forwards f;
};
MUST_CHECK int forwards_check(const struct inst *in, const struct forwards_of *mine, struct err *e);

/* ---- the verbs ---- */
struct fence_opts {
	const uint32_t *ids;            /* to be copied */
	size_t n_ids;
	uint32_t first;                 /* number of the first copy; 0: behind all there are */
	const char *forwards;           /* or NULL */
	struct clone_opts clone;
};
/* The same again goes on where a killed one has ended. */
MUST_CHECK int fence_create(struct inst *in, const char *name, const struct fence_opts *o,
			    struct err *e);
MUST_CHECK int fence_set(struct inst *in, const char *name, const char *forwards, struct err *e);
/* Stop and destroy its VEs, then all that is left of it. */
MUST_CHECK int fence_delete(struct inst *in, const char *name, struct err *e);

/* ---- while its VEs run; all of it does nothing for "" ---- */

/*
 * Make the namespace if it is not there, before a link is made in it; in the mount namespace of
 * the host. As long as *ret_lock is held it stays.
 */
MUST_CHECK int fence_up(const struct inst *in, const char *name, int *ret_lock, struct err *e);
/* Remove it when no link is left in it. */
void fence_down(const struct inst *in, const char *name);

/* Be in there, for what is to be done to links. -ENOENT: no namespace, and so no links, either. */
MUST_CHECK int fence_enter(const struct inst *in, const char *name, struct space_home *home,
			   struct err *e);
