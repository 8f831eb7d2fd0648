/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Running things inside a VE for the other verbs. */
#pragma once

#include "ve/ve.h"

/* A VE that runs, without its lock; refused (31) when it does not. */
MUST_CHECK int exec_open(struct ve *ve, struct inst *in, uint32_t id, struct err *e);
/* What is started in a frozen control group waits, and so would we. */
MUST_CHECK int exec_refuse_paused(const struct ve *ve, struct err *e);

/* attach_start of what the caller has put into s: a program or work, its files, a time limit. */
struct attach_spec;
MUST_CHECK int exec_start(struct ve *ve, struct attach_spec *s, pid_t *ret, struct err *e);

/*
 * Run /bin/sh inside with text as its standard input, output discarded. Its exit code, or
 * -Exxx; -ETIMEDOUT, and the shell is killed, when that takes longer.
 */
MUST_CHECK int exec_script(struct ve *ve, const char *text, int timeout_ms, struct err *e);
