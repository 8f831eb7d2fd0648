/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests of util/str.h and util/parse.h: bounded text; numbers, sizes, times, addresses. */
#include "tests/unit/harness.h"

#include <errno.h>
#include <unistd.h>

#include "util/parse.h"
#include "util/str.h"

#define UNTOUCHED UINT64_C(0xfeedface)

/* ---- str ---- */

TEST(str_fmt_never_cuts)
{
	char buf[6];

	CHECK(str_fmt(buf, sizeof(buf), "%s", "12345") == 5);
	CHECK_STR(buf, "12345");
	CHECK(str_fmt(buf, sizeof(buf), "%s", "123456") == -ENAMETOOLONG);
	CHECK_STR(buf, "");
}

TEST(str_is_word)
{
	static const struct { const char *s, *extra; bool ok; } rows[] = {
		{ "web-1", "-", true }, { "web-1", "", false }, { "", "-", false },
		{ "a b", "-", false }, { "a/b", "-._", false }, { "\xc3\xa9", "-", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK(str_is_word(rows[i].s, rows[i].extra) == rows[i].ok);
}

TEST(str_control_characters)
{
	CHECK(!str_has_control("plain text"));
	CHECK(str_has_control("two\nlines"));
	CHECK(str_has_control("\x7f"));
	CHECK(!str_has_control("\xc3\xa9"));
	/* C1, and characters that hold such a byte. */
	CHECK(str_has_control("a\x9b" "2J"));
	CHECK(str_has_control("\xc2\x9b" "2J"));
	CHECK(str_has_control("\x80"));
	CHECK(!str_has_control("\xc2\xa0\xe2\x80\x93\xc3\x9f\xf0\x9f\x90\xb3"));
	CHECK(!str_has_c0("\x93old\x94"));
	CHECK(str_has_c0("\x1b[2J"));
}

TEST(str_show_escapes_and_cuts)
{
	static const struct {
		const char *s, *shown;
	} rows[] = {
		{ "plain", "plain" }, { "gr\xc3\xbcn", "gr\xc3\xbcn" }, { "", "" }, { "a\nb", "a\\x0ab" },
		{ "\x1b[2J", "\\x1b[2J" }, { "\x7f", "\\x7f" }, { "\x9b" "2J", "\\x9b2J" },
		{ "\xc2\x9b" "2J", "\xc2\\x9b2J" }, { "1234567890123", "12345678901" },
		{ "1234567\n8", "1234567\\x0a" }, { "12345678\n", "12345678" },
	};
	char dst[12];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_STR(str_show(dst, sizeof(dst), rows[i].s), rows[i].shown);
}

TEST(str_word_splits_lists)
{
	const char *s = " 10.0.0.1,10.0.0.2\t x ";
	char w[16], tiny[3];

	CHECK(str_word(&s, w, sizeof(w)) == 1);
	CHECK_STR(w, "10.0.0.1");
	CHECK(str_word(&s, w, sizeof(w)) == 1);
	CHECK_STR(w, "10.0.0.2");
	CHECK(str_word(&s, w, sizeof(w)) == 1);
	CHECK_STR(w, "x");
	CHECK(str_word(&s, w, sizeof(w)) == 0);
	s = "abc";
	CHECK(str_word(&s, tiny, sizeof(tiny)) == -ENAMETOOLONG);
}

TEST(str_part_splits_at_one_byte)
{
	const char *s = "eth1,,long one,";
	char w[8];

	CHECK(str_part(&s, ',', w, sizeof(w)) == 1);
	CHECK_STR(w, "eth1");
	CHECK(str_part(&s, ',', w, sizeof(w)) == 1);
	CHECK_STR(w, "");
	CHECK(str_part(&s, ',', w, sizeof(w)) == -ENAMETOOLONG);
	CHECK_STR(w, "");
	CHECK(str_part(&s, ',', w, sizeof(w)) == 0);
}

TEST(str_distance)
{
	static const struct { const char *a, *b; unsigned d; } rows[] = {
		{ "start", "start", 0 }, { "strat", "start", 1 }, { "stat", "start", 1 },
		{ "", "abc", 3 }, { "set", "", 3 }, { "kitten", "sitting", 3 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK(str_distance(rows[i].a, rows[i].b) == rows[i].d);
}

TEST(str_ends_and_starts)
{
	CHECK(str_starts("berth-keeper", "berth"));
	CHECK(!str_starts("be", "berth"));
	CHECK(str_ends("101.conf", ".conf"));
	CHECK(!str_ends("conf", ".conf"));
}

/* ---- parse ---- */

TEST(parse_u64_is_strict)
{
	static const struct { const char *s; int r; uint64_t v; } rows[] = {
		{ "0", 0, 0 }, { "7", 0, 7 }, { "100", 0, 100 }, { "101", -ERANGE, UNTOUCHED },
		{ "18446744073709551615", -ERANGE, UNTOUCHED },
		{ "18446744073709551616", -ERANGE, UNTOUCHED },
		{ "99999999999999999999999", -ERANGE, UNTOUCHED },
		{ "", -EINVAL, UNTOUCHED }, { "-1", -EINVAL, UNTOUCHED },
		{ "+1", -EINVAL, UNTOUCHED }, { " 1", -EINVAL, UNTOUCHED },
		{ "1 ", -EINVAL, UNTOUCHED }, { "0x10", -EINVAL, UNTOUCHED },
		{ "010", -EINVAL, UNTOUCHED }, { "1e3", -EINVAL, UNTOUCHED },
		{ "1.0", -EINVAL, UNTOUCHED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t v = UNTOUCHED;

		CHECK(parse_u64(rows[i].s, 0, 100, &v) == rows[i].r);
		CHECK(v == rows[i].v);
	}
}

TEST(parse_u64_whole_range)
{
	uint64_t v = 0;

	CHECK(parse_u64("18446744073709551615", 0, UINT64_MAX, &v) == 0);
	CHECK(v == UINT64_MAX);
	CHECK(parse_u64("5", 6, 10, &v) == -ERANGE);
}

TEST(parse_size_units)
{
	static const struct { const char *s; int r; uint64_t v; } rows[] = {
		{ "512M", 0, UINT64_C(512) << 20 }, { "512m", 0, UINT64_C(512) << 20 },
		{ "4G", 0, UINT64_C(4) << 30 }, { "4GiB", 0, UINT64_C(4) << 30 },
		{ "4gb", 0, UINT64_C(4) << 30 }, { "1.5G", 0, UINT64_C(3) << 29 },
		{ "10", 0, 10240 }, { "10b", 0, 10 }, { "2T", 0, UINT64_C(2) << 40 },
		{ "unlimited", 0, U64_UNLIMITED }, { "UNLIMITED", 0, U64_UNLIMITED },
		{ "9223372036854775807b", 0, U64_UNLIMITED },
		{ "9223372036854775807", -ERANGE, UNTOUCHED },
		{ "9223372036854775808b", -ERANGE, UNTOUCHED },
		{ "99999999T", -ERANGE, UNTOUCHED },
		{ "", -EINVAL, UNTOUCHED }, { "M", -EINVAL, UNTOUCHED },
		{ "1.5", -EINVAL, UNTOUCHED }, { "1.M", -EINVAL, UNTOUCHED },
		{ "1X", -EINVAL, UNTOUCHED }, { "1Mx", -EINVAL, UNTOUCHED },
		{ "-1M", -EINVAL, UNTOUCHED }, { "1 M", -EINVAL, UNTOUCHED },
		{ "0x1M", -EINVAL, UNTOUCHED }, { "1e3M", -EINVAL, UNTOUCHED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t v = UNTOUCHED;

		CHECK(parse_size(rows[i].s, 1024, false, &v) == rows[i].r);
		CHECK(v == rows[i].v);
	}
}

TEST(parse_duration_units)
{
	static const struct {
		const char *s;
		int r;
		uint64_t v;
	} rows[] = {
		{ "10", 0, 10000 },	{ "10s", 0, 10000 },   { "1500ms", 0, 1500 },
		{ "2m", 0, 120000 },	{ "1h", 0, 3600000 },  { "0", -ERANGE, 0 },
		{ "2h", -ERANGE, 0 },	{ "-1", -EINVAL, 0 },  { "", -EINVAL, 0 },
		{ "10 s", -EINVAL, 0 }, { "10S", -EINVAL, 0 }, { "1.5s", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },	{ "99999999999999999999h", -ERANGE, 0 },
		{ "9999999999999999999h", -ERANGE, 0 },
	};
	uint64_t v;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		v = 0;
		CHECK(parse_duration(rows[i].s, 1, 3600000, &v) == rows[i].r);
		CHECK(v == rows[i].v);
	}
}

TEST(parse_size_pages)
{
	uint64_t v = UNTOUCHED;

	CHECK(parse_size("3p", 1, true, &v) == 0);
	CHECK(v == 3 * (uint64_t)sysconf(_SC_PAGESIZE));
	CHECK(parse_size("3p", 1, false, &v) == 0);
	CHECK(v == UINT64_C(3) << 50);
	CHECK(parse_size("3pb", 1, true, &v) == -EINVAL);
}

TEST(parse_bool)
{
	bool v = true;

	CHECK(parse_bool("no", &v) == 0 && !v);
	CHECK(parse_bool("ON", &v) == 0 && v);
	CHECK(parse_bool("0", &v) == 0 && !v);
	CHECK(parse_bool("maybe", &v) == -EINVAL && !v);
	CHECK(parse_bool("", &v) == -EINVAL);
}

TEST(parse_cpulist)
{
	uint64_t b[16];

	CHECK(parse_cpulist("0-3,7", 8, b) == 0 && b[0] == 0x8f);
	CHECK(parse_cpulist("all", 2, b) == 0 && b[0] == 3);
	CHECK(parse_cpulist("1023", 8, b) == 0 && b[15] == UINT64_C(1) << 63);
	CHECK(parse_cpulist("1024", 8, b) == -ERANGE);
	CHECK(b[15] == UINT64_C(1) << 63);
	CHECK(parse_cpulist("0-1023", 8, b) == 0 && b[7] == UINT64_MAX);
	CHECK(parse_cpulist("3-1", 8, b) == -EINVAL);
	CHECK(parse_cpulist("1,", 8, b) == -EINVAL);
	CHECK(parse_cpulist("", 8, b) == -EINVAL);
	CHECK(parse_cpulist("1-", 8, b) == -EINVAL);
}

TEST(parse_ip_round_trip)
{
	static const struct { const char *s, *text, *host; } rows[] = {
		{ "10.0.0.5", "10.0.0.5", "10.0.0.5" },
		{ "10.0.0.5/32", "10.0.0.5", "10.0.0.5" },
		{ "10.0.0.5/24", "10.0.0.5/24", "10.0.0.5" },
		{ "2001:DB8::1", "2001:db8::1", "2001:db8::1" },
		{ "2001:db8:0:0::1/64", "2001:db8::1/64", "2001:db8::1" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[IPADDR_STRLEN] = "";
		struct ipaddr a;

		CHECK(parse_ip(rows[i].s, &a) == 0);
		format_ip(&a, text);
		CHECK_STR(text, rows[i].text);
		format_ip_host(&a, text);
		CHECK_STR(text, rows[i].host);
	}
}

TEST(parse_ip_refuses)
{
	static const char *const rows[] = {
		"", "10.0.0", "10.0.0.256", "10.0.0.5/33", "10.0.0.5/0", "10.0.0.5/", "10.0.0.5/x",
		"010.0.0.5", "10.0.0.5 ", "2001:db8::1/129", "fe80::1%eth0", "::g", "host.example",
		"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct ipaddr a = { .family = 99 };

		CHECK(parse_ip(rows[i], &a) < 0);
		CHECK(a.family == 99);
	}
}

TEST(ip_same_host_ignores_prefix)
{
	struct ipaddr a, b, c;

	CHECK(parse_ip("10.0.0.5/24", &a) == 0 && parse_ip("10.0.0.5", &b) == 0);
	CHECK(parse_ip("10.0.0.6", &c) == 0);
	CHECK(ip_same_host(&a, &b));
	CHECK(!ip_same_host(&a, &c));
	CHECK(parse_ip("::", &c) == 0);
	CHECK(!ip_same_host(&a, &c));
}

TEST(parse_mac)
{
	uint8_t m[6] = { 9 };
	char text[MAC_STRLEN];

	CHECK(parse_mac("00:18:51:aB:cd:EF", m) == 0);
	format_mac(m, text);
	CHECK_STR(text, "00:18:51:ab:cd:ef");
	CHECK(m[0] == 0 && m[1] == 0x18 && m[5] == 0xef);
	CHECK(parse_mac("00:18:51:ab:cd", m) == -EINVAL);
	CHECK(parse_mac("00:18:51:ab:cd:ef:01", m) == -EINVAL);
	CHECK(parse_mac("00-18-51-ab-cd-ef", m) == -EINVAL);
	CHECK(parse_mac("", m) == -EINVAL);
	CHECK(m[5] == 0xef);
}
