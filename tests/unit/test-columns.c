/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The column table beside the parameter table, cells, and the filters of list. */
#include "tests/unit/harness.h"

#include <stdlib.h>
#include <string.h>

#include "cli/columns.h"
#include "cli/filter.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/params.h"

#define CELL(t, n, s) (struct cell){ .type = (t), .num = (n), .text = (s) }

TEST(columns_unique_and_complete)
{
	struct column *cols;
	size_t i, k, n;
	char variant;

	columns_make(&cols, &n);
	for (i = 0; i < n; i++) {
		CHECK(cols[i].name && cols[i].header && cols[i].get);
		CHECK(column_find(cols, n, cols[i].name, &variant) == &cols[i] && !variant);
		for (k = i + 1; k < n; k++)
			CHECK(!str_eq(cols[i].name, cols[k].name));
		CHECK(!cols[i].key || param_by_key(cols[i].key) || cols[i].variants);
	}
	for (i = 0; i < n_params; i++) {
		bool found = !param_is_of(&params[i], false);

		for (k = 0; k < n; k++)
			found |= cols[k].key && str_eq(cols[k].key, params[i].key);
		CHECK(found || column_find(cols, n, params[i].json, &variant));
	}
	free(cols);
}

TEST(column_find_suffixes)
{
	static const struct {
		const char *name;
		char variant;
		bool ok;
	} cases[] = {
		{ "numproc.l", 'l', true },     { "diskspace.h", 'h', true },
		{ "veid", 0, true },            { "vpsid", 0, true },
		{ "numproc.x", 0, false },      { "numproc.", 0, false },
		{ "numproc.ll", 0, false },     { "hostname.l", 0, false },
		{ "", 0, false },               { "nocolumn", 0, false },
	};
	struct column *cols;
	size_t i, n;
	char variant = 0;

	columns_make(&cols, &n);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct column *col = column_find(cols, n, cases[i].name, &variant);

		CHECK(!!col == cases[i].ok);
		CHECK(!col || variant == cases[i].variant);
	}
	free(cols);
}

TEST(filter_matches)
{
	static char web[] = "web1", ips[] = "10.0.0.1 10.0.0.2";
	static const struct {
		const char *expr;
		struct cell cell;
		bool pass;
	} cases[] = {
		{ "ram>1G", CELL(CELL_NUM, UINT64_C(2) << 30, NULL), true },
		{ "ram>=2G", CELL(CELL_NUM, UINT64_C(2) << 30, NULL), true },
		{ "ram<2G", CELL(CELL_NUM, UINT64_C(2) << 30, NULL), false },
		{ "ram=2G", CELL(CELL_NUM, UINT64_C(2) << 30, NULL), true },
		{ "ram>1G", CELL(CELL_NONE, 0, NULL), false },
		{ "ram=-", CELL(CELL_NONE, 0, NULL), true },
		{ "ram=many", CELL(CELL_NUM, 1, NULL), false },
		{ "hostname=web*", CELL(CELL_TEXT, 0, web), true },
		{ "hostname!=web*", CELL(CELL_TEXT, 0, web), false },
		{ "ip=10.0.0.2", CELL(CELL_LIST, 0, ips), true },
		{ "ip=10.0.0.3", CELL(CELL_LIST, 0, ips), false },
		{ "onboot=yes", CELL(CELL_BOOL, 1, NULL), true },
		{ "onboot=no", CELL(CELL_BOOL, 1, NULL), false },
	};
	struct column *cols;
	size_t i, n;

	columns_make(&cols, &n);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = ERR_INIT;
		struct filter f;

		CHECK(filter_is(cases[i].expr));
		CHECK(filter_parse(cases[i].expr, cols, n, &f, &e) == 0);
		CHECK(filter_match(&f, &cases[i].cell) == cases[i].pass);
	}
	free(cols);
}

TEST(filter_refuses)
{
	static const char *const bad[] = { "=x", "nocolumn=1", "ram!1", "numproc.x=1" };
	struct column *cols;
	size_t i, n;

	columns_make(&cols, &n);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err e = ERR_INIT;
		struct filter f;

		CHECK(filter_parse(bad[i], cols, n, &f, &e) < 0 && e.exit == VZ_BAD_VALUE);
	}
	CHECK(!filter_is("101") && !filter_is("web-1"));
	free(cols);
}

TEST(cell_text_is_safe)
{
	static char evil[] = "a\033[2Jb", list[] = "one two";
	char text[32];

	cell_text(&CELL(CELL_TEXT, 0, evil), false, text, sizeof(text));
	CHECK(str_eq(text, "a?[2Jb"));
	cell_text(&CELL(CELL_LIST, 0, list), true, text, sizeof(text));
	CHECK(str_eq(text, "one"));
	cell_text(&CELL(CELL_SECONDS, 90061, NULL), false, text, sizeof(text));
	CHECK(str_eq(text, "001d01h:01m:01s"));
	cell_text(&CELL(CELL_NONE, 0, NULL), false, text, sizeof(text));
	CHECK(str_eq(text, "-"));
}
