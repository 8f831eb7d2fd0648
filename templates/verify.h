/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SHA-256 over exactly the bytes that get mounted. */
#pragma once

#include "templates/store.h"
#include "util/err.h"

/* Digest of the whole file in lower-case hex. Reads from the start; the offset is not kept. */
MUST_CHECK int verify_digest(int fd, char ret[DIGEST_LEN + 1], struct err *e);

/* -EBADMSG, exit VZ_BAD_TEMPLATE and a text with the digest when the bytes are others. */
MUST_CHECK int verify_image(int fd, const char *digest, struct err *e);
