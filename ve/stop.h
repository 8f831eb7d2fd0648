/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The end of a VE that is asked nothing, for those who know already that it shall end. */
#pragma once

#include "ve/ve.h"

/* Kill all of it and undo its start. `done` is said when nothing of it lives any more, or NULL. */
MUST_CHECK int stop_kill(struct ve *ve, const char *done, struct err *e);
