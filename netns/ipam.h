/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who owns which address: a claim (util/claim.h) per address in DIR (lib/ip), named by the
 * address, for stopped VEs too. The cost does not depend on how many there are.
 */
#pragma once

#include "util/err.h"
#include "util/parse.h"

#include <stdint.h>

/* Claim for veid; again is fine. -EADDRINUSE (exit 78) names the owner. */
MUST_CHECK int ipam_claim(int dir, const struct ipaddr *a, uint32_t veid, struct err *e);
/* Release if veid owns it; anything else is left alone. */
void ipam_release(int dir, const struct ipaddr *a, uint32_t veid);
/* Owner's number, 0 when free, or -Exxx. */
int64_t ipam_owner(int dir, const struct ipaddr *a);
