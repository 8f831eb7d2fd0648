/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A config as a person edits it: whole, with its comments and order, but under the rules of set. */
#pragma once

#include "ve/ve.h"

/* The config's text; the caller frees *ret. */
MUST_CHECK int ve_conf_text(const struct inst *in, uint32_t id, char **ret, struct err *e);

/*
 * Replace the config, which was `old`, by `text`. What differs is set first, live where the VE
 * runs and all or nothing, as by set --save; a line that is gone takes effect at the next start.
 * Refused: keys that are fixed once the VE is made, and a config that is not `old` any more.
 */
MUST_CHECK int ve_edit(struct inst *in, uint32_t id, const char *old, const char *text,
		       struct set_report *ret, struct err *e);
