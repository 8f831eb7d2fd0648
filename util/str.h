/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bounded text without surprises: a result that does not fit is an error, never cut. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* printf into dst[size]. Returns the length, or -ENAMETOOLONG with dst empty. */
int str_fmt(char *dst, size_t size, const char *fmt, ...) PRINTF(3, 4);

bool str_eq(const char *a, const char *b);
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);

/* True when s is not empty and every byte is in [A-Za-z0-9] or in extra. */
bool str_is_word(const char *s, const char *extra);

/*
 * Is c, which follows the byte `before` (0 at the beginning), a control character to a terminal?
 * Those of 0x80 to 0x9f are, as bytes of their own to one without UTF-8, and behind 0xc2 to one
 * with it. Elsewhere they continue a character.
 */
bool str_is_control(unsigned char before, unsigned char c);
bool str_has_control(const char *s);
/* Below 0x20, or 0x7f: what names and texts in other character sets never have. */
bool str_has_c0(const char *s);

/*
 * What a stranger has written, to be shown in a message: control characters, those of 0x80 to 0x9f too,
 * become \x1b. What does not fit is cut; size is at least 1. Returns dst.
 */
const char *str_show(char *dst, size_t size, const char *s);

/*
 * Next word of a list separated by blanks or commas: advances *s, copies the word into
 * dst[size]. Returns 1, 0 at the end, -ENAMETOOLONG.
 */
int str_word(const char **s, char *dst, size_t size);

/*
 * Next part of a list with one sep between them, which may be empty; none behind the last sep.
 * As str_word, but one that is too long is passed over, with dst empty.
 */
int str_part(const char **s, char sep, char *dst, size_t size);

/*
 * Edit distance of two short words (at most 31 bytes are compared); two neighbours swapped
 * count one. For "did you mean".
 */
unsigned str_distance(const char *a, const char *b);
