/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which VEs exist, under which names and which id ranges. Names are symlinks names/NAME ->
 * ../conf/ID.conf; id ranges are claims ids/SLOT (util/claim.h). Both are made exclusively, so
 * nothing here scans all VEs except reg_list.
 */
#pragma once

#include <stddef.h>

#include "ve/inst.h"

#define VEID_MIN 101
#define VEID_MAX 2147483644

/* A number or a name. -ENOENT (VZ_NO_CONF) names it; numbers need not exist. */
MUST_CHECK int reg_resolve(const struct inst *in, const char *text, uint32_t *ret, struct err *e);

/* All VEs that have a config, ascending; the caller frees *ret. */
MUST_CHECK int reg_list(const struct inst *in, uint32_t **ret, size_t *ret_n, struct err *e);
bool reg_exists(const struct inst *in, uint32_t id);

bool reg_name_ok(const char *name);
/* Claim a name, which may be the VE's already; -EEXIST (VZ_NAME) names the owner. */
MUST_CHECK int reg_name_take(const struct inst *in, uint32_t id, const char *name, struct err *e);
void reg_name_drop(const struct inst *in, uint32_t id, const char *name);

/*
 * The VE's 65536 ids on the host: base ID_BASE + slot * 65536, slot by arithmetic from the
 * number; the next free one when it is taken (two numbers can share a remainder) or overlaps
 * /etc/subuid or /etc/subgid. Picking claims it, so that many at once get one each; what a
 * killed command picked and no config names is given up by recovery. It stays reserved until
 * reg_ids_drop.
 */
MUST_CHECK int reg_ids_pick(const struct inst *in, uint32_t id, uint64_t *ret_base,
			    struct err *e);
MUST_CHECK int reg_ids_claim(const struct inst *in, uint32_t id, uint64_t base, struct err *e);
void reg_ids_drop(const struct inst *in, uint32_t id, uint64_t base);
