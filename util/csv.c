/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/csv.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FIELDS (1 << 20)

/* Where the parser stands; fields are cut out in place, quotes taken out. */
struct scan {
	char *in, *out;
	unsigned line;
	bool end_of_row;
};

/* The field at s->in; NULL when it is not well formed. */
static char *quoted(struct scan *s)
{
	char *start = s->out;

	for (s->in++; *s->in; s->in++) {
		if (*s->in == '"' && s->in[1] != '"') {
			s->in++;
			return *s->in && !strchr(",\r\n", *s->in) ? NULL : start;
		}
		if (*s->in == '"')
			s->in++;
		s->line += *s->in == '\n';
		*s->out++ = *s->in;
	}
	return NULL;
}

static char *plain(struct scan *s)
{
	char *start = s->out;

	for (; *s->in && !strchr(",\r\n", *s->in); s->in++) {
		if (*s->in == '"')
			return NULL;
		*s->out++ = *s->in;
	}
	return start;
}

/* One field and what ends it. */
static char *next(struct scan *s)
{
	char *field = *s->in == '"' ? quoted(s) : plain(s), ends;

	if (!field)
		return NULL;
	ends = *s->in;
	s->end_of_row = ends != ',';
	if (ends)
		s->in++;
	if (ends == '\r' && *s->in == '\n')
		s->in++;
	*s->out++ = '\0';
	return field;
}

static void skip_blank(struct scan *s)
{
	for (; *s->in == '\r' || *s->in == '\n'; s->in++)
		s->line += *s->in == '\n';
}

static int bad(const struct scan *s, const char *name, const char *what, struct err *e)
{
	return err_set(e, EINVAL, 0, "%s line %u: %s", name, s->line, what);
}

static int add(struct csv *c, size_t *n, size_t *room, char *field)
{
	if (*n >= MAX_FIELDS)
		return -E2BIG;
	if (*n == *room) {
		char **more = realloc(c->field, (*room ? *room * 2 : 64) * sizeof(*more));

		if (!more)
			return -ENOMEM;
		*room = *room ? *room * 2 : 64;
		c->field = more;
	}
	c->field[(*n)++] = field;
	return 0;
}

static int row(struct csv *c, struct scan *s, size_t *n, size_t *room)
{
	size_t first = *n;

	do {
		char *field = next(s);

		if (!field)
			return -EINVAL;
		if (add(c, n, room, field) < 0)
			return -E2BIG;
	} while (!s->end_of_row);
	if (!c->n_cols)
		c->n_cols = *n;
	return *n - first == c->n_cols ? 0 : -EDOM;
}

int csv_parse(const char *text, size_t len, const char *name, struct csv *ret, struct err *e)
{
	struct csv c = CSV_INIT;
	struct scan s = { .line = 1 };
	size_t n = 0, room = 0;
	int r = 0;

	if (memchr(text, '\0', len))
		return bad(&s, name, "holds a NUL byte", e);
	c.text = malloc(len + 2);
	if (!c.text)
		return err_set(e, ENOMEM, 0, "%s: out of memory", name);
	memcpy(c.text, text, len);
	c.text[len] = c.text[len + 1] = '\0';
	s.in = s.out = c.text;
	for (skip_blank(&s); !r && *s.in; skip_blank(&s)) {
		r = row(&c, &s, &n, &room);
		s.line += !r;
	}
	if (!r && !n)
		r = bad(&s, name, "is empty; the first line names the columns", e);
	else if (r)
		r = bad(&s, name, r == -EDOM ? "has not as many fields as the first line" :
				  r == -EINVAL ? "a quote does not end, or stands inside a field" :
						 "too many fields", e);
	if (r < 0) {
		csv_done(&c);
		return r;
	}
	c.n_rows = n / c.n_cols - 1;
	*ret = c;
	return 0;
}

void csv_done(struct csv *c)
{
	free(c->text);
	free(c->field);
	*c = (struct csv)CSV_INIT;
}

const char *csv_name(const struct csv *c, size_t col)
{
	return c->field[col];
}

const char *csv_field(const struct csv *c, size_t r, size_t col)
{
	return c->field[(r + 1) * c->n_cols + col];
}
