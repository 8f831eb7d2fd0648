/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What others share with `create`: its step table, and what makes a VE a whole one. */
#pragma once

#include "util/step.h"
#include "ve/ve.h"

extern const struct step create_steps[];
extern const size_t n_create_steps;

/* Its data are complete. */
bool create_is_made(const struct inst *in, uint32_t id);
/*
 * Refuses to use what a create that was killed has left: the data are not all there, may bear the
 * identity of the VE they were copied from, and recovery removes them.
 */
MUST_CHECK int create_check_made(const struct ve *ve, struct err *e);
/* Undo a create that was killed; a config that was there before it stays. */
void create_undo(struct ve *ve, bool had_conf);

/* A VE made like another: its config is a copy, its disk is filled by the caller. */
struct create_like {
	const struct ve_conf *conf;     /* without what says who it is */
	/* The root comes from elsewhere: put the version that it becomes into ve->conf. */
	int (*root)(void *arg, struct ve *ve, struct err *e);
	/* NULL: the disk is empty */
	int (*fill)(void *arg, struct ve *ve, int private, struct err *e);
	void *arg;
};
MUST_CHECK int create_like(struct inst *in, uint32_t id, const struct create_like *l,
			   const struct ve_change *change, struct err *e);
/* Would it be refused? Looks, and changes nothing. */
MUST_CHECK int create_like_check(struct inst *in, uint32_t id, const struct create_like *l,
				 const struct ve_change *change, struct err *e);
