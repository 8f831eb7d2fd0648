/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unit tests in TAP. A test registers itself: TEST(name) { CHECK(cond); }. A failed CHECK is
 * reported with its place and the test goes on; the program ends non-zero if any failed.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test {
	const char *name;
	void (*fn)(void);
	struct test *next;
};

static struct test *test_first, **test_last = &test_first;
static unsigned test_bad;

#define TEST(id)                                                                          \
	static void test_##id(void);                                                      \
	static struct test test_row_##id = { #id, test_##id, NULL };                      \
	__attribute__((constructor)) static void test_reg_##id(void)                      \
	{                                                                                 \
		*test_last = &test_row_##id;                                              \
		test_last = &test_row_##id.next;                                          \
	}                                                                                 \
	static void test_##id(void)

#define CHECK(cond)                                                                       \
	do {                                                                              \
		if (!(cond)) {                                                            \
			test_bad++;                                                       \
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond);               \
		}                                                                         \
	} while (0)

#define CHECK_STR(a, b)                                                                   \
	do {                                                                              \
		const char *a_ = (a), *b_ = (b);                                          \
		if (strcmp(a_, b_) != 0) {                                                \
			test_bad++;                                                       \
			printf("# %s:%d: \"%s\" is not \"%s\"\n", __FILE__, __LINE__, a_, b_); \
		}                                                                         \
	} while (0)

int main(void)
{
	unsigned n = 0, failed = 0;

	for (struct test *t = test_first; t; t = t->next) {
		unsigned before = test_bad;

		t->fn();
		failed += test_bad != before;
		printf("%sok %u - %s\n", test_bad == before ? "" : "not ", ++n, t->name);
	}
	printf("1..%u\n", n);
	return failed ? 1 : 0;
}
