/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VE that changes its host is in two places for a while, and may run in one. private/ID/moved
 * says where it stands, on each of the two:
 *
 *   going    sender: a move was begun; it is here                          (runs here)
 *   left     sender: the other has all of it; it is no longer here         (does not run)
 *   arriving receiver: all of it is here, the sender has not yet let go    (does not run)
 *   arrived  receiver: the sender has let go                               (runs here)
 *
 * The sender writes "left" when the receiver has said that it has written "arriving", and the
 * receiver "arrived" when the sender has said that it has written "left". The token is the same
 * on both sides: a move that was cut short anywhere is taken up again with it.
 */
#pragma once

#include "ve/stream-head.h"

enum moved_how { MOVED_NOT, MOVED_GOING, MOVED_LEFT, MOVED_ARRIVING, MOVED_ARRIVED };

struct moved {
	enum moved_how how;
	char token[STREAM_TOKEN_LEN + 1];
	char host[65];                  /* the other one */
};

/* MOVED_NOT where there is no note. */
MUST_CHECK int moved_read(const struct inst *in, uint32_t id, struct moved *ret, struct err *e);
MUST_CHECK int moved_save(const struct inst *in, uint32_t id, const struct moved *m, struct err *e);
void moved_drop(const struct inst *in, uint32_t id);

/* Refuse what only the host may do that has it. */
MUST_CHECK int moved_check(const struct inst *in, uint32_t id, struct err *e);
bool moved_is_here(const struct inst *in, uint32_t id);

/* The way out when the other host is lost for good: it is here from now on. Says what was wrong. */
MUST_CHECK int ve_take_back(struct inst *in, uint32_t id, struct err *e);
