/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "cli/cli.h"

/*
 * Say what `verb` would do to a's VEs, and change nothing. The exit number of the first that it
 * would refuse, 0, or -Exxx.
 */
MUST_CHECK int dry_run(struct cli *c, const struct args *a, const char *verb, struct err *e);
