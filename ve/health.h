/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a VE does what it is there for, by a test of the administrator's. */
#pragma once

#include <stdint.h>

#include "util/err.h"

struct inst;

/* "tcp:PORT", or a command for the VE's shell, exit 0 for yes. */
MUST_CHECK int health_check_ok(const char *check, struct err *e);

/* Ask until it says yes; -ETIMEDOUT when it has not within that time. */
MUST_CHECK int health_wait(struct inst *in, uint32_t id, const char *check, int timeout_ms,
			   struct err *e);
