/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What recovery shares with `destroy`. */
#pragma once

#include "ve/ve.h"

/* Remove what is left of a locked VE that does not run: data and claims, then the config. */
MUST_CHECK int destroy_finish(struct ve *ve, struct err *e);
