/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The template version that comes with a VE. */
#pragma once

#include "ve/receive.h"

/* 1 when the version is in the store, and held (store_hold) while *ret_hold is open; 0 when not. */
MUST_CHECK int receive_find_image(const struct inst *in, const struct stream_head *h, int *ret_hold,
				  struct err *e);

/* Read what the head says the stream has of it, and put it into the store, held, unless it is there. */
MUST_CHECK int receive_image(struct inst *in, struct stream *s, const struct stream_head *h,
			     bool have, const struct receive_opts *o, int *ret_hold, struct err *e);
MUST_CHECK int receive_skip_image(struct stream *s, const struct stream_head *h, struct err *e);
