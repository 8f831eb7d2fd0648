/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/range.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "util/str.h"

typedef unsigned __int128 wide;

static unsigned bits_of(const struct ipaddr *a)
{
	return a->family == AF_INET ? 32 : 128;
}

static wide value_of(const struct ipaddr *a)
{
	const uint8_t *b = (const uint8_t *)&a->v4;
	wide v = 0;

	for (unsigned i = 0; i < bits_of(a) / 8; i++)
		v = v << 8 | b[i];
	return v;
}

static struct ipaddr address_of(const struct ipaddr *like, wide v)
{
	struct ipaddr a = { .family = like->family, .prefix = like->prefix };
	uint8_t *b = (uint8_t *)&a.v4;

	for (unsigned i = bits_of(like) / 8; i-- > 0; v >>= 8)
		b[i] = (uint8_t)v;
	return a;
}

/* Bits behind the prefix. */
static wide host_mask(const struct ipaddr *a)
{
	unsigned n = bits_of(a) - a->prefix;

	return n >= 128 ? ~(wide)0 : ((wide)1 << n) - 1;
}

static int parse_pair(const char *text, const char *dash, struct ip_range *r)
{
	char first[IPADDR_STRLEN];

	if (str_fmt(first, sizeof(first), "%.*s", (int)(dash - text), text) < 0 ||
	    strchr(first, '/') || parse_ip(first, &r->first) < 0 ||
	    parse_ip(dash + 1, &r->last) < 0 || r->first.family != r->last.family)
		return -EINVAL;
	r->first.prefix = r->last.prefix;
	if (value_of(&r->first) > value_of(&r->last))
		return -ERANGE;
	if (!strchr(dash, '/'))         /* no network around them */
		return 0;
	return (value_of(&r->first) ^ value_of(&r->last)) & ~host_mask(&r->last) ? -ERANGE : 0;
}

int range_parse(const char *text, struct ip_range *ret)
{
	const char *dash = strchr(text, '-');
	struct ip_range r;
	int k;

	if (dash) {
		k = parse_pair(text, dash, &r);
	} else {
		k = parse_ip(text, &r.first) < 0 || !ip_is_network(&r.first) ? -EINVAL : 0;
		if (k == 0)
			r.last = address_of(&r.first, value_of(&r.first) | host_mask(&r.first));
	}
	if (k == 0)
		*ret = r;
	return k;
}

void range_format(const struct ip_range *r, char dst[2 * IPADDR_STRLEN])
{
	struct ipaddr net = range_network(r);
	char first[IPADDR_STRLEN], last[IPADDR_STRLEN];

	format_ip(&r->last, last);
	if (ip_same_host(&net, &r->first) &&
	    value_of(&r->last) == (value_of(&r->first) | host_mask(&r->first))) {
		format_ip(&r->first, first);
		(void)str_fmt(dst, 2 * IPADDR_STRLEN, "%s", first);
		return;
	}
	format_ip_host(&r->first, first);
	(void)str_fmt(dst, 2 * IPADDR_STRLEN, "%s-%s", first, last);
}

bool range_has(const struct ip_range *r, const struct ipaddr *a)
{
	return a->family == r->first.family && value_of(a) >= value_of(&r->first) &&
	       value_of(a) <= value_of(&r->last);
}

bool range_overlap(const struct ip_range *a, const struct ip_range *b)
{
	return range_has(a, &b->first) || range_has(b, &a->first);
}

struct ipaddr range_network(const struct ip_range *r)
{
	return address_of(&r->first, value_of(&r->first) & ~host_mask(&r->first));
}

bool range_nth(const struct ip_range *r, uint64_t n, struct ipaddr *ret)
{
	wide v = value_of(&r->first) + n;

	if (v > value_of(&r->last) || v < value_of(&r->first))
		return false;
	*ret = address_of(&r->first, v);
	return true;
}

bool range_is_edge(const struct ip_range *r, const struct ipaddr *a)
{
	wide mask = host_mask(&r->first), host = value_of(a) & mask;

	if (mask <= 1)          /* /31, /32: every address is one of a machine (RFC 3021) */
		return false;
	return host == 0 || (a->family == AF_INET && host == mask);
}
