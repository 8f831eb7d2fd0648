/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Notes on disk that outlive this boot, one symbolic link each: lib/half/ID says that a create
 * or destroy was begun, lib/up/ID that the VE ran. A link is complete or not there, costs no
 * data block, and reaches the disk no later than what is done after it in the same filesystem.
 */
#pragma once

#include "ve/inst.h"

enum intent {
	INTENT_NONE,
	INTENT_CREATE,          /* undo it: nobody was told that the VE exists */
	INTENT_FILL,            /* the same around a config that was there before; it stays */
	INTENT_DESTROY,         /* finish it: data are gone already */
};

MUST_CHECK int intent_note(const struct inst *in, uint32_t id, enum intent what, struct err *e);
enum intent intent_read(const struct inst *in, uint32_t id);
void intent_drop(const struct inst *in, uint32_t id);

/* Whether it shall run again after a boot where its config does not say. */
void up_note(const struct inst *in, uint32_t id);
bool up_read(const struct inst *in, uint32_t id);
void up_drop(const struct inst *in, uint32_t id);
