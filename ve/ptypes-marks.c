/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lists of NAME:WORD as vzctl has them for capabilities, features and devices. A name given again
 * replaces what was said of it, and "none" all that comes before it.
 */
#include <errno.h>
#include <string.h>

#include "util/str.h"
#include "ve/ptypes.h"

#define MARK_MAX 64

static size_t name_len(const char *word)
{
	const char *colon = strrchr(word, ':');

	return colon ? (size_t)(colon - word) : strlen(word);
}

static bool same_name(const char *a, const char *b)
{
	size_t n = name_len(a);

	return n == name_len(b) && !strncmp(a, b, n);
}

/* Does the name of word come again in the rest of the list? The last one says what is. */
static bool comes_again(const char *rest, const char *word)
{
	char other[MARK_MAX];

	while (str_word(&rest, other, sizeof(other)) > 0)
		if (same_name(word, other))
			return true;
	return false;
}

static bool is_mark(const char *word)
{
	return str_eq(word, "none") ||
	       (strchr(word, ':') && str_is_word(word, "_:./-") && word[0] != ':' &&
		word[strlen(word) - 1] != ':');
}

static int marks_parse(const struct param *p, const char *text, bool from_file, void *val,
		       const char **ret_want)
{
	char word[MARK_MAX], *to = val;
	size_t len = 0;
	int r;

	*ret_want = "words such as NAME:on";
	to[0] = '\0';
	while ((r = str_word(&text, word, sizeof(word))) != 0) {
		if (r < 0 || (!from_file && !is_mark(word)) || str_has_c0(word))
			return -EINVAL;
		if (comes_again(text, word))
			continue;
		if (str_eq(word, "none"))
			len = 0;
		r = str_fmt(to + len, p->max - len, "%s%s", len ? " " : "", word);
		if (r < 0)
			return -ERANGE;
		len += (size_t)r;
	}
	return 0;
}

static int marks_format(const struct param *p, const void *val, bool for_file, char *dst, size_t size)
{
	(void)p;
	(void)for_file;
	return str_fmt(dst, size, "%s", (const char *)val) < 0 ? -ENAMETOOLONG : 0;
}

const struct ptype ptype_marks = { "marks", 0, false, true, marks_parse, marks_format };
