/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making a VE out of a stream, as several verbs do it. */
#pragma once

#include "cli/options.h"
#include "ve/receive.h"

struct cli;

/* how: id and own; the rest is what the arguments say. */
MUST_CHECK int receive_from(struct cli *c, const struct args *a, const struct receive_opts *how,
			    int fd, uint32_t *ret_id, struct err *e);
