/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * list: one pass over the VEs. For each, the filters' cells are made and thrown away, then the
 * cells to show and to sort by are kept; text and JSON are both printed from those. Only what
 * the chosen columns need is asked for, and no VE's status is kept, so 2,000 VEs are cheap.
 */
#include "cli/cli.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/columns.h"
#include "cli/filter.h"
#include "cli/ids.h"
#include "cli/options.h"
#include "cli/out.h"
#include "cli/xalloc.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/expiry.h"

#define MAX_PICKS 512
#define MAX_FILTERS 32

/* A column as it was chosen; grouped: a part of the column's JSON object. */
struct pick {
	const struct column *col;
	char variant;
	bool grouped;
};

struct list {
	struct column *cols;
	size_t n_cols;
	struct pick pick[MAX_PICKS];            /* the last one sorts, when sorted */
	unsigned n_shown, n_picks;
	bool sorted, down;
	struct filter filter[MAX_FILTERS];
	unsigned n_filters;
	unsigned needs;
	struct cell *cells;                     /* rows of n_picks */
	size_t n_rows, room;
};

static int unknown_column(const char *name, struct err *e)
{
	return err_set(e, EINVAL, VZ_BAD_VALUE, "unknown column \"%.60s\" (list -L shows them)", name);
}

static int add_pick(struct list *l, struct pick p, struct err *e)
{
	if (l->n_picks >= MAX_PICKS)
		return err_set(e, E2BIG, VZ_BAD_VALUE, "list: too many columns");
	l->pick[l->n_picks++] = p;
	l->needs |= p.col->needs;
	return 0;
}

/* A column in JSON is its value, or an object of all its variants. */
static int add_column(struct list *l, const struct column *col, char variant, bool json,
		      struct err *e)
{
	bool group = json && col->variants && !variant;
	const char *v;
	int r = add_pick(l, (struct pick){ col, variant, group }, e);

	for (v = group ? col->variants : ""; *v && r >= 0; v++)
		r = add_pick(l, (struct pick){ col, *v, true }, e);
	return r;
}

static int pick_columns(struct list *l, const char *names, bool json, struct err *e)
{
	char name[64], variant;
	int r, more;

	while ((more = str_word(&names, name, sizeof(name))) > 0) {
		const struct column *col = column_find(l->cols, l->n_cols, name, &variant);

		if (!col)
			return unknown_column(name, e);
		r = add_column(l, col, variant, json, e);
		if (r < 0)
			return r;
	}
	if (more < 0)
		return unknown_column(names, e);
	return 0;
}

static int pick_all(struct list *l, struct err *e)
{
	size_t i;
	int r = 0;

	for (i = 0; i < l->n_cols && r >= 0; i++)
		r = add_column(l, &l->cols[i], '\0', true, e);
	return r;
}

static int choose(struct list *l, const struct cli *c, const struct args *a, struct err *e)
{
	const char *names = a->columns;
	char variant;
	const struct column *col;
	int r;

	if (a->ids_only)
		names = "ctid";
	else if (!names)
		names = a->names ? "ctid,numproc,status,ip,smart_name" :
				   "ctid,numproc,status,ip,hostname";
	r = c->json && !a->columns && !a->ids_only ? pick_all(l, e) :
						     pick_columns(l, names, c->json, e);
	l->n_shown = l->n_picks;
	if (r < 0 || !a->sort)
		return r;
	l->down = a->sort[0] == '-';
	l->sorted = true;
	col = column_find(l->cols, l->n_cols, a->sort + l->down, &variant);
	if (!col)
		return unknown_column(a->sort + l->down, e);
	return add_pick(l, (struct pick){ col, variant, false }, e);
}

static int add_filter(struct list *l, const char *expr, struct err *e)
{
	int r;

	if (l->n_filters >= MAX_FILTERS)
		return err_set(e, E2BIG, VZ_BAD_VALUE, "list: more than %d filters", MAX_FILTERS);
	r = filter_parse(expr, l->cols, l->n_cols, &l->filter[l->n_filters], e);
	if (r >= 0)
		l->needs |= l->filter[l->n_filters++].col->needs;
	return r;
}

static int add_pattern(struct list *l, const char *column, const char *pattern, struct err *e)
{
	char expr[320];

	if (!pattern)
		return 0;
	if (str_fmt(expr, sizeof(expr), "%s=%s", column, pattern) < 0)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "pattern for %s: too long", column);
	return add_filter(l, expr, e);
}

static int add_expired(struct list *l, struct err *e)
{
	char expr[32], today[11];

	expiry_today(today);
	(void)str_fmt(expr, sizeof(expr), "expires<%s", today);
	return add_filter(l, expr, e);
}

/* Words are IDs or expressions; options add more expressions. */
static int select_rows(struct cli *c, struct list *l, const struct args *a, struct args *ids,
		       struct err *e)
{
	bool by_status = false;
	unsigned i;
	int r = 0;

	for (i = 0; i < a->n_words && r >= 0; i++)
		r = filter_is(a->words[i]) ? add_filter(l, a->words[i], e) :
					     ids_add(c, ids, a->words[i], e);
	for (i = 0; i < l->n_filters; i++)
		by_status |= str_eq(l->filter[i].col->name, "status");
	if (r >= 0)
		r = add_pattern(l, "hostname", a->by_hostname, e);
	if (r >= 0)
		r = add_pattern(l, "name", a->by_name, e);
	if (r >= 0)
		r = add_pattern(l, "description", a->by_description, e);
	if (r >= 0 && a->expired)
		r = add_expired(l, e);
	if (r >= 0 && a->stopped)
		r = add_filter(l, "status=stopped", e);
	else if (r >= 0 && !a->all && !a->expired && !by_status && !ids->n_ids)
		r = add_filter(l, "status=[rp]*", e);        /* running, paused */
	return r;
}

static void get_cell(const struct view *v, const struct column *col, char variant,
		     struct cell *ret)
{
	*ret = (struct cell){ .type = CELL_NONE };
	col->get(v, col, variant, ret);
}

static bool passes(const struct list *l, const struct view *v)
{
	unsigned i;

	for (i = 0; i < l->n_filters; i++) {
		const struct filter *f = &l->filter[i];
		struct cell cell;
		bool ok;

		get_cell(v, f->col, f->variant, &cell);
		ok = filter_match(f, &cell);
		cell_done(&cell);
		if (!ok)
			return false;
	}
	return true;
}

static void keep_row(struct list *l, const struct view *v)
{
	struct cell *row;
	unsigned i;

	if (l->n_rows == l->room) {
		l->room = l->room ? 2 * l->room : 64;
		l->cells = xrealloc(l->cells, l->room * l->n_picks, sizeof(*l->cells));
	}
	row = l->cells + l->n_rows++ * l->n_picks;
	for (i = 0; i < l->n_picks; i++)
		get_cell(v, l->pick[i].col, l->pick[i].variant, &row[i]);
}

static int gather(struct cli *c, struct list *l, const struct args *ids, struct err *e)
{
	struct ve_status *s = xcalloc(1, sizeof(*s));
	struct view v = { &c->in, s, (uint64_t)time(NULL) };
	size_t i;
	int r = 0;

	for (i = 0; i < ids->n_ids && r >= 0; i++) {
		r = ve_status(&c->in, ids->ids[i], l->needs, s, e);
		if (r >= 0 && s->exists && passes(l, &v))
			keep_row(l, &v);
	}
	free(s);
	return r;
}

static int by_last_cell(const void *a, const void *b, void *arg)
{
	const struct list *l = arg;
	int order = cell_compare((const struct cell *)a + l->n_shown,
				 (const struct cell *)b + l->n_shown);

	return l->down ? -order : order;
}

static void sort_rows(struct list *l)
{
	if (l->sorted && l->n_rows)
		qsort_r(l->cells, l->n_rows, l->n_picks * sizeof(*l->cells), by_last_cell, l);
}

static void pad(char *line, size_t size, size_t *len, const char *text, int width)
{
	int n = snprintf(line + *len, size - *len, "%*s", width, text);

	if (n > 0)
		*len = *len + (size_t)n < size ? *len + (size_t)n : size - 1;
}

/* text(i) for every shown column, single blanks between, none at the end. */
static void print_line(const struct list *l, const struct cell *row, bool trim)
{
	char line[16384], text[4096];
	size_t len = 0;
	unsigned i;

	for (i = 0; i < l->n_shown; i++) {
		const struct pick *p = &l->pick[i];

		if (row)
			cell_text(&row[i], i + 1 < l->n_shown, text, sizeof(text));
		else
			(void)str_fmt(text, sizeof(text), "%s%s%.1s", p->col->header,
				      p->variant ? "." : "", &p->variant);
		if (i)
			pad(line, sizeof(line), &len, "", 1);
		pad(line, sizeof(line), &len, text, p->col->width);
	}
	while (trim && len && line[len - 1] == ' ')
		len--;
	line[len] = '\0';
	out_printf("%s\n", line);
}

static void print_text(const struct list *l, const struct args *a)
{
	size_t i;

	if (!a->no_header && !a->ids_only)
		print_line(l, NULL, !a->no_trim);
	for (i = 0; i < l->n_rows; i++)
		print_line(l, l->cells + i * l->n_picks, !a->no_trim);
}

/* A member of its own, so that the column's keeps its type and meaning. */
static void effective_json(const struct cell *cell, const char *key, struct json_out *j)
{
	char name[100];

	(void)str_fmt(name, sizeof(name), "%s_effective", key);
	json_ku64(j, name, cell->effective);
}

static void row_json(const struct list *l, const struct cell *row, struct json_out *j)
{
	char key[80];
	unsigned i;

	json_object(j);
	for (i = 0; i < l->n_shown; i++) {
		const struct pick *p = &l->pick[i];
		bool first = p->grouped && !p->variant;
		bool last = p->grouped && (i + 1 == l->n_shown || !l->pick[i + 1].grouped ||
					   !l->pick[i + 1].variant);

		(void)str_fmt(key, sizeof(key), "%s%s%.1s", p->col->name, p->variant ? "." : "",
			      &p->variant);
		if (first || !p->grouped)
			json_key(j, first ? p->col->name : key);
		if (first)
			json_object(j);
		if (p->grouped)
			json_key(j, column_member(p->col, p->variant));
		cell_json(j, &row[i]);
		if (row[i].instead)
			effective_json(&row[i], key, j);
		if (last)
			json_end(j);
	}
	json_end(j);
}

static int print_json(const struct list *l, struct err *e)
{
	struct json_out *j = json_new(l->n_rows != 0);
	size_t i;

	json_array(j);
	for (i = 0; i < l->n_rows; i++)
		row_json(l, l->cells + i * l->n_picks, j);
	json_end(j);
	return out_json(j, e);
}

static int print_columns(void)
{
	struct column *cols;
	size_t i, n;

	columns_make(&cols, &n);
	for (i = 0; i < n; i++) {
		const struct column *col = &cols[i];
		const char *v;

		out_printf("%-16s %s\n", col->name, col->header);
		for (v = col->variants; v && *v; v++)
			out_printf("%s.%-*c %s.%c\n", col->name, 15 - (int)strlen(col->name), *v,
				   col->header, *v);
	}
	free(cols);
	return 0;
}

static void list_done(struct list *l)
{
	size_t i;

	for (i = 0; i < l->n_rows * l->n_picks; i++)
		cell_done(&l->cells[i]);
	free(l->cells);
	free(l->cols);
	free(l);
}

static int show(struct cli *c, struct list *l, const struct args *a, bool asked, struct err *e)
{
	sort_rows(l);
	if (!l->n_rows && !c->json)
		out_plain_error("Container(s) not found");
	else if (!c->json)
		print_text(l, a);
	else if (print_json(l, e) < 0)
		return -e->eno;
	return !l->n_rows && asked ? 1 : 0;
}

static int list_once(struct cli *c, const struct args *a, struct err *e)
{
	struct list *l = xcalloc(1, sizeof(*l));
	struct args ids = { 0 };
	bool asked;
	int r;

	columns_make(&l->cols, &l->n_cols);
	r = choose(l, c, a, e);
	if (r >= 0)
		r = select_rows(c, l, a, &ids, e);
	asked = ids.n_ids != 0;
	if (r >= 0 && !asked)
		r = ids_add_all(c, &ids, e);
	if (r >= 0)
		r = gather(c, l, &ids, e);
	if (r >= 0)
		r = show(c, l, a, asked, e);
	args_done(&ids);
	list_done(l);
	return r;
}

/* A screen at a time on a terminal; elsewhere one list after the other, with a blank line between. */
static int list_again(struct cli *c, const struct args *a, struct err *e)
{
	bool screen = isatty(STDOUT_FILENO);
	int r;

	do {
		struct pollfd reader = { .fd = STDOUT_FILENO };

		if (screen)
			out_printf("\033[H\033[J");
		r = list_once(c, a, e);
		if (!screen && !c->json)
			out_printf("\n");
		out_flush();
		if (poll(&reader, 1, (int)a->watch * 1000) > 0 && reader.revents & (POLLERR | POLLHUP))
			break;
	} while (r >= 0);
	return r;
}

int cmd_list(struct cli *c, const struct args *a, struct err *e)
{
	if (a->fields)
		return print_columns();
	return a->watch ? list_again(c, a, e) : list_once(c, a, e);
}
