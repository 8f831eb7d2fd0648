/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VE's init before it is init: the guest side of a start. */
#pragma once

#include "runtime/spawn.h"

/* Talk to the host over sock and execute init; on failure send the error and exit. */
void child_main(const struct spawn_spec *s, int sock) __attribute__((noreturn));
