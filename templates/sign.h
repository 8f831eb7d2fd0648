/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who vouches for a template: detached signatures in minisign's format, checked by berth-sign
 * against the public keys of a directory (NAME.pub).
 */
#pragma once

#include <stdbool.h>

#include "util/err.h"

#define SIGN_KEY_LEN 16         /* hex digits that name a key */

struct sign_policy {
	const char *program;            /* absolute path of berth-sign */
	int keys;                       /* directory of trusted public keys, or -1 */
	bool require;                   /* nothing comes in unsigned */
};

/*
 * Check data against the signature sig. 0 and the key's number; -ENOKEY when no trusted key made
 * it; -EBADMSG when it is wrong. data is read from its start, whatever its offset.
 */
MUST_CHECK int sign_check(const struct sign_policy *p, int data, int sig,
			  char ret_key[SIGN_KEY_LEN + 1], struct err *e);

/* Text of a signature of data by the secret key in the file; *ret is the caller's to free. */
MUST_CHECK int sign_make(const struct sign_policy *p, int data, const char *key,
			 const char *comment, char **ret, struct err *e);
