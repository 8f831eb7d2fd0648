/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the starts of containers and machines have in common: whole steps, and parts that each
 * kind makes a step of. Every ctx is a struct start; a down uses its ve and plan alone.
 */
#pragma once

#include "templates/store.h"
#include "ve/start.h"

void down_record(void *ctx);
int up_premount(void *ctx, struct err *e);
void down_premount(void *ctx);
void down_disk(void *ctx);
int up_mount(void *ctx, struct err *e);
void down_mount(void *ctx);
void down_cgroup(void *ctx);
int up_limits(void *ctx, struct err *e);
void down_limits(void *ctx);
int up_fence(void *ctx, struct err *e);
void down_fence(void *ctx);
void down_init(void *ctx);
void down_network(void *ctx);
int up_keeper(void *ctx, struct err *e);
int up_state(void *ctx, struct err *e);
int up_hook(void *ctx, struct err *e);

/* ---- parts ---- */

/* store_mount or store_device; storage_backend's mount or attach. */
typedef int template_open_fn(const struct store *s, const char *digest, bool own, int *ret,
			     struct err *e);
typedef int disk_open_fn(int private_dir, const struct disk_spec *spec, struct disk *ret,
			 struct err *e);

/* Write the record of a start. how: what only its kind has; the rest is filled in. */
MUST_CHECK int steps_record(struct start *s, const struct ve_state *how, struct err *e);
/* The version that the VE stands on, into s->template; none where the disk has the whole root. */
MUST_CHECK int steps_open_template(struct start *s, template_open_fn *open, struct err *e);
/* The disk, into s->disk and the record; checked before, unless a guest that is suspended uses it. */
MUST_CHECK int steps_open_disk(struct start *s, bool check, disk_open_fn *open, struct err *e);
void steps_say_addresses(const struct ve *ve);
/* What up_keeper opens in run/ID for whoever becomes the keeper. */
MUST_CHECK int steps_open_log(int dir, const char *name, int flags, int *ret, struct err *e);
/* An undo has failed by e and goes on; the record stays, so that the next verb does all of it again. */
void steps_stay_unclean(struct start *s, const struct err *e);
