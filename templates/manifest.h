/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DIGEST.json, what is known of a version without mounting it. It may come from elsewhere and
 * is data only: a fixed set of fields, each bounded and of a plain alphabet; whatever else it
 * holds is ignored.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "templates/store.h"
#include "util/err.h"

#define MANIFEST_PREFIX_MIN 12  /* digits that stand for a digest */

/* [A-Za-z0-9._-], at most 63 bytes, not starting with a dot or a hyphen. */
bool manifest_name_ok(const char *s);

/* The same, and not to be taken for a digest: what a channel may be called. */
bool manifest_channel_ok(const char *s);

/* n hex digits in lower case and nothing else; n 0: any number of at most DIGEST_LEN. */
bool manifest_hex_ok(const char *s, size_t n);

/* Parse text[len]; digest is what the file's name says and must be what it says itself. */
MUST_CHECK int manifest_parse(const char *text, size_t len, const char *digest,
			      struct template *ret, struct err *e);

MUST_CHECK int manifest_load(int dir, const char *digest, struct template *ret, struct err *e);
MUST_CHECK int manifest_save(int dir, const struct template *t, struct err *e);
