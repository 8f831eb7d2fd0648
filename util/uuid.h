/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random identities (RFC 9562, version 4) as text, and random digits. */
#pragma once

#include <stddef.h>

#define UUID_LEN 36

/* 0 or -Exxx. */
int uuid_make(char ret[UUID_LEN + 1]);
/* n hex digits in lower case and NUL. */
int random_hex(char *dst, size_t n);
/* With or without braces and in either case, into the plain lower-case form; 0 or -EINVAL. */
int uuid_parse(const char *s, char ret[UUID_LEN + 1]);
