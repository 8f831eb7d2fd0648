/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Standard output and standard error. Text that came from a VE or a file may hold terminal
 * controls: out_safe shows them as '?'. Every write is checked, at the latest by out_finish.
 */
#pragma once

#include "cli/cli.h"
#include "util/json.h"

/* Text to stdout as it is. */
void out_printf(const char *fmt, ...) PRINTF(1, 2);
/* Text to stdout with control characters shown as '?'. */
void out_safe(const char *text);
void out_flush(void);
/* A finished document to stdout; frees j. */
MUST_CHECK int out_json(struct json_out *j, struct err *e);
/* The same at the end of a verb that came to r: only unless that is negative. j may be NULL. */
MUST_CHECK int out_result(struct json_out *j, int r, struct err *e);

/* A line of a verb's progress (inst_say); arg is the struct cli. */
void out_say(void *arg, const char *line);
/* What errors begin with: the name this program was called by. */
void out_name(const char *name);
/* "berth: text" on stderr; the one form in which errors and warnings appear. */
void out_error(const char *text);
/* Without "berth: ", for the one text that vzlist's clients compare. */
void out_plain_error(const char *text);
void out_warn(const struct cli *c, const char *fmt, ...) PRINTF(2, 3);

/* Ask on the terminal. Anything but a yes, or an end of input, is a no. */
bool out_confirmed(const char *question);

/* Flush and close stdout. -EIO or what the write failed with. */
MUST_CHECK int out_finish(struct err *e);

/* One line that changes, for work that takes long; drawn only on a terminal. */
struct progress {
	bool tty, plain;
	unsigned width;
};
void progress_init(struct progress *p, const struct cli *c);
void progress_line(void *arg, const char *line);
void progress_done(struct progress *p);
