/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Types of network parameters. Rates are in bits per second, with decimal suffixes, as network
 * gear has them; a bare number is kbit/s, the unit of vz's RATE.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "netns/shape.h"
#include "util/str.h"
#include "ve/ptypes.h"

static const struct {
	const char *suffix, *short_suffix;
	uint64_t scale;
} units[] = {
	{ "gbit", "g", 1000000000 }, { "mbit", "m", 1000000 }, { "kbit", "k", 1000 }, { "bit", "bit", 1 },
};

static int scale_of(const char *suffix, uint64_t *ret)
{
	if (!*suffix) {
		*ret = 1000;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcasecmp(suffix, units[i].suffix) && strcasecmp(suffix, units[i].short_suffix))
			continue;
		*ret = units[i].scale;
		return 0;
	}
	return -EINVAL;
}

/* Digits, with at most six of a fraction, as a number of millionths. */
static int millionths(const char *text, size_t len, uint64_t *ret)
{
	uint64_t v = 0, left = 0;
	bool dot = false;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '.' && !dot && i) {
			dot = true;
			left = 6;
			continue;
		}
		if (!isdigit((unsigned char)text[i]) || (dot && !left))
			return -EINVAL;
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(text[i] - '0'), &v))
			return -ERANGE;
		left -= dot;
	}
	for (left = dot ? left : 6; left; left--)
		if (__builtin_mul_overflow(v, 10, &v))
			return -ERANGE;
	*ret = v;
	return len && text[len - 1] != '.' ? 0 : -EINVAL;
}

int rate_bits(const char *text, uint64_t *ret)
{
	size_t len = strspn(text, "0123456789.");
	uint64_t v, scale;
	int r = millionths(text, len, &v);

	if (!r)
		r = scale_of(text + len, &scale);
	if (r < 0)
		return r;
	if (__builtin_mul_overflow(v, scale, &v))       /* 18 Tbit/s and more */
		return -ERANGE;
	v = v / 1000000 / 8 * 8;                        /* the kernel counts whole bytes */
	if (v && (v < SHAPE_MIN || v > SHAPE_MAX))
		return -ERANGE;
	*ret = v;
	return 0;
}

static int rate_parse(const struct param *p, const char *text, bool from_file, void *val,
		      const char **ret_want)
{
	(void)p;
	(void)from_file;
	*ret_want = "a rate such as 800 (kbit), 10mbit or 1gbit, from 8kbit to 100gbit, or 0";
	return rate_bits(text, val);
}

static int rate_format(const struct param *p, const void *val, bool for_file, char *dst,
		       size_t size)
{
	uint64_t v = *(const uint64_t *)val;
	size_t i = 0;

	(void)p;
	(void)for_file;
	while (v % units[i].scale)
		i++;
	if (!v)
		return str_fmt(dst, size, "0") < 0 ? -ENAMETOOLONG : 0;
	return str_fmt(dst, size, "%" PRIu64 "%s", v / units[i].scale, units[i].suffix) < 0 ?
	       -ENAMETOOLONG : 0;
}

/* One DEVICE:CLASS:KBIT. A device is a link's name or "*"; classes are 0 to 15. */
static int vz_rate_word(const char *word, uint64_t *ret_class, uint64_t *ret_bits)
{
	const char *first = strchr(word, ':');
	const char *second = first ? strchr(first + 1, ':') : NULL;
	char device[IFNAMSIZ], class[8];
	uint64_t kbit;

	if (!second || second[1] == '\0' ||
	    str_fmt(device, sizeof(device), "%.*s", (int)(first - word), word) < 0 ||
	    str_fmt(class, sizeof(class), "%.*s", (int)(second - first - 1), first + 1) < 0)
		return -EINVAL;
	if (!str_eq(device, "*") && !str_is_word(device, "._-*"))
		return -EINVAL;
	if (parse_u64(class, 0, 15, ret_class) < 0)
		return -ERANGE;
	if (parse_u64(second + 1, 0, SHAPE_MAX / 1000, &kbit) < 0 || (kbit && kbit < SHAPE_MIN / 1000))
		return -ERANGE;
	*ret_bits = kbit * 1000;
	return 0;
}

static int vz_rate_parse(const struct param *p, const char *text, bool from_file, void *val,
			 const char **ret_want)
{
	const char *s = text;
	uint64_t class, bits;
	char word[64];
	int r, one;

	(void)from_file;
	*ret_want = "DEVICE:CLASS:KBIT, such as eth0:1:800; class 0 to 15, at least 8 kbit or 0";
	while ((r = str_word(&s, word, sizeof(word))) != 0) {
		one = r < 0 ? r : vz_rate_word(word, &class, &bits);
		if (one < 0)
			return one;
	}
	return str_fmt(val, p->type->size, "%s", text) < 0 ? -ERANGE : 0;
}

static int word_format(const struct param *p, const void *val, bool for_file, char *dst,
			  size_t size)
{
	(void)p;
	(void)for_file;
	return str_fmt(dst, size, "%s", (const char *)val) < 0 ? -ENAMETOOLONG : 0;
}

uint64_t vz_rate_bits(const char *text)
{
	uint64_t class, bits;
	char word[64];

	while (str_word(&text, word, sizeof(word)) > 0)
		if (vz_rate_word(word, &class, &bits) == 0 && class == 1)
			return bits;
	return 0;
}

static int action_parse(const struct param *p, const char *text, bool from_file, void *val,
			const char **ret_want)
{
	static const char throttle[] = "throttle:";
	uint64_t rate;
	int r;

	(void)from_file;
	*ret_want = "notify, suspend, or throttle:RATE with a rate such as 1mbit, at least 8kbit";
	if (str_starts(text, throttle)) {
		r = rate_bits(text + strlen(throttle), &rate);
		if (r < 0 || !rate)
			return r < 0 ? r : -ERANGE;
	} else if (!str_eq(text, "notify") && !str_eq(text, "suspend")) {
		return -EINVAL;
	}
	return str_fmt(val, p->type->size, "%s", text) < 0 ? -ERANGE : 0;
}

const struct ptype ptype_traffic_action = { "notify|throttle:RATE|suspend", 40, false, true,
					    action_parse, word_format };
const struct ptype ptype_rate = { "rate", 8, true, false, rate_parse, rate_format };
const struct ptype ptype_vz_rate = { "device:class:kbit", 128, false, true, vz_rate_parse,
				     word_format };
