/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose an address is, as the reverse zones of DNS have it. */
#pragma once

#include "ve/inst.h"

#define PTR_NAME_LEN 80         /* 32 digits with their dots, and ip6.arpa. */

struct ptr_record {
	uint32_t veid;
	char address[64];
	char name[PTR_NAME_LEN];        /* "7.0.9.10.in-addr.arpa.", of the address */
	const char *host;               /* without a dot behind it; "": the VE has no full name */
};

/*
 * Calls fn for each address of each VE in the network ("": in any), by VE, running or not; copies behind a
 * fence have others'. Stops at its first non-zero answer. A config that cannot be read is an error:
 * a zone without it would look whole.
 */
MUST_CHECK int ptr_each(struct inst *in, const char *network,
			int (*fn)(void *arg, const struct ptr_record *p), void *arg, struct err *e);
