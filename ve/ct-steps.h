/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps of ve/start.c that only a container has. Contract: ve/start-steps.h. */
#pragma once

#include "util/err.h"

int up_record(void *ctx, struct err *e);
int up_template(void *ctx, struct err *e);
int up_disk(void *ctx, struct err *e);
int up_cgroup(void *ctx, struct err *e);
int up_stage(void *ctx, struct err *e);
void down_stage(void *ctx);
int up_init(void *ctx, struct err *e);
int up_root(void *ctx, struct err *e);
int up_show(void *ctx, struct err *e);
void down_show(void *ctx);
int up_network(void *ctx, struct err *e);
int up_guest(void *ctx, struct err *e);
int up_pivot(void *ctx, struct err *e);
int up_device(void *ctx, struct err *e);
void down_device(void *ctx);
int up_go(void *ctx, struct err *e);
