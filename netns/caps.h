/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a link may ask of the host's connection tracking, which all VEs share: flows that it opens
 * in a second, entries at a time (those opened from outside too), and connections to the mail
 * port that it opens in a minute.
 *
 * One table of nftables per instance, with a set for each cap keyed by link; an element holds
 * its own limit. Rules and the cost of a packet are the same for any number of VEs, and there
 * is no table, and no tracking on its account, until a VE has a cap.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

enum cap { CAP_FLOWS, CAP_ENTRIES, CAP_MAIL, CAPS };

struct caps {
	uint64_t n[CAPS];               /* 0: no cap */
};

#define CAP_MAX 1000000

bool caps_any(const struct caps *c);
/*
 * Make the link obey, in one transaction; what has not changed keeps its count. Entries that
 * were there before their cap are not counted. table: of the instance.
 */
MUST_CHECK int caps_set(const char *table, const char *link, const struct caps *c, struct err *e);
MUST_CHECK int caps_get(const char *table, const char *link, struct caps *ret, struct err *e);
/* With the link; none is fine. */
void caps_forget(const char *table, const char *link);
/* With the last VE of the instance. */
void caps_remove(const char *table);
