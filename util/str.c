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

bool str_is_control(unsigned char before, unsigned char c)
{
	if (c >= 0x80 && c <= 0x9f)
		return before < 0x80 || before == 0xc2;
	return c < 0x20 || c == 0x7f;
}

bool str_has_control(const char *s)
{
	for (unsigned char before = 0; *s; before = (unsigned char)*s++)
		if (str_is_control(before, (unsigned char)*s))
			return true;
	return false;
}

bool str_has_c0(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

const char *str_show(char *dst, size_t size, const char *s)
{
	unsigned char before = 0;
	size_t n = 0;

	for (; *s; before = (unsigned char)*s++) {
		unsigned char c = (unsigned char)*s;
		bool control = str_is_control(before, c);

		if (n + (control ? 4 : 1) >= size)
			break;
		if (control)
			(void)snprintf(dst + n, 5, "\\x%02x", c);
		else
			dst[n] = (char)c;
		n += control ? 4 : 1;
	}
	dst[n] = '\0';
	return dst;
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

int str_part(const char **s, char sep, char *dst, size_t size)
{
	size_t n = (size_t)(strchrnul(*s, sep) - *s);
	int r;

	if (!**s)
		return 0;
	r = str_fmt(dst, size, "%.*s", (int)n, *s);
	*s += n + ((*s)[n] == sep);
	return r < 0 ? r : 1;
}

static unsigned smaller(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* d[i][j]: from the first i bytes of a to the first j of b. */
unsigned str_distance(const char *a, const char *b)
{
	unsigned d[32][32], i, j, n = (unsigned)strnlen(a, 31), m = (unsigned)strnlen(b, 31);

	for (i = 0; i <= n; i++)
		for (j = 0; j <= m; j++) {
			if (!i || !j) {
				d[i][j] = i + j;
				continue;
			}
			d[i][j] = smaller(d[i - 1][j - 1] + (a[i - 1] != b[j - 1]),
					  smaller(d[i - 1][j], d[i][j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = smaller(d[i][j], d[i - 2][j - 2] + 1);
		}
	return d[n][m];
}
