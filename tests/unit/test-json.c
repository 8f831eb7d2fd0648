/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/harness.h"

#include <errno.h>
#include <math.h>

#include "util/json.h"
#include "util/str.h"

static int parse(const char *text, struct json_val **ret)
{
	struct err e = ERR_INIT;

	return json_parse(text, strlen(text), "test", ret, &e);
}

TEST(writes_compact_text_with_a_newline)
{
	struct json_out *j = json_new(false);
	struct err e = ERR_INIT;
	const char *text = "";

	json_object(j);
	json_kstr(j, "name", "a\"b");
	json_ku64(j, "big", UINT64_MAX);
	json_kstr(j, "none", NULL);
	json_kbool(j, "yes", true);
	json_key(j, "list");
	json_array(j);
	json_i64(j, INT64_MIN);
	json_double(j, 0.1);
	json_double(j, NAN);
	json_end(j);
	json_end(j);
	CHECK(json_finish(j, &text, &e) == 0);
	CHECK_STR(text, "{\"name\":\"a\\\"b\",\"big\":18446744073709551615,\"none\":null,"
			"\"yes\":true,\"list\":[-9223372036854775808,0.1,null]}\n");
	json_free(j);
}

TEST(replaces_what_is_not_utf8)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "\xc3\xa9", "\"\xc3\xa9\"\n" },
		{ "\xff" "a", "\"\xef\xbf\xbd" "a\"\n" },
		{ "\xc3", "\"\xef\xbf\xbd\"\n" },
		{ "\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\"\n" },               /* overlong */
		{ "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"\n" }, /* surrogate */
		{ "\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\"\n" },
		{ "\xf4\x90\x80\x80",
		  "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct json_out *j = json_new(false);
		struct err e = ERR_INIT;
		const char *text = "";

		json_str(j, cases[i].in);
		CHECK(json_finish(j, &text, &e) == 0);
		CHECK_STR(text, cases[i].out);
		json_free(j);
	}
}

TEST(misuse_of_the_writer_is_reported)
{
	struct json_out *j = json_new(true);
	struct err e = ERR_INIT;
	const char *text;

	json_object(j);
	json_u64(j, 1);                 /* a number is no key */
	json_end(j);
	CHECK(json_finish(j, &text, &e) == -EINVAL);
	json_free(j);
	j = json_new(true);
	json_array(j);
	CHECK(json_finish(j, &text, &e) == -EINVAL);
	json_free(j);
	j = json_new(true);
	json_end(j);
	CHECK(json_finish(j, &text, &e) == -EINVAL);
	json_free(j);
}

TEST(reads_a_tree)
{
	struct json_val *v = NULL;

	CHECK(parse("{\"s\":\"x\",\"n\":18446744073709551615,\"neg\":-1,\"b\":true,"
		    "\"a\":[1,\"two\",{}],\"s\":\"second\"}", &v) == 0);
	CHECK(json_type(v) == JSON_OBJ && json_len(v) == 6);
	CHECK_STR(json_get_str(v, "s", ""), "x");
	CHECK_STR(json_get_str(v, "n", "def"), "def");
	CHECK(json_get_u64(v, "n", 0) == UINT64_MAX);
	CHECK(json_get_u64(v, "neg", 7) == 7);
	CHECK(json_get_bool(v, "b", false));
	CHECK(json_len(json_get(v, "a")) == 3);
	CHECK_STR(json_string(json_at(json_get(v, "a"), 1)), "two");
	CHECK(!json_at(json_get(v, "a"), 3));
	CHECK_STR(json_key_at(v, 4), "a");
	CHECK(!json_get(json_get(v, "none"), "x"));
	json_val_free(v);
}

TEST(refuses_what_is_not_one_document)
{
	static const char *const bad[] = {
		"", " ", "{", "[1,]", "{\"a\"}", "{\"a\":}", "{} {}", "nul", "\"\xff\"", "[01]",
		"{\"a\":1,}", "// no\n{}", "\"a\\u0000b\"", "{\"a\\u0000b\":1}", "\"\n\"", "]",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct json_val *v = NULL;

		CHECK(parse(bad[i], &v) < 0);
		CHECK(!v);
	}
}

static void fill(char *dst, size_t n, const char *unit)
{
	size_t len = strlen(unit);

	for (size_t i = 0; i < n; i++)
		memcpy(dst + i * len, unit, len);
	dst[n * len] = '\0';
}

TEST(holds_its_bounds)
{
	char *text = malloc(3 * 1024 * 1024);
	struct json_val *v = NULL;

	fill(text, 16, "[");
	fill(text + 16, 16, "]");
	CHECK(parse(text, &v) == 0);
	json_val_free(v);
	v = NULL;
	fill(text, 17, "[");
	fill(text + 17, 17, "]");
	CHECK(parse(text, &v) == -E2BIG);
	fill(text, 500000, "[");
	CHECK(parse(text, &v) == -E2BIG);
	text[0] = '[';
	fill(text + 1, 100001, "0,");
	CHECK(parse(text, &v) == -E2BIG);
	fill(text, 1024 * 1024 + 1, " ");
	CHECK(parse(text, &v) == -EFBIG);
	CHECK(!v);
	free(text);
}
