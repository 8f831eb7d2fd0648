/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/parse.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "util/str.h"

/* Digits at the start of *s; refuses none at all and anything over 64 bits. */
static int digits(const char **s, uint64_t *ret)
{
	uint64_t v = 0;
	const char *p = *s;

	if (!isdigit((unsigned char)*p))
		return -EINVAL;
	for (; isdigit((unsigned char)*p); p++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return -ERANGE;
	*s = p;
	*ret = v;
	return 0;
}

int parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t v;
	int r;

	if (s[0] == '0' && s[1])        /* 010 could be meant as octal: ask for a clear number */
		return -EINVAL;
	r = digits(&s, &v);
	if (r < 0)
		return r;
	if (*s)
		return -EINVAL;
	if (v < min || v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

int parse_u32(const char *s, uint32_t min, uint32_t max, uint32_t *ret)
{
	uint64_t v;
	int r = parse_u64(s, min, max, &v);

	if (r < 0)
		return r;
	*ret = (uint32_t)v;
	return 0;
}

static int size_suffix(const char *s, uint64_t unit, bool pages, uint64_t *ret)
{
	static const char scale[] = "bkmgtp";
	const char *hit;

	if (!*s) {
		*ret = unit;
		return 0;
	}
	hit = strchr(scale, tolower((unsigned char)*s));
	if (!hit)
		return -EINVAL;
	if (*hit == 'p' && pages) {
		*ret = (uint64_t)sysconf(_SC_PAGESIZE);
		return s[1] ? -EINVAL : 0;
	}
	*ret = UINT64_C(1) << (10 * (hit - scale));
	s++;
	if (!*s || !strcasecmp(s, "b") || !strcasecmp(s, "ib"))
		return 0;
	return -EINVAL;
}

int parse_size(const char *s, uint64_t unit, bool pages, uint64_t *ret)
{
	uint64_t whole, frac = 0, div = 1, mul, v;
	int r;

	if (!strcasecmp(s, "unlimited")) {
		*ret = U64_UNLIMITED;
		return 0;
	}
	r = digits(&s, &whole);
	if (r < 0)
		return r;
	if (*s == '.') {
		s++;
		if (!isdigit((unsigned char)*s))
			return -EINVAL;
		for (; isdigit((unsigned char)*s); s++)
			if (div < 1000000) {
				frac = frac * 10 + (uint64_t)(*s - '0');
				div *= 10;
			}
		if (!*s)
			return -EINVAL;
	}
	r = size_suffix(s, unit, pages, &mul);
	if (r < 0)
		return r;
	if (__builtin_mul_overflow(whole, mul, &v) || v > U64_UNLIMITED ||
	    __builtin_add_overflow(v, (uint64_t)((__uint128_t)mul * frac / div), &v) ||
	    v > U64_UNLIMITED)
		return -ERANGE;
	*ret = v;
	return 0;
}

int parse_duration(const char *s, uint64_t min_ms, uint64_t max_ms, uint64_t *ret_ms)
{
	static const struct {
		const char *suffix;
		uint64_t ms;
	} units[] = { { "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
	uint64_t v;
	int r = digits(&s, &v);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (!str_eq(s, units[i].suffix))
			continue;
		if (__builtin_mul_overflow(v, units[i].ms, &v) || v < min_ms || v > max_ms)
			return -ERANGE;
		*ret_ms = v;
		return 0;
	}
	return -EINVAL;
}

int parse_bool(const char *s, bool *ret)
{
	static const char *const yes[] = { "yes", "on", "true", "1" };
	static const char *const no[] = { "no", "off", "false", "0" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (!strcasecmp(s, yes[i])) {
			*ret = true;
			return 0;
		}
		if (!strcasecmp(s, no[i])) {
			*ret = false;
			return 0;
		}
	}
	return -EINVAL;
}

int parse_cpulist(const char *s, unsigned all, uint64_t bits[16])
{
	uint64_t out[16] = { 0 }, a, b;

	if (!strcasecmp(s, "all")) {
		for (b = 0; b < all && b < 1024; b++)
			out[b / 64] |= UINT64_C(1) << (b % 64);
		memcpy(bits, out, sizeof(out));
		return 0;
	}
	for (;;) {
		if (digits(&s, &a) < 0)
			return -EINVAL;
		b = a;
		if (*s == '-') {
			s++;
			if (digits(&s, &b) < 0)
				return -EINVAL;
		}
		if (b < a)
			return -EINVAL;
		if (b >= 1024)
			return -ERANGE;
		for (; a <= b; a++)
			out[a / 64] |= UINT64_C(1) << (a % 64);
		if (!*s)
			break;
		if (*s++ != ',')
			return -EINVAL;
	}
	memcpy(bits, out, sizeof(out));
	return 0;
}

int parse_ip(const char *s, struct ipaddr *ret)
{
	struct ipaddr a = { 0 };
	char host[INET6_ADDRSTRLEN];
	const char *slash = strchr(s, '/');
	size_t n = slash ? (size_t)(slash - s) : strlen(s);
	uint32_t prefix, max;

	if (n >= sizeof(host))
		return -EINVAL;
	memcpy(host, s, n);
	host[n] = '\0';
	if (inet_pton(AF_INET, host, &a.v4) == 1)
		a.family = AF_INET;
	else if (inet_pton(AF_INET6, host, &a.v6) == 1)
		a.family = AF_INET6;
	else
		return -EINVAL;
	max = a.family == AF_INET ? 32 : 128;
	prefix = max;
	if (slash && parse_u32(slash + 1, 1, max, &prefix) < 0)
		return -EINVAL;
	a.prefix = (uint8_t)prefix;
	*ret = a;
	return 0;
}

void format_ip_host(const struct ipaddr *a, char dst[IPADDR_STRLEN])
{
	if (!inet_ntop(a->family, &a->v4, dst, IPADDR_STRLEN))
		dst[0] = '\0';
}

void format_ip(const struct ipaddr *a, char dst[IPADDR_STRLEN])
{
	size_t n;

	format_ip_host(a, dst);
	if (!a->family) {
		(void)snprintf(dst, IPADDR_STRLEN, "auto");
		return;
	}
	n = strlen(dst);
	if (a->prefix != (a->family == AF_INET ? 32 : 128))
		(void)snprintf(dst + n, IPADDR_STRLEN - n, "/%u", a->prefix);
}

bool ip_same_host(const struct ipaddr *a, const struct ipaddr *b)
{
	if (a->family != b->family)
		return false;
	if (a->family == AF_INET)
		return a->v4.s_addr == b->v4.s_addr;
	return memcmp(&a->v6, &b->v6, sizeof(a->v6)) == 0;
}

bool ip_is_network(const struct ipaddr *a)
{
	const uint8_t *b = (const uint8_t *)&a->v4;
	unsigned bits = a->family == AF_INET ? 32 : 128;

	for (unsigned i = a->prefix; i < bits; i++)
		if (b[i / 8] >> (7 - i % 8) & 1)
			return false;
	return true;
}

int parse_mac(const char *s, uint8_t ret[6])
{
	uint8_t mac[6];
	unsigned i;

	for (i = 0; i < 6; i++, s += 3) {
		static const char hex[] = "0123456789abcdef";
		const char *hi, *lo;

		if (!s[0] || !s[1])
			return -EINVAL;
		hi = strchr(hex, tolower((unsigned char)s[0]));
		lo = strchr(hex, tolower((unsigned char)s[1]));
		if (!hi || !lo || s[2] != (i < 5 ? ':' : '\0'))
			return -EINVAL;
		mac[i] = (uint8_t)((hi - hex) << 4 | (lo - hex));
	}
	memcpy(ret, mac, sizeof(mac));
	return 0;
}

void format_mac(const uint8_t m[6], char dst[MAC_STRLEN])
{
	(void)snprintf(dst, MAC_STRLEN, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4],
		       m[5]);
}
