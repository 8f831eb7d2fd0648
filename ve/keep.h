/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happens around the keeper: the end of an init that nobody asked for, and adoption. */
#pragma once

#include <stdint.h>

#include "util/err.h"

struct inst;
struct keeper_start;

/* Start another keeper for a running VE that lost its own; the verb at hand goes on anyway. */
void adopt_quietly(struct inst *in, uint32_t id);

/* Become the VE's keeper, in the keepers' control group; returns only on failure. */
MUST_CHECK int keep_exec(const struct inst *in, const struct keeper_start *k, struct err *e);
