/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is read for a VE is read outside its CPU limit. It costs a turn of the loop however few
 * bytes it brings, so that reads are counted, not bytes.
 */
#include "runtime/keeper-impl.h"

#define WINDOW_MS 50
#define WINDOW_READS 64         /* of RING_CHUNK, these are 5 MiB/s */

void pace_spend(struct pace *p, uint64_t now)
{
	if (now >= p->end) {
		p->end = now + WINDOW_MS;
		p->left = WINDOW_READS;
	}
	if (p->left)
		p->left--;
	if (!p->left)
		p->mute_until = p->end;
}
