/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps of ve/start.c. Each up gets a struct start; each down uses its ve and plan alone. */
#pragma once

#include "util/err.h"
#include "ve/inst.h"

int up_record(void *ctx, struct err *e);
int up_premount(void *ctx, struct err *e);
int up_template(void *ctx, struct err *e);
int up_disk(void *ctx, struct err *e);
int up_mount(void *ctx, struct err *e);
int up_cgroup(void *ctx, struct err *e);
int up_limits(void *ctx, struct err *e);
int up_fence(void *ctx, struct err *e);
int up_stage(void *ctx, struct err *e);
int up_init(void *ctx, struct err *e);
int up_root(void *ctx, struct err *e);
int up_show(void *ctx, struct err *e);
int up_network(void *ctx, struct err *e);
int up_guest(void *ctx, struct err *e);
int up_pivot(void *ctx, struct err *e);
int up_device(void *ctx, struct err *e);
void down_device(void *ctx);
int up_keeper(void *ctx, struct err *e);
int up_state(void *ctx, struct err *e);
int up_go(void *ctx, struct err *e);
int up_hook(void *ctx, struct err *e);

/* What up_keeper opens in run/ID for whoever becomes the keeper. */
MUST_CHECK int steps_open_log(int dir, const char *name, int flags, int *ret, struct err *e);

void down_record(void *ctx);
void down_premount(void *ctx);
void down_disk(void *ctx);
void down_show(void *ctx);
void down_mount(void *ctx);
void down_cgroup(void *ctx);
void down_limits(void *ctx);
void down_fence(void *ctx);
void down_stage(void *ctx);
void down_init(void *ctx);
void down_network(void *ctx);

/* Wait until the VE's init says that it is up: systemd's default target, else a live init. */
MUST_CHECK int start_wait_ready(struct inst *in, uint32_t id, int wait_ms, struct err *e);
