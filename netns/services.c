/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/services.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#include "util/parse.h"
#include "util/str.h"

static int order(const struct service *a, const struct service *b)
{
	return a->proto != b->proto ? a->proto - b->proto : a->port - b->port;
}

static int add(struct services *s, uint8_t proto, uint32_t port)
{
	struct service x = { proto, (uint16_t)port };
	unsigned i = 0;

	while (i < s->n && order(&s->a[i], &x) < 0)
		i++;
	if (i < s->n && order(&s->a[i], &x) == 0)
		return 0;
	if (s->n == SERVICES_MAX)
		return -EINVAL;
	memmove(&s->a[i + 1], &s->a[i], (s->n - i) * sizeof(x));
	s->a[i] = x;
	s->n++;
	return 0;
}

static int take(struct services *s, const char *word)
{
	uint32_t port;
	int r;

	if (str_eq(word, "all")) {
		s->all = true;
		return 0;
	}
	if (str_eq(word, "icmp")) {
		r = add(s, IPPROTO_ICMP, ICMP_ECHO);
		return r < 0 ? r : add(s, IPPROTO_ICMPV6, ICMP6_ECHO_REQUEST);
	}
	if ((!str_starts(word, "tcp:") && !str_starts(word, "udp:")) ||
	    parse_u32(word + 4, 1, 65535, &port) < 0)
		return -EINVAL;
	return add(s, *word == 't' ? IPPROTO_TCP : IPPROTO_UDP, port);
}

int services_parse(const char *text, struct services *ret)
{
	struct services s = { 0 };
	const char *at = text;
	char word[16];
	int r;

	if (str_eq(text, "none")) {
		*ret = s;
		return 0;
	}
	while ((r = str_word(&at, word, sizeof(word))) != 0)
		if (r < 0 || take(&s, word) < 0)
			return -EINVAL;
	if (!s.n && !s.all)
		return -EINVAL;
	if (s.all)
		s = (struct services){ .all = true };
	*ret = s;
	return 0;
}

/* FNV-1a. */
uint32_t services_id(const struct services *s)
{
	uint32_t h = UINT32_C(0x811c9dc5);

	for (unsigned i = 0; i < s->n; i++) {
		const uint8_t b[] = { s->a[i].proto, (uint8_t)(s->a[i].port >> 8),
				      (uint8_t)s->a[i].port };

		for (size_t k = 0; k < sizeof(b); k++)
			h = (h ^ b[k]) * UINT32_C(0x01000193);
	}
	return s->all ? 1 : h;
}
