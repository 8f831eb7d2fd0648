/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Roots that a VE has all of in its own disk (--layout full): the template, copied. */
#pragma once

#include "ve/ve.h"

/* Fill the empty directory `name` of a mounted disk with the version in ve->conf. */
MUST_CHECK int whole_fill(struct ve *ve, int disk, const char *name, struct err *e);

/* The root of a disk that was just made. */
MUST_CHECK int whole_fill_new(struct ve *ve, int private, struct err *e);
