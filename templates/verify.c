/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"

#define CHUNK (1024 * 1024)

static void cleanup_md(EVP_MD_CTX **md)
{
	EVP_MD_CTX_free(*md);
}

static int feed(EVP_MD_CTX *md, int fd, struct err *e)
{
	_free_ char *buf = malloc(CHUNK);
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
		if (EVP_DigestUpdate(md, buf, (size_t)n) != 1)
			return err_set(e, EIO, 0, "hash image: SHA-256 failed");
		at += n;
	}
}

int verify_digest(int fd, char ret[DIGEST_LEN + 1], struct err *e)
{
	_cleanup_(cleanup_md) EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned char raw[DIGEST_LEN / 2];
	int r;

	if (!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
		return err_set(e, EIO, 0, "hash image: no SHA-256 in libcrypto");
	r = feed(md, fd, e);
	if (r < 0)
		return r;
	if (EVP_DigestFinal_ex(md, raw, NULL) != 1)
		return err_set(e, EIO, 0, "hash image: SHA-256 failed");
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
