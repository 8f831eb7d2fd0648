/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VE's monthly allowance of traffic, received and sent together, and what happens beyond it:
 * an event only (notify), a lower rate on its links (throttle:RATE), or links that pass nothing
 * (suspend) until the reset day, or until the allowance is raised.
 *
 * lib/traffic/ID.over says that it is used up and until which day. It saves every start and
 * `set` from adding up days; it is believed only after the sum was looked at again.
 */
#pragma once

#include "netns/shape.h"
#include "ve/ve.h"

struct quota {
	char since[11], until[11];      /* first day of the period, and of the next */
	uint64_t used;
	bool over;
};

/* The period of today, and what was used in it, by the ledger as it stands after a fold. */
MUST_CHECK int quota_read(const struct ve *ve, struct quota *ret, struct err *e);
/* What the allowance makes of the VE's rates. */
void quota_shape(const struct ve *ve, struct shape *s);
/* Write down whether it is used up, with an event when that is new. */
MUST_CHECK int quota_update(const struct ve *ve, struct err *e);
/*
 * After a fold: take the action, or undo it, on a VE that has an allowance and whose links do not
 * obey it. They get the rates that were last set, saved or not.
 */
MUST_CHECK int quota_enforce(struct inst *in, uint32_t id, struct err *e);
void quota_forget(const struct inst *in, uint32_t id);
