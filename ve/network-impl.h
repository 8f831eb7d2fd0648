/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files about networks share. */
#pragma once

#include "ve/network.h"

bool network_name_ok(const char *name);
/* Fill what the texts mean. */
MUST_CHECK int network_judge(const struct inst *in, struct network *n, struct err *e);
/* The pool has changed: what is known about where its free addresses are is void. */
void network_pool_forget(const struct inst *in, const char *name);
