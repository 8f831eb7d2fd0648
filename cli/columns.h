/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * THE column table of list. A row names a column and gets its cell from a VE's status; text,
 * JSON, sorting and filters work on cells. A row of the parameter table that no column shows
 * becomes a column of its own under its JSON name, so a new parameter needs no row here.
 */
#pragma once

#include <stdint.h>

#include "ve/ve.h"

struct json_out;

enum cell_type {
	CELL_NONE,      /* "-", null */
	CELL_NUM,       /* text, when there is one, is how people write it */
	CELL_BOOL,
	CELL_TEXT,
	CELL_LIST,      /* blank-separated words; a JSON array */
	CELL_MARKS,     /* words NAME:on or NAME:off; a JSON object of booleans */
	CELL_SECONDS,   /* 001d02h:03m:04s; a JSON number */
};

struct cell {
	enum cell_type type;
	uint64_t num;
	char *text;
	/* Of a limit of a running VE: what the kernel enforces instead, NULL when it is the same. */
	char *instead;
	uint64_t effective;
};

/* What a getter looks at. */
struct view {
	struct inst *in;
	const struct ve_status *s;
	uint64_t now;           /* seconds since 1970 */
};

struct column {
	const char *name, *alias;       /* alias: blank-separated further names */
	const char *header;
	int width;                      /* at least; negative: left */
	unsigned needs;                 /* STATUS_* */
	/* Suffix letters ("mblf": maxheld barrier limit failcnt, "sh": soft hard), or NULL. */
	const char *variants;
	const char *key;                /* of the parameter behind it, or NULL */
	void (*get)(const struct view *v, const struct column *col, char variant, struct cell *ret);
};

/* The table and the parameters it does not name; the caller frees *ret. */
void columns_make(struct column **ret, size_t *ret_n);
/* By name or alias, with an optional .suffix into *ret_variant (0: none). NULL: no such. */
const struct column *column_find(const struct column *cols, size_t n, const char *name,
				 char *ret_variant);
/* The name of a variant in JSON: held, barrier, ... */
const char *column_member(const struct column *col, char variant);

/* The value of a parameter, CELL_NONE when it is not set. */
void cell_param(const struct param *p, const struct ve_conf *conf, struct cell *ret);
/* Say that a limit is `effective` now, and not what the cell holds. */
void cell_instead(const struct param *p, uint64_t effective, struct cell *cell);
/* The text of a row's value as people write it: 512M, "-" when there is none; the caller frees. */
char *cell_people(const struct param *p, const char *text);
void cell_done(struct cell *cell);
void cell_json(struct json_out *j, const struct cell *cell);
/* Text into dst[size], cut if need be; of a list only the first word when `first`. */
void cell_text(const struct cell *cell, bool first, char *dst, size_t size);
/* Order: unset first, numbers by value, text by strcmp(3). */
int cell_compare(const struct cell *a, const struct cell *b);
