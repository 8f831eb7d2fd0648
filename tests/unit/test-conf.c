/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The config file: what is read, what is refused, what survives a save. */
#include "tests/unit/harness.h"

#include "util/exits.h"
#include "util/str.h"
#include "ve/conf.h"

static int parse(const char *text, struct ve_conf *c, struct err *e)
{
	return conf_parse(text, strlen(text), "101.conf", c, e);
}

TEST(reads_vzctls_spelling)
{
	struct ve_conf c = { 0 };
	struct err e = ERR_INIT;

	CHECK(parse("# a comment\n\nPHYSPAGES=\"0:65536\"\nHOSTNAME='web'\nCPULIMIT=50\n"
		    "UNKNOWN=\"kept\"\nCPULIMIT=\"25\"\n", &c, &e) == 0);
	CHECK(c.ram == 256 << 20);
	CHECK_STR(c.hostname, "web");
	CHECK(c.cpulimit == 25);        /* the last of two counts */
}

TEST(refuses_what_is_no_config)
{
	static const struct { const char *text, *part; } bad[] = {
		{ "PHYSPAGES=\"0:65536\"\nnonsense\n", "line 2" },
		{ "PHYSPAGES=\"0:65536\nCPUS=\"1\"\n", "line 1" },
		{ "CPUS=\"many\"\n", "CPUS" },
		{ "CPUS=\"1\"", "truncated" },
		{ "CPUS=\"1\"\n\x01\x02\n", "binary" },
		{ "=\"1\"\n", "line 1" },
		{ "A B=\"1\"\n", "line 1" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct ve_conf c = { .cpus = 7 };
		struct err e = ERR_INIT;

		CHECK(parse(bad[i].text, &c, &e) < 0);
		CHECK(e.exit == VZ_BAD_CONF);
		CHECK(strstr(e.msg, bad[i].part));
		CHECK(strstr(e.msg, "101.conf"));
		CHECK(c.cpus == 7);             /* untouched on failure */
	}
}

TEST(a_nul_byte_does_not_hide_the_rest)
{
	static const char text[] = "CPUS=\"1\"\n\0CPUS=\"2\"\n";
	struct ve_conf c = { 0 };
	struct err e = ERR_INIT;

	CHECK(conf_parse(text, sizeof(text) - 1, "x", &c, &e) < 0);
}

TEST(a_save_keeps_order_comments_and_unknown_keys)
{
	static const char old[] = "# mine\nCPUS=\"1\"\nVENDOR_KEY=\"x y\"\n\nHOSTNAME=\"a\"\nCPUS=\"9\"\n";
	struct ve_conf c = { 0 };
	struct err e = ERR_INIT;
	char *text = NULL;

	CHECK(parse("CPUS=\"4\"\nCPULIMIT=\"50\"\n", &c, &e) == 0);
	CHECK(conf_format(old, &c, &text, &e) == 0);
	CHECK_STR(text, "# mine\nCPUS=\"4\"\nVENDOR_KEY=\"x y\"\n\nHOSTNAME=\"a\"\nCPULIMIT=\"50\"\n");
	free(text);
}

TEST(an_empty_file_becomes_a_config)
{
	struct ve_conf c = { 0 };
	struct err e = ERR_INIT;
	char *text = NULL;

	CHECK(parse("", &c, &e) == 0);
	CHECK(conf_format("", &c, &text, &e) == 0);
	CHECK_STR(text, "");
	free(text);
}

TEST(what_sh_would_take_for_its_own_is_escaped_and_read_back)
{
	static const char *const texts[] = {
		"{\"plan\": \"gold\"}", "$(touch pwned)", "`touch pwned`", "a\\b", "\\", "it's", "\"", "",
	};
	const struct param *p = param_by_key("DESCRIPTION");

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct ve_conf c = { 0 }, back = { 0 };
		struct err e = ERR_INIT;
		char *text = NULL;

		CHECK(param_parse(p, texts[i], false, &c, &e) == 0);
		CHECK(conf_format("", &c, &text, &e) == 0);
		CHECK(parse(text, &back, &e) == 0);
		CHECK_STR(back.description, texts[i]);
		free(text);
	}
}
