/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What reads templates from elsewhere. The first byte of an input chooses: p a member's path, t an
 * archive through the whole unpacker, l two layers (split at the first "|||"), m a manifest,
 * k a package list, r an os-release. With -DFUZZER -fsanitize=fuzzer this is a libFuzzer target;
 * without, it replays the files given, or those of its corpus.
 */
#include "templates/tree.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "templates/detect.h"
#include "templates/image.h"
#include "templates/manifest.h"
#include "templates/source.h"
#include "tests/fuzz/replay.h"
#include "util/cleanup.h"
#include "util/str.h"

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char *text_of(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

/* A path that is let through stays below its root, whatever it looks like. */
static void fuzz_path(const uint8_t *data, size_t size)
{
	_free_ char *text = text_of(data, size);
	char out[TREE_PATH_MAX + 1], shown[200], padded[TREE_PATH_MAX + 4];
	const char *why = NULL;

	tree_show(text, shown);
	if (str_has_control(shown) || strlen(shown) > 199)
		abort();
	if (tree_path(text, out, &why) < 0) {
		if (!why)
			abort();
		return;
	}
	(void)str_fmt(padded, sizeof(padded), "/%s/", out);
	if (strstr(padded, "/../") || strstr(padded, "/./") || (*out && strstr(padded, "//")) ||
	    str_has_c0(out))
		abort();
}

static int memory_file(const void *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || (size && pwrite(fd, data, size, 0) != (ssize_t)size))
		abort();
	return fd;
}

/* Refused with a text, or an image whose superblock is one. */
static void unpack(const uint8_t *const *part, const size_t *size, size_t n)
{
	_fd_ int image = memory_file(NULL, 0), spool = memory_file(NULL, 0), list = memory_file(NULL, 0);
	struct err e = ERR_INIT;
	struct source s = { 0 };
	uint32_t magic = 0;
	int r = tree_init(&s.tree, 1000, &e);

	if (!r)
		r = image_init(&s.image, image, spool, list, 1 << 20, &e);
	for (size_t i = 0; i < n && !r; i++) {
		_fd_ int fd = memory_file(part[i], size[i]);

		s.tree.layer = (unsigned)i + 1;
		r = source_tar(&s, fd, n > 1, &e);
	}
	if (!r)
		r = image_finish(&s.image, &s.tree, 0, &e);
	if (r < 0 && (!e.msg[0] || str_has_c0(e.msg)))
		abort();
	if (!r && (pread(image, &magic, 4, 1024) != 4 || magic != 0xe0f5e1e2u))
		abort();
	image_done(&s.image);
	tree_done(&s.tree);
}

static void fuzz_tar(const uint8_t *data, size_t size)
{
	unpack(&data, &size, 1);
}

static void fuzz_layers(const uint8_t *data, size_t size)
{
	const uint8_t *cut = memmem(data, size, "|||", 3);
	const uint8_t *part[2] = { data, cut ? cut + 3 : data };
	size_t len[2] = { cut ? (size_t)(cut - data) : size, cut ? size - (size_t)(part[1] - data) : size };

	unpack(part, len, 2);
}

static void fuzz_manifest(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	struct template t;

	if (manifest_parse((const char *)data, size, DIGEST, &t, &e) < 0) {
		if (!e.msg[0] || str_has_c0(e.msg))
			abort();
		return;
	}
	if (!manifest_name_ok(t.name) || !manifest_name_ok(t.arch) || !str_eq(t.digest, DIGEST))
		abort();
}

static void fuzz_packages(const uint8_t *data, size_t size)
{
	_free_ char *text = text_of(data, size), *lines = NULL;
	struct err e = ERR_INIT;
	size_t n = 0, seen = 0;

	if (detect_packages(text, size % 2, &lines, &n, &e) < 0)
		return;
	for (const char *p = lines; (p = strchr(p, '\n')); p++)
		seen++;
	if (seen != n)
		abort();
}

static void fuzz_release(const uint8_t *data, size_t size)
{
	_free_ char *text = text_of(data, size);
	char word[64];

	if (detect_os_release(text, "ID", word, sizeof(word)) && !manifest_name_ok(word))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct {
		char kind;
		void (*fn)(const uint8_t *data, size_t size);
	} rows[] = {
		{ 'p', fuzz_path },     { 't', fuzz_tar },      { 'l', fuzz_layers },
		{ 'm', fuzz_manifest }, { 'k', fuzz_packages }, { 'r', fuzz_release },
	};

	(void)setlocale(LC_CTYPE, "C.UTF-8");
	for (size_t i = 0; size && i < sizeof(rows) / sizeof(rows[0]); i++)
		if (data[0] == (uint8_t)rows[i].kind)
			rows[i].fn(data + 1, size - 1);
	return 0;
}
