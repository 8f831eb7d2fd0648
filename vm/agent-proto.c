/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vm/agent-proto.h"

#include <string.h>

/* True when buf[len] may be the beginning of a head. */
static bool could_be_head(const uint8_t *buf, size_t len)
{
	const uint32_t magic = AGENT_MAGIC;
	size_t n = len < sizeof(magic) ? len : sizeof(magic);

	return memcmp(buf, &magic, n) == 0;
}

static bool sane(const struct agent_head *h)
{
	return h->len <= AGENT_PAYLOAD && ((h->type >= AGENT_HELLO && h->type < AGENT_REQUESTS) ||
					   (h->type >= AGENT_WELCOME && h->type < AGENT_ANSWERS));
}

int agent_parse(const uint8_t *buf, size_t len, struct agent_frame *ret, size_t *ret_used)
{
	struct agent_head h;
	size_t at = 0;

	for (;; at++) {
		while (at < len && !could_be_head(buf + at, len - at))
			at++;
		*ret_used = at;
		if (len - at < sizeof(h))
			return 0;
		memcpy(&h, buf + at, sizeof(h));
		if (sane(&h))
			break;
	}
	if (len - at < sizeof(h) + h.len)
		return 0;
	*ret = (struct agent_frame){ h.type, h.len, h.session, buf + at + sizeof(h) };
	*ret_used = at + sizeof(h) + h.len;
	return 1;
}

size_t agent_put(uint8_t *dst, uint32_t session, enum agent_type type, const void *payload,
		 size_t len)
{
	struct agent_head h = { AGENT_MAGIC, session, (uint16_t)type, (uint16_t)len };

	memcpy(dst, &h, sizeof(h));
	if (len)
		memcpy(dst + sizeof(h), payload, len);
	return sizeof(h) + len;
}

bool agent_take(const struct agent_frame *f, void *dst, size_t size)
{
	if (f->len != size)
		return false;
	memcpy(dst, f->payload, size);
	return true;
}

const char *agent_word(const char *body, size_t len, size_t *pos, char *ret_letter)
{
	const char *word = body + *pos, *end;

	if (*pos >= len)
		return NULL;
	end = memchr(word, '\0', len - *pos);
	if (!end || end == word)
		return NULL;
	*pos = (size_t)(end - body) + 1;
	*ret_letter = word[0];
	return word + 1;
}
