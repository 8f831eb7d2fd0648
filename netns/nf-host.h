/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What VEs may reach of the host itself; the part NF_HOST of the filter and each network's chain. */
#pragma once

#include <stdint.h>

#include "netns/services.h"
#include "util/err.h"

#define NF_HOST_CHAIN 16

/* Name of a network's chain, to which the elements of guests and ports lead. */
void nf_host_chain(char dst[NF_HOST_CHAIN], uint32_t group);
/* Make the chain say what the list says, in one transaction, where it does not. */
MUST_CHECK int nf_host_list(const char *table, uint32_t group, const struct services *s,
			    struct err *e);
