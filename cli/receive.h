/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making a VE out of a stream, as several verbs do it. */
#pragma once

#include "cli/options.h"

struct cli;

/* id 0: the number it had. */
MUST_CHECK int receive_from(struct cli *c, const struct args *a, uint32_t id, int fd,
			    uint32_t *ret_id, struct err *e);
