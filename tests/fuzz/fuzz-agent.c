/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VM sends to the host, or a hostile host to the VM: frames out of a stream of bytes. However
 * the stream is cut, the frames must be the same; and the host's side must come to its end with it.
 */
#include "vm/agent-proto.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fuzz/replay.h"
#include "vm/agent.h"

static void walk_words(const struct agent_frame *f)
{
	const char *word, *body = (const char *)f->payload;
	size_t pos = 0, seen = 0;
	char letter;

	while ((word = agent_word(body, f->len, &pos, &letter))) {
		seen += strlen(word) + 2;
		if (pos != seen || pos > f->len)
			abort();
	}
}

/* As a reader has them: `step` bytes at a time. A sum of the frames, in their order. */
static uint64_t frames(const uint8_t *data, size_t size, size_t step)
{
	size_t have = 0, front = 0, used;
	struct agent_frame f;
	uint64_t sum = 0;

	while (have < size) {
		have = size - have < step ? size : have + step;
		for (;;) {
			int got = agent_parse(data + front, have - front, &f, &used);

			if (used > have - front || (got && f.len > AGENT_PAYLOAD))
				abort();
			if (got) {
				walk_words(&f);
				sum = sum * 31 + f.type + f.len + f.session +
				      (f.len ? f.payload[0] + f.payload[f.len - 1] : 0);
			}
			front += used;
			if (!got)
				break;
		}
		if (have - front >= AGENT_FRAME)
			abort();
	}
	return sum;
}

/* The reader of the host, fed from a socket whose other end is closed. */
static void read_all(const uint8_t *data, size_t size)
{
	struct agent_link l = AGENT_LINK_INIT;
	struct err e = ERR_INIT;
	struct agent_frame f;
	int sv[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return;
	(void)!send(sv[1], data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)close(sv[1]);
	l.fd = sv[0];
	memcpy(&l.session, data, sizeof(l.session));
	while ((r = agent_next(&l, 1000, &f, &e)) > 0)
		if (f.session != l.session || f.type < AGENT_WELCOME)
			abort();
	if (r == 0 || !e.msg[0])
		abort();
	(void)close(sv[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t frame[AGENT_FRAME];
	struct agent_frame f;
	size_t used, len;

	if (size < 5 || size > 60000)
		return 0;
	if (frames(data + 4, size - 4, size) != frames(data + 4, size - 4, 1 + data[4] % 64))
		abort();
	/* Its first four bytes are the session. */
	read_all(data, size);
	len = size < AGENT_PAYLOAD ? size : AGENT_PAYLOAD;
	len = agent_put(frame, 7, AGENT_STDOUT, data, len);
	if (agent_parse(frame, len, &f, &used) != 1 || used != len || memcmp(f.payload, data, f.len) != 0)
		abort();
	return 0;
}
