/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "ve/ve.h"

/* Under the lock: end a reinstall that was killed when the root was fresh already. */
void reinstall_mend(struct ve *ve);

/* Whether one that was killed may come to this version; so too when its note cannot be read. */
bool ve_reinstall_needs(const struct inst *in, uint32_t id, const char *digest);
