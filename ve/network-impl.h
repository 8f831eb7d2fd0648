/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files about networks share. */
#pragma once

#include "ve/network.h"

bool network_name_ok(const char *name);
/* What a list of forwards means; to addresses of the pool's network, NULL: to any. */
MUST_CHECK int network_parse_forwards(const char *text, const struct network *pool,
				      struct net_forward ret[NETWORK_FORWARDS], size_t *ret_n,
				      struct err *e);
/* The first of a whose port of the host is also one of b's, or NULL. */
const struct net_forward *network_common_port(const struct net_forward *a, size_t n_a,
					      const struct net_forward *b, size_t n_b);
/* Fill what the texts mean. */
MUST_CHECK int network_judge(const struct inst *in, struct network *n, struct err *e);
/* The pool has changed: what is known about where its free addresses are is void. */
void network_pool_forget(const struct inst *in, const char *name);
