/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/minisign.h"

#include <errno.h>
#include <string.h>

#include "util/str.h"

#define UNTRUSTED "untrusted comment: "
#define TRUSTED "trusted comment: "

/* Line n of a text, without its end; NULL when there is none. */
static const char *line_at(const char *text, unsigned n, size_t *ret_len)
{
	for (; n; n--) {
		text = strchr(text, '\n');
		if (!text)
			return NULL;
		text++;
	}
	*ret_len = strcspn(text, "\r\n");
	return *text ? text : NULL;
}

/* Exactly size bytes of base64 on line n. */
static int decode(const char *text, unsigned n, uint8_t *dst, size_t size)
{
	size_t len = 0, got = 0;
	const char *line = line_at(text, n, &len), *end = NULL;

	if (!line || sodium_base642bin(dst, size, line, len, NULL, &got, &end,
				       sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    got != size || end != line + len)
		return -EINVAL;
	return 0;
}

int minisign_parse_public(const char *text, struct minisign_key *ret, const char **ret_why)
{
	uint8_t raw[2 + 8 + crypto_sign_PUBLICKEYBYTES];

	*ret_why = "not a public key of minisign";
	if (!str_starts(text, UNTRUSTED) || decode(text, 1, raw, sizeof(raw)) < 0 ||
	    memcmp(raw, "Ed", 2) != 0)
		return -EINVAL;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->id, raw + 2, 8);
	memcpy(ret->key, raw + 10, crypto_sign_PUBLICKEYBYTES);
	return 0;
}

/* "Ed", how it is encrypted, "B2", 48 bytes for that; id, key, checksum. */
int minisign_parse_secret(const char *text, struct minisign_key *ret, const char **ret_why)
{
	uint8_t raw[2 + 2 + 2 + 32 + 8 + 8 + 8 + crypto_sign_SECRETKEYBYTES + 32];

	*ret_why = "not a secret key of minisign";
	if (!str_starts(text, UNTRUSTED) || decode(text, 1, raw, sizeof(raw)) < 0 ||
	    memcmp(raw, "Ed", 2) != 0 || memcmp(raw + 4, "B2", 2) != 0)
		return -EINVAL;
	*ret_why = "the secret key has a password; minisign -C -W takes it off";
	if (raw[2] || raw[3])
		return -EINVAL;
	memcpy(ret->id, raw + 54, 8);
	memcpy(ret->key, raw + 62, sizeof(ret->key));
	sodium_memzero(raw, sizeof(raw));
	return 0;
}

int minisign_parse_sig(const char *text, struct minisign_sig *ret, const char **ret_why)
{
	uint8_t raw[2 + 8 + crypto_sign_BYTES];
	const char *comment;
	size_t len = 0;

	*ret_why = "not a signature of minisign";
	comment = line_at(text, 2, &len);
	if (!str_starts(text, UNTRUSTED) || decode(text, 1, raw, sizeof(raw)) < 0 || !comment ||
	    !str_starts(comment, TRUSTED) || len < strlen(TRUSTED) ||
	    len - strlen(TRUSTED) >= sizeof(ret->comment) ||
	    decode(text, 3, ret->global, sizeof(ret->global)) < 0)
		return -EINVAL;
	*ret_why = "a signature of minisign's old form; sign again without -l";
	if (memcmp(raw, "ED", 2) != 0)
		return -EINVAL;
	memcpy(ret->id, raw + 2, 8);
	memcpy(ret->sig, raw + 10, sizeof(ret->sig));
	len -= strlen(TRUSTED);
	memcpy(ret->comment, comment + strlen(TRUSTED), len);
	ret->comment[len] = '\0';
	return 0;
}

/* What the second signature is over. */
static size_t signed_comment(const struct minisign_sig *s, uint8_t *dst)
{
	size_t n = strlen(s->comment);

	memcpy(dst, s->sig, sizeof(s->sig));
	memcpy(dst + sizeof(s->sig), s->comment, n);
	return sizeof(s->sig) + n;
}

int minisign_check(const struct minisign_sig *s, const struct minisign_key *pub,
		   const uint8_t hash[crypto_generichash_BYTES_MAX], const char **ret_why)
{
	uint8_t buf[crypto_sign_BYTES + MINISIGN_COMMENT_MAX];
	size_t n = signed_comment(s, buf);

	*ret_why = "the signature is wrong";
	if (crypto_sign_verify_detached(s->sig, hash, crypto_generichash_BYTES_MAX, pub->key) != 0)
		return -EBADMSG;
	*ret_why = "the comment of the signature is not what was signed";
	return crypto_sign_verify_detached(s->global, buf, n, pub->key) != 0 ? -EBADMSG : 0;
}

static void encode(const uint8_t *src, size_t n, char *dst, size_t size)
{
	(void)sodium_bin2base64(dst, size, src, n, sodium_base64_VARIANT_ORIGINAL);
}

int minisign_make(const struct minisign_key *secret,
		  const uint8_t hash[crypto_generichash_BYTES_MAX], const char *comment,
		  char dst[MINISIGN_TEXT_MAX])
{
	uint8_t raw[2 + 8 + crypto_sign_BYTES] = "ED", buf[crypto_sign_BYTES + MINISIGN_COMMENT_MAX];
	char first[128], second[128];
	struct minisign_sig s;
	size_t n;

	if (str_fmt(s.comment, sizeof(s.comment), "%s", comment) < 0)
		return -EINVAL;
	(void)crypto_sign_detached(s.sig, NULL, hash, crypto_generichash_BYTES_MAX, secret->key);
	n = signed_comment(&s, buf);
	(void)crypto_sign_detached(s.global, NULL, buf, n, secret->key);
	memcpy(raw + 2, secret->id, 8);
	memcpy(raw + 10, s.sig, sizeof(s.sig));
	encode(raw, sizeof(raw), first, sizeof(first));
	encode(s.global, sizeof(s.global), second, sizeof(second));
	return str_fmt(dst, MINISIGN_TEXT_MAX, UNTRUSTED "signature of a Berth template\n%s\n" TRUSTED
		       "%s\n%s\n", first, s.comment, second) < 0 ? -EINVAL : 0;
}
