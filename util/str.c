/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/str.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int str_fmt(char *dst, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(dst, size, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= size) {
		if (size)
			dst[0] = '\0';
		return -ENAMETOOLONG;
	}
	return n;
}

bool str_eq(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && strcmp(s + n - m, suffix) == 0;
}

bool str_is_word(const char *s, const char *extra)
{
	const char *p;

	for (p = s; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr(extra, *p))
			return false;
	return p != s;
}

bool str_has_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

int str_word(const char **s, char *dst, size_t size)
{
	static const char sep[] = " ,\t\n";
	size_t n;

	*s += strspn(*s, sep);
	n = strcspn(*s, sep);
	if (!n)
		return 0;
	if (n >= size)
		return -ENAMETOOLONG;
	memcpy(dst, *s, n);
	dst[n] = '\0';
	*s += n;
	return 1;
}

unsigned str_distance(const char *a, const char *b)
{
	unsigned row[32], i, j, n = (unsigned)strnlen(a, 31), m = (unsigned)strnlen(b, 31);

	for (j = 0; j <= m; j++)
		row[j] = j;
	for (i = 1; i <= n; i++) {
		unsigned diag = row[0];

		row[0] = i;
		for (j = 1; j <= m; j++) {
			unsigned sub = diag + (a[i - 1] != b[j - 1]);
			unsigned del = row[j] + 1, ins = row[j - 1] + 1;

			diag = row[j];
			row[j] = sub < del ? sub : del;
			if (ins < row[j])
				row[j] = ins;
		}
	}
	return row[m];
}
