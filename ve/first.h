/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is done in a VE once, at its first boot. create puts it into private/ID/first/: `keys` for
 * root's authorized_keys, `user-data` for cloud-init, `script`. A start writes the first two inside
 * and forgets them when init runs. The script waits until the VE has booted, in a process of its
 * own; before it begins, its file is taken away, so that it never runs twice.
 */
#pragma once

#include "ve/ve.h"

/* Into the open private directory; nothing where nothing was asked for. */
MUST_CHECK int first_store(int private, const struct ve_change *c, struct err *e);

struct first {
	char *keys, *user_data;         /* NULL: none; freed by first_done */
};
MUST_CHECK int first_load(const struct ve *ve, struct first *ret, struct err *e);
void first_done(struct first *f);

/* After init has begun to run. What fails here is told and no more: the VE runs. */
void first_go(struct ve *ve);

/* Run the script: the hidden verb that first_go starts. */
MUST_CHECK int ve_first_boot(struct inst *in, uint32_t id, struct err *e);
