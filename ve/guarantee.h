/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the host promises to VEs at the least, and whether it can promise more. */
#pragma once

#include "ve/ve.h"

/* CPU of the host, and the part of it that can be promised, in percent of one CPU. */
uint64_t guarantee_node(void);
uint64_t guarantee_most(const struct inst *in);
/* Memory of the host that can be promised to VEs that run together, in bytes. */
uint64_t most_guaranteed_ram(void);

/*
 * Refuse, with numbers, what the config asks for above that, given what others that run were
 * promised. has: what the VE has now. Under the lock.
 */
MUST_CHECK int guarantee_admit(const struct ve *ve, uint64_t has, struct err *e);

/* The VE's node goes: what it was promised is there for others. */
void guarantee_drop_ram(struct ve *ve);
