/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libnettle, not libcrypto: the dynamic linker relocates a library at each start of the program,
 * and a hash is needed once per boot and template. libcrypto cost every command 0.6 ms.
 */
#include "templates/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"

#define CHUNK (1024 * 1024)

static int feed(struct sha256_ctx *sha, int fd, struct err *e)
{
	_free_ uint8_t *buf = malloc(CHUNK);
	off_t at = 0;

	if (!buf)
		return err_set(e, ENOMEM, 0, "hash image: out of memory");
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	for (;;) {
		ssize_t n = pread(fd, buf, CHUNK, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "hash image: read");
		if (n == 0)
			return 0;
		sha256_update(sha, (size_t)n, buf);
		at += n;
	}
}

int verify_digest(int fd, char ret[DIGEST_LEN + 1], struct err *e)
{
	uint8_t raw[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha;
	int r;

	sha256_init(&sha);
	r = feed(&sha, fd, e);
	if (r < 0)
		return r;
	sha256_digest(&sha, sizeof(raw), raw);
	for (size_t i = 0; i < sizeof(raw); i++)
		(void)str_fmt(ret + 2 * i, 3, "%02x", raw[i]);
	return 0;
}

int verify_image(int fd, const char *digest, struct err *e)
{
	char have[DIGEST_LEN + 1];
	int r = verify_digest(fd, have, e);

	if (r < 0)
		return r;
	if (!str_eq(have, digest))
		return err_set(e, EBADMSG, VZ_BAD_TEMPLATE,
			       "verify template %s: its image has digest %s", digest, have);
	return 0;
}
