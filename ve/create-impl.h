/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of ve/create*.c. */
#pragma once

#include "ve/create.h"

struct create {
	struct ve ve;
	const struct ve_change *change;
	const struct create_like *like; /* NULL: from a template */
	bool had_conf;                  /* reused: an undo leaves it */
	bool picked;                    /* the ids, claimed by picking */
};

/*
 * Decide what the VE is, in c->ve.conf, and refuse what this host has not or the settings contradict.
 * *ret_hold keeps a template that was chosen until the config names it.
 */
MUST_CHECK int create_gather(struct create *c, int *ret_hold, struct err *e);
