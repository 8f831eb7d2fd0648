/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Signatures and keys as minisign (jedisct1.github.io/minisign) writes them: Ed25519 over the
 * BLAKE2b-512 of a file, and a second one over the first and its trusted comment. Inside of
 * berth-sign only, which links libsodium; pure functions over texts.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <sodium.h>

#define MINISIGN_TEXT_MAX 4096
#define MINISIGN_COMMENT_MAX 1024

struct minisign_key {
	uint8_t id[8];
	uint8_t key[crypto_sign_SECRETKEYBYTES];        /* or the 32 bytes of a public one */
};

struct minisign_sig {
	uint8_t id[8];
	uint8_t sig[crypto_sign_BYTES], global[crypto_sign_BYTES];
	char comment[MINISIGN_COMMENT_MAX];
};

/* 0, or -EINVAL with *ret_why. text ends in NUL. */
int minisign_parse_public(const char *text, struct minisign_key *ret, const char **ret_why);
int minisign_parse_secret(const char *text, struct minisign_key *ret, const char **ret_why);
int minisign_parse_sig(const char *text, struct minisign_sig *ret, const char **ret_why);

/* Whether the signature is this key's, of this hash and its own comment. */
int minisign_check(const struct minisign_sig *s, const struct minisign_key *pub,
		   const uint8_t hash[crypto_generichash_BYTES_MAX], const char **ret_why);

/* The text of a signature file. comment has no control characters. */
int minisign_make(const struct minisign_key *secret,
		  const uint8_t hash[crypto_generichash_BYTES_MAX], const char *comment,
		  char dst[MINISIGN_TEXT_MAX]);
