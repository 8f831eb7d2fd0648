/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keeper's side of the console log: writing the ring, and reading it at a position. */
#pragma once

#include <stdbool.h>

#include "runtime/keeper.h"

/* Most bytes of one ring_write. The reader in another process gives up that many of the
 * oldest, because the keeper may be replacing them. */
#define RING_CHUNK 4096

struct ring {
	int fd;
	bool in_memory;
	uint64_t head;          /* bytes ever written */
};

/* Whether this is the head of a ring that we wrote; the rest of the file may still be short. */
bool ring_head_valid(const struct ring_head *h);

/* Continue the ring in fd, or begin one where there is none. fd -1: a ring in memory. */
void ring_open(struct ring *r, int fd);

/* Append len (at most RING_CHUNK) bytes. Cannot fail: a full disk moves the ring to memory. */
void ring_write(struct ring *r, const void *buf, size_t len);

/* Position from which the newest `want` bytes, or what there is of them, can be read. */
uint64_t ring_tail(const struct ring *r, uint64_t want);

/*
 * Read up to size bytes at *pos, after moving it forward past what is overwritten already.
 * Does not advance *pos over what was read. 0: nothing there.
 */
size_t ring_read(const struct ring *r, uint64_t *pos, void *buf, size_t size);
