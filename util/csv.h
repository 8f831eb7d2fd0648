/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Comma-separated values as RFC 4180 has them: the first line names the columns; fields may be
 * in double quotes, a quote inside is written twice, lines end in LF or CRLF. Blank lines are
 * passed over. Every row has as many fields as the first.
 */
#pragma once

#include <stddef.h>

#include "util/err.h"

struct csv {
	char *text;             /* holds the fields */
	char **field;           /* n_rows * n_cols, after n_cols names */
	size_t n_cols, n_rows;
};
#define CSV_INIT { NULL, NULL, 0, 0 }

/* Takes a copy of text. -EINVAL names the line. */
MUST_CHECK int csv_parse(const char *text, size_t len, const char *name, struct csv *ret,
			 struct err *e);
void csv_done(struct csv *c);

/* Name of a column; field of a row, the first row is 0. */
const char *csv_name(const struct csv *c, size_t col);
const char *csv_field(const struct csv *c, size_t row, size_t col);
