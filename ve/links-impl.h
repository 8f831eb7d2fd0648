/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by ve/links.c and ve/links-change.c only: one of the links that were planned. */
#pragma once

#include "ve/links.h"

MUST_CHECK int link_up(const struct inst *in, const struct links *l, unsigned i, int netns,
		       struct err *e);
/* For a machine; *ret_tap: its end. */
MUST_CHECK int link_up_tap(const struct inst *in, const struct links *l, unsigned i, int *ret_tap,
			   struct err *e);
