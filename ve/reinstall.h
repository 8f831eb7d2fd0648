/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "ve/ve.h"

/* Under the lock: end a reinstall that was killed when the root was fresh already. */
void reinstall_mend(struct ve *ve);

/* Refuses a VE of which one was cut short and could not be ended: its root may be of either version. */
MUST_CHECK int reinstall_check(const struct ve *ve, struct err *e);

/* Whether one that was killed may come to this version; so too when its note cannot be read. */
bool ve_reinstall_needs(const struct inst *in, uint32_t id, const char *digest);
