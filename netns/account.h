/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a link carries, counted by the kernel: bytes of IP packets (without Ethernet headers) and
 * packets, in and out as the VE sees it, IPv4 and IPv6 apart. One table of nftables per instance,
 * beside that of the filters, with two rules and two sets keyed by link and protocol, each
 * element with a counter of its own: a packet costs one look-up however many VEs there are. Links
 * of bridges have the same in the bridge family.
 *
 * Elements outlive the link. A VE that stops, crashes or is started again goes on counting where
 * it was, whoever dies meanwhile; only a reboot, or a hand that removes the table, loses them.
 * What lasts longer is ve/traffic.c's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

enum acct_way { ACCT_IN, ACCT_OUT, ACCT_WAYS };
enum acct_family { ACCT_V4, ACCT_V6, ACCT_FAMILIES };

struct traffic {
	struct {
		uint64_t bytes, packets;
	} n[ACCT_WAYS][ACCT_FAMILIES];
};

/* Count this link from now on; one that is counted already goes on. table: of the instance. */
MUST_CHECK int acct_add(const char *table, const char *link, bool bridged, struct err *e);
/*
 * Which table this is: a number that no other table of this boot has or had. -ENOENT when there
 * is none. Counters of different tables have nothing to do with each other.
 */
MUST_CHECK int acct_generation(const char *table, uint64_t *ret, struct err *e);
/* Forget it; not there is fine. */
void acct_forget(const char *table, const char *link);
/* With the last VE of the instance. */
void acct_remove(const char *table);
/* What it has carried; -ENOENT when it is not counted. */
MUST_CHECK int acct_read(const char *table, const char *link, struct traffic *ret, struct err *e);
