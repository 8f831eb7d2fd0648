/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/filter.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "util/exits.h"
#include "util/parse.h"
#include "util/str.h"

static const char op_chars[] = "=!<>";

bool filter_is(const char *word)
{
	return strpbrk(word, op_chars) != NULL;
}

/* Longest spelling first. */
static const struct {
	const char *text;
	enum filter_op op;
} ops[] = {
	{ "!=", OP_NE }, { "<=", OP_LE }, { ">=", OP_GE },
	{ "==", OP_EQ }, { "=", OP_EQ }, { "<", OP_LT }, { ">", OP_GT },
};

int filter_parse(const char *word, const struct column *cols, size_t n, struct filter *ret,
		 struct err *e)
{
	size_t len = strcspn(word, op_chars), i;
	char name[64];

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		if (str_starts(word + len, ops[i].text))
			break;
	if (i == ARRAY_SIZE(ops) || str_fmt(name, sizeof(name), "%.*s", (int)len, word) <= 0)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "\"%.60s\" is not COLUMN=VALUE", word);
	ret->op = ops[i].op;
	ret->col = column_find(cols, n, name, &ret->variant);
	if (!ret->col)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "unknown column \"%s\" (list -L shows them)",
			       name);
	if (str_fmt(ret->value, sizeof(ret->value), "%s", word + len + strlen(ops[i].text)) < 0)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "value of %s: too long", name);
	return 0;
}

static bool holds(enum filter_op op, int order)
{
	switch (op) {
	case OP_EQ:
		return order == 0;
	case OP_NE:
		return order != 0;
	case OP_LT:
		return order < 0;
	case OP_LE:
		return order <= 0;
	case OP_GT:
		return order > 0;
	case OP_GE:
		return order >= 0;
	}
	return false;
}

/* One of the words, or the whole, fits the pattern. */
static bool text_fits(const struct cell *cell, const char *pattern)
{
	const char *text = cell->text;
	char word[256];

	if (fnmatch(pattern, text, 0) == 0)
		return true;
	while (cell->type == CELL_LIST && str_word(&text, word, sizeof(word)) > 0)
		if (fnmatch(pattern, word, 0) == 0)
			return true;
	return false;
}

static bool number_holds(const struct filter *f, uint64_t num)
{
	uint64_t want;

	/* A value that is no number is different from every number. */
	if (parse_size(f->value, 1, false, &want) < 0)
		return f->op == OP_NE;
	return holds(f->op, (num > want) - (num < want));
}

bool filter_match(const struct filter *f, const struct cell *cell)
{
	bool want;

	switch (cell->type) {
	case CELL_NONE:
		return str_eq(f->value, "-") ? f->op == OP_EQ : f->op == OP_NE;
	case CELL_BOOL:
		if (parse_bool(f->value, &want) < 0)
			return f->op == OP_NE;
		return holds(f->op, (int)cell->num - want);
	case CELL_NUM:
	case CELL_SECONDS:
		return number_holds(f, cell->num);
	case CELL_TEXT:
	case CELL_MARKS:
	case CELL_LIST:
		if (f->op == OP_EQ || f->op == OP_NE)
			return text_fits(cell, f->value) == (f->op == OP_EQ);
		return holds(f->op, strcmp(cell->text, f->value));
	}
	return false;
}
