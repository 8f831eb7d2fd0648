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
#include "util/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

#ifndef FUZZER
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "util/str.h"
#include "util/sys-fs.h"

static int replay(const char *path)
{
	_free_ char *text = NULL;
	struct err e = ERR_INIT;
	size_t len;

	if (fs_read_at(AT_FDCWD, path, 1 << 20, &text, &len, &e) < 0) {
		(void)fprintf(stderr, "%s\n", e.msg);
		return -1;
	}
	return LLVMFuzzerTestOneInput((const uint8_t *)text, len);
}

static int replay_corpus(void)
{
	_dir_ DIR *dp = opendir(CORPUS);
	char path[1024];
	struct dirent *d;
	int n = 0;

	while (dp && (d = readdir(dp))) {
		if (d->d_name[0] == '.')
			continue;
		(void)str_fmt(path, sizeof(path), "%s/%s", CORPUS, d->d_name);
		if (replay(path) < 0)
			return -1;
		n++;
	}
	return n;
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? argc - 1 : replay_corpus();

	for (int i = 1; i < argc; i++)
		if (replay(argv[i]) < 0)
			return 1;
	(void)printf("1..1\n%sok 1 - replayed %d inputs\n", n > 0 ? "" : "not ", n);
	return n > 0 ? 0 : 1;
}
#endif
