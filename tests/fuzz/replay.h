/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The end of a fuzz target. With -DFUZZER -fsanitize=fuzzer it is a libFuzzer target (see
 * contrib/fuzz); without, main replays the files given, or those of its corpus (CORPUS).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifndef FUZZER
#ifndef CORPUS
#define CORPUS "tests/fuzz/corpus"        /* the build names the target's own */
#endif

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "util/cleanup.h"
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
