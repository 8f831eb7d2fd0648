/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/uuid.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>

static const char digits[] = "0123456789abcdef";

int random_hex(char *dst, size_t n)
{
	if (getrandom(dst, n, 0) != (ssize_t)n)
		return errno ? -errno : -EIO;
	for (size_t i = 0; i < n; i++)
		dst[i] = digits[(unsigned char)dst[i] & 15];
	dst[n] = '\0';
	return 0;
}

static bool is_dash(size_t i)
{
	return i == 8 || i == 13 || i == 18 || i == 23;
}

int uuid_make(char ret[UUID_LEN + 1])
{
	char text[UUID_LEN + 1];
	int r = random_hex(text, UUID_LEN);

	if (r < 0)
		return r;
	for (size_t i = 0; i < UUID_LEN; i++)
		if (is_dash(i))
			text[i] = '-';
	text[14] = '4';
	text[19] = digits[8 + (strchr(digits, text[19]) - digits) % 4];
	memcpy(ret, text, sizeof(text));
	return 0;
}

int uuid_parse(const char *s, char ret[UUID_LEN + 1])
{
	bool braces = *s == '{';
	char text[UUID_LEN + 1];

	s += braces;
	for (size_t i = 0; i < UUID_LEN; i++) {
		text[i] = (char)tolower((unsigned char)s[i]);
		if (is_dash(i) ? s[i] != '-' : !s[i] || !strchr(digits, text[i]))
			return -EINVAL;
	}
	if (strcmp(s + UUID_LEN, braces ? "}" : "") != 0)
		return -EINVAL;
	text[UUID_LEN] = '\0';
	memcpy(ret, text, sizeof(text));
	return 0;
}
