/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Filter expressions of list: COLUMN OP VALUE, with OP one of = != < <= > >= . */
#pragma once

#include "cli/columns.h"

enum filter_op { OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE };

struct filter {
	const struct column *col;
	char variant;
	enum filter_op op;
	char value[256];
};

/* True when the word is an expression rather than an ID. */
bool filter_is(const char *word);
MUST_CHECK int filter_parse(const char *word, const struct column *cols, size_t n,
			    struct filter *ret, struct err *e);
/* Does the cell of the filter's column pass? */
bool filter_match(const struct filter *f, const struct cell *cell);
