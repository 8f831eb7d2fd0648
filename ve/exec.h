/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Running things inside a VE for the other verbs. */
#pragma once

#include "ve/ve.h"

/*
 * Run /bin/sh inside with text as its standard input, output discarded. Its exit code, or
 * -Exxx; -ETIMEDOUT, and the shell is killed, when that takes longer.
 */
MUST_CHECK int exec_script(struct ve *ve, const char *text, int timeout_ms, struct err *e);
