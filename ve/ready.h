/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `start --wait`: until the system inside says that it has booted. */
#pragma once

#include <stdint.h>

#include "util/err.h"

struct inst;

/* systemd's default target, sysvinit's run level, or else a live init. VZ_WAIT_FAILED when not in time. */
MUST_CHECK int ready_wait(struct inst *in, uint32_t id, int wait_ms, struct err *e);
