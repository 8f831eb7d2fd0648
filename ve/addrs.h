/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses of a VE: which it may have, who has them, and `--ipadd auto`.
 *
 * Of each network's pool lib/ippool/NAME/ knows where its free addresses are: `cursors`, behind
 * which nothing was ever handed out, and free/ADDR for each that came back before it. So the
 * next free one is found without looking at those that are taken, however many they are. Both
 * are hints: what counts is the claim (netns/ipam.h), and a wrong hint costs one more try.
 */
#pragma once

#include "ve/links.h"
#include "ve/ve.h"

/*
 * Put a free address of each family of the network's pool in place of every "auto" (an address
 * of no family) of ve->conf. They are the VE's then, whatever fails later; addrs_release gives
 * them back. Returns 1 when there was one.
 */
MUST_CHECK int addrs_choose(struct ve *ve, struct err *e);

/* May the VE have all addresses and MACs of these links? Changes nothing. */
MUST_CHECK int addrs_check(const struct ve *ve, const struct links *l, struct err *e);
/* Claim them; those the VE has already are fine. What was claimed stays on failure. */
MUST_CHECK int addrs_claim(const struct ve *ve, const struct links *l, struct err *e);
/* Give up what `gone` has and `stay` (NULL: nothing) has not. */
void addrs_release(const struct ve *ve, const struct links *gone, const struct links *stay);

/* Does a link of the VE, as its config or its run state says, have what this claim is about? */
bool addrs_named(const struct ve *ve, const char *claim);
/* Give up addresses that no link of the VE has: what a killed command had claimed for it. */
void addrs_drop(const struct ve *ve, const struct ip_list *l, const struct links *stay);

/*
 * Give up every address that is the VE's and that its config does not name: what a killed create
 * had chosen for it. Looks at all claims there are, so it is for such a one only.
 */
void addrs_drop_unnamed(const struct ve *ve);

/*
 * Is anybody on the wire with an address that `from` (NULL: nothing) has not? Asked only where
 * the network says so, for all addresses at once.
 */
MUST_CHECK int links_probe(const struct links *from, const struct links *to, struct err *e);
