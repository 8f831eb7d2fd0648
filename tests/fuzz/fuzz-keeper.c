/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the keeper and its clients parse. The first byte of an input chooses: m a client's
 * message, r a ring file, a an argument vector with NULs between, k the keeper's answer.
 * With -DFUZZER -fsanitize=fuzzer this is a libFuzzer target; without, it replays the files
 * given, or those of its corpus.
 */
#include "runtime/keeper.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/keeper-msg.h"
#include "runtime/keeper-ring.h"
#include "tests/fuzz/replay.h"
#include "util/cleanup.h"

static void fuzz_msg(const uint8_t *data, size_t size)
{
	struct keeper_msg m;

	if (keeper_check_msg(data, size, &m) == 0 && (m.op < KEEPER_HELLO || m.op > KEEPER_QUIT))
		abort();
}

static void fuzz_ring(const uint8_t *data, size_t size)
{
	_fd_ int fd = memfd_create("ring", MFD_CLOEXEC);
	_free_ char *text = NULL;
	struct err e = ERR_INIT;
	char buf[RING_CHUNK];
	struct ring r;
	uint64_t pos = 0;
	size_t len, n;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		return;
	if (keeper_ring_read(fd, &text, &len, &e) == 0 && (len > RING_SIZE || text[len]))
		abort();
	ring_open(&r, fd);
	ring_write(&r, data, size < RING_CHUNK ? size : RING_CHUNK);
	while ((n = ring_read(&r, &pos, buf, sizeof(buf))) > 0)
		pos += n;
	if (pos != r.head)
		abort();
}

static void fuzz_args(const uint8_t *data, size_t size)
{
	_free_ char *text = malloc(size + 1);
	char *argv[KEEPER_ARG_END + 1];
	struct keeper_args a;
	int argc = 0;

	if (!text)
		return;
	memcpy(text, data, size);
	text[size] = '\0';
	for (char *p = text; p <= text + size && argc < KEEPER_ARG_END; p += strlen(p) + 1)
		argv[argc++] = p;
	if (keeper_parse_args(argc, argv, &a) == 0 && (!a.veid || a.init <= 0))
		abort();
}

static void fuzz_answer(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	struct keeper_msg m;
	int sv[2], fd = -1;

	if (size == 0 || size > 4096 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return;
	if (send(sv[1], data, size, 0) == (ssize_t)size &&
	    keeper_call(sv[0], KEEPER_HELLO, 0, &m, &fd, &e) < 0 && !e.msg[0])
		abort();
	(void)close(sv[0]);
	(void)close(sv[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct {
		char kind;
		void (*fn)(const uint8_t *data, size_t size);
	} rows[] = { { 'm', fuzz_msg }, { 'r', fuzz_ring }, { 'a', fuzz_args }, { 'k', fuzz_answer } };

	for (size_t i = 0; size && i < sizeof(rows) / sizeof(rows[0]); i++)
		if (data[0] == (uint8_t)rows[i].kind)
			rows[i].fn(data + 1, size - 1);
	return 0;
}
