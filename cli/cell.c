/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A value of list: made from a parameter, shown as text or JSON, compared. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/columns.h"
#include "cli/xalloc.h"
#include "util/json.h"
#include "util/parse.h"
#include "util/str.h"
#include "ve/ptypes.h"

/* 512M rather than 536870912, where it is exact. */
static char *size_text(uint64_t v)
{
	static const char suffix[] = "KMGT";
	char text[32];
	unsigned i = 0;

	if (v == U64_UNLIMITED)
		return xstrdup("unlimited");
	for (; i < 4 && v && v % 1024 == 0; i++)
		v /= 1024;
	(void)str_fmt(text, sizeof(text), "%" PRIu64 "%.1s", v, i ? &suffix[i - 1] : "");
	return xstrdup(text);
}

static bool is_size(const struct param *p)
{
	return p->type == &ptype_size || p->type == &ptype_ubc_size || p->type == &ptype_disk;
}

void cell_param(const struct param *p, const struct ve_conf *conf, struct cell *ret)
{
	char text[4096];

	*ret = (struct cell){ .type = CELL_NONE };
	if (!p || !conf_has(conf, p) || param_format(p, conf, false, text, sizeof(text)) < 0 ||
	    !*text)
		return;
	if (param_number(p, conf, &ret->num)) {
		ret->type = CELL_NUM;
		if (is_size(p))
			ret->text = size_text(ret->num);
		else if (p->type == &ptype_rate)
			ret->text = xstrdup(text);
	} else if (p->type == &ptype_bool) {
		ret->type = CELL_BOOL;
		ret->num = str_eq(text, "yes");
	} else {
		bool list = p->type == &ptype_ips || p->type == &ptype_addrs ||
			    (p->opt && str_eq(p->opt, "searchdomain"));

		bool marks = str_eq(p->key, "CAPABILITY") || str_eq(p->key, "FEATURES");

		ret->type = list ? CELL_LIST : marks ? CELL_MARKS : CELL_TEXT;
		ret->text = xstrdup(text);
	}
}

char *cell_people(const struct param *p, const char *text)
{
	uint64_t v;

	if (!*text)
		return xstrdup("-");
	return is_size(p) && parse_u64(text, 0, U64_UNLIMITED, &v) == 0 ? size_text(v) : xstrdup(text);
}

void cell_instead(const struct param *p, uint64_t effective, struct cell *cell)
{
	char text[32];

	cell->effective = effective;
	if (is_size(p)) {
		cell->instead = size_text(effective);
		return;
	}
	if (p->type != &ptype_rate || p->type->format(p, &effective, false, text, sizeof(text)) < 0)
		(void)str_fmt(text, sizeof(text), "%" PRIu64, effective);
	cell->instead = xstrdup(effective == U64_UNLIMITED ? "unlimited" : text);
}

void cell_done(struct cell *cell)
{
	free(cell->text);
	free(cell->instead);
	*cell = (struct cell){ .type = CELL_NONE };
}

static void list_json(struct json_out *j, const char *text)
{
	char word[256];

	json_array(j);
	while (str_word(&text, word, sizeof(word)) > 0)
		json_str(j, word);
	json_end(j);
}

static void marks_json(struct json_out *j, const char *text)
{
	char word[256];

	json_object(j);
	while (str_word(&text, word, sizeof(word)) > 0) {
		char *colon = strchr(word, ':');

		if (!colon)
			continue;
		*colon = '\0';
		json_kbool(j, word, str_eq(colon + 1, "on"));
	}
	json_end(j);
}

void cell_json(struct json_out *j, const struct cell *cell)
{
	switch (cell->type) {
	case CELL_NONE:
		json_null(j);
		break;
	case CELL_NUM:
	case CELL_SECONDS:
		json_u64(j, cell->num);
		break;
	case CELL_BOOL:
		json_bool(j, cell->num);
		break;
	case CELL_TEXT:
		json_str(j, cell->text);
		break;
	case CELL_LIST:
		list_json(j, cell->text);
		break;
	case CELL_MARKS:
		marks_json(j, cell->text);
		break;
	}
}

static void seconds_text(uint64_t s, char *dst, size_t size)
{
	(void)snprintf(dst, size, "%03llud%02lluh:%02llum:%02llus",
		       (unsigned long long)(s / 86400), (unsigned long long)(s / 3600 % 24),
		       (unsigned long long)(s / 60 % 60), (unsigned long long)(s % 60));
}

void cell_text(const struct cell *cell, bool first, char *dst, size_t size)
{
	unsigned char before = 0, was;
	int n = (int)size - 1;
	char *p;

	switch (cell->type) {
	case CELL_NONE:
		(void)snprintf(dst, size, "-");
		break;
	case CELL_BOOL:
		(void)snprintf(dst, size, "%s", cell->num ? "yes" : "no");
		break;
	case CELL_SECONDS:
		seconds_text(cell->num, dst, size);
		break;
	case CELL_NUM:
		if (cell->text)
			(void)snprintf(dst, size, "%s", cell->text);
		else
			(void)snprintf(dst, size, "%" PRIu64, cell->num);
		break;
	case CELL_TEXT:
	case CELL_MARKS:
	case CELL_LIST:
		if (cell->type == CELL_LIST && first)
			n = (int)strcspn(cell->text, " ");
		(void)snprintf(dst, size, "%.*s", n, cell->text);
		break;
	}
	if (cell->instead) {
		size_t len = strlen(dst);

		(void)snprintf(dst + len, size - len, "(%s)", cell->instead);
	}
	for (p = dst; *p; before = was, p++) {
		was = (unsigned char)*p;
		if (str_is_control(before, was))
			*p = '?';
	}
}

int cell_compare(const struct cell *a, const struct cell *b)
{
	if (a->type == CELL_NONE || b->type == CELL_NONE)
		return (a->type != CELL_NONE) - (b->type != CELL_NONE);
	if (a->type == CELL_TEXT || a->type == CELL_LIST || a->type == CELL_MARKS)
		return strcmp(a->text, b->text ? b->text : "");
	return (a->num > b->num) - (a->num < b->num);
}
