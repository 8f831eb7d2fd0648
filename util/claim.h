/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who owns a thing of which there is one: a symbolic link named after the thing whose target is
 * the owner's number. The kernel makes such a link complete or not at all, and only once, so a
 * claim needs no lock, cannot be half made, and costs the same however many there are.
 */
#pragma once

#include <stdint.h>

/* 0 when it is the owner's now (or was already), -EEXIST when it is another's, or -Exxx. */
int claim_take(int dir, const char *name, uint32_t owner);

/* The owner, 0 when nobody is, or -Exxx. A name that is no claim counts as free. */
int64_t claim_owner(int dir, const char *name);

/* Give it up if it is the owner's; anything else is left alone. */
void claim_drop(int dir, const char *name, uint32_t owner);
