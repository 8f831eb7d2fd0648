/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The instance's network lock: flock(2) on run/lock/net.lck. Links are made and removed under
 * it by many at once (shared); networks are changed, and what all links have in common is
 * removed, by one alone. The kernel drops it when the holder dies.
 */
#pragma once

#include "ve/inst.h"

MUST_CHECK int netlock_take(const struct inst *in, bool alone, int *ret_fd, struct err *e);
/* After a VE is gone: when it was the last, nothing of the instance's network stays. */
void netlock_tidy(const struct inst *in);
