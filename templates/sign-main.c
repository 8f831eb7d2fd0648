/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * berth-sign, a program of its own so that only who asks for signatures pays for libsodium.
 *
 *   berth-sign verify DATA SIGNATURE KEY...    descriptors; prints the number of the key
 *   berth-sign sign DATA KEY COMMENT           prints the signature
 *
 * Exit code 0; 1 and a line on stderr: no; 2: none of the keys made the signature.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "templates/minisign.h"
#include "util/parse.h"
#include "util/str.h"

static int no(const char *why)
{
	(void)dprintf(STDERR_FILENO, "%s\n", why);
	return 1;
}

static int read_text(const char *fd, char dst[MINISIGN_TEXT_MAX])
{
	uint32_t n;
	ssize_t len;

	if (parse_u32(fd, 3, INT32_MAX, &n) < 0)
		return -1;
	len = pread((int)n, dst, MINISIGN_TEXT_MAX, 0);
	if (len < 0 || len == MINISIGN_TEXT_MAX || memchr(dst, '\0', (size_t)len))
		return -1;
	dst[len] = '\0';
	return 0;
}

static int hash_file(const char *fd, uint8_t hash[crypto_generichash_BYTES_MAX])
{
	static uint8_t buf[1 << 20];
	crypto_generichash_state st;
	off_t at = 0;
	uint32_t n;

	if (parse_u32(fd, 3, INT32_MAX, &n) < 0)
		return -1;
	(void)crypto_generichash_init(&st, NULL, 0, crypto_generichash_BYTES_MAX);
	for (;;) {
		ssize_t len = pread((int)n, buf, sizeof(buf), at);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return -1;
		if (len == 0)
			break;
		(void)crypto_generichash_update(&st, buf, (size_t)len);
		at += len;
	}
	(void)crypto_generichash_final(&st, hash, crypto_generichash_BYTES_MAX);
	return 0;
}

static void print_id(const uint8_t id[8])
{
	/* minisign shows it as a little-endian number. */
	for (size_t i = 8; i-- > 0;)
		(void)dprintf(STDOUT_FILENO, "%02X", id[i]);
}

static int verify(int n, char **fds)
{
	uint8_t hash[crypto_generichash_BYTES_MAX];
	char text[MINISIGN_TEXT_MAX];
	struct minisign_key key;
	struct minisign_sig sig;
	const char *why = NULL;

	if (read_text(fds[1], text) < 0)
		return no("the signature cannot be read");
	if (minisign_parse_sig(text, &sig, &why) < 0)
		return no(why);
	for (int i = 2; i < n; i++) {
		if (read_text(fds[i], text) < 0 || minisign_parse_public(text, &key, &why) < 0)
			return no("one of the trusted keys is none");
		if (memcmp(key.id, sig.id, sizeof(key.id)) != 0)
			continue;
		if (hash_file(fds[0], hash) < 0)
			return no("the file cannot be read");
		if (minisign_check(&sig, &key, hash, &why) < 0)
			return no(why);
		print_id(key.id);
		return 0;
	}
	return 2;
}

static int sign(char **args)
{
	uint8_t hash[crypto_generichash_BYTES_MAX];
	char text[MINISIGN_TEXT_MAX];
	struct minisign_key key;
	const char *why = NULL;
	int r;

	if (read_text(args[1], text) < 0)
		return no("the secret key cannot be read");
	r = minisign_parse_secret(text, &key, &why);
	sodium_memzero(text, sizeof(text));
	if (r < 0)
		return no(why);
	if (hash_file(args[0], hash) < 0)
		return no("the file cannot be read");
	r = minisign_make(&key, hash, args[2], text);
	sodium_memzero(&key, sizeof(key));
	if (r < 0)
		return no("the comment is too long");
	return dprintf(STDOUT_FILENO, "%s", text) < 0;
}

int main(int argc, char **argv)
{
	if (sodium_init() < 0)
		return no("libsodium does not work here");
	if (argc >= 4 && str_eq(argv[1], "verify"))
		return verify(argc - 2, argv + 2);
	if (argc == 5 && str_eq(argv[1], "sign"))
		return sign(argv + 2);
	return 126;
}
