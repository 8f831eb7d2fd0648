/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Speaking to a shared wire about addresses: is somebody there who has one (RFC 5227, RFC 4862
 * 5.4), and telling everybody who has it now (gratuitous ARP, unsolicited advertisement).
 */
#pragma once

#include "util/err.h"
#include "util/parse.h"

#include <stddef.h>
#include <stdint.h>

#define WIRE_WAIT_MS 150

struct wire {
	const char *link;
	uint16_t vlan;          /* frames bear this tag; 0: none */
};

/*
 * Asks for all addresses at once, twice, and listens for wait_ms. -EADDRINUSE (VZ_IP_IN_USE)
 * names the address and who answered.
 */
MUST_CHECK int wire_probe(const struct wire *w, const struct ipaddr *addrs, size_t n, int wait_ms,
			  struct err *e);
/* Best effort: a neighbour that misses it asks. netns: where the link is; -1 is here. mac NULL: the link's. */
void wire_announce(int netns, const char *link, const uint8_t mac[6], const struct ipaddr *addrs,
		   size_t n);
/* The same as if the machine at the tap did. */
void wire_announce_tap(int tap, const uint8_t mac[6], const struct ipaddr *addrs, size_t n);
