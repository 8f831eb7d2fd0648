/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Help, made from the command table and the parameter table. */
#pragma once

#include <stdio.h>

#include "cli/commands.h"

void help_global(FILE *f);
/* The verbs of two words whose first is this; false, and nothing printed: there are none. */
bool help_group(const char *first);
/* To stdout; returns 0. */
int help_verb(const struct command *cmd);
