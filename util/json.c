/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON by yajl. Reading uses the streaming parser and builds a tree of our own: yajl_tree
 * leaks on malformed input in upstream 2.1.0 (CVE-2023-33460), and knows no bounds.
 *
 * Invariants of the tree: every string is NUL-terminated without a NUL inside (a name that
 * ends early for C but not for another reader must not exist); a number keeps its text, so no
 * precision is lost; in an object the first member of a name counts.
 */
#include "util/json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_gen.h>
#include <yajl/yajl_parse.h>

#include "util/cleanup.h"
#include "util/parse.h"

#define MAX_TEXT (1024 * 1024)
#define MAX_DEPTH 16
#define MAX_NODES 100000
#define GEN_DEPTH 32

/* ---- writing ---- */

struct json_out {
	yajl_gen gen;
	int bad;                        /* first failure, positive errno; sticks */
	unsigned depth;
	bool is_object[GEN_DEPTH];
};

struct json_out *json_new(bool pretty)
{
	struct json_out *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->gen = yajl_gen_alloc(NULL);
	if (!j->gen) {
		free(j);
		return NULL;
	}
	(void)yajl_gen_config(j->gen, yajl_gen_beautify, pretty);
	(void)yajl_gen_config(j->gen, yajl_gen_indent_string, "  ");
	return j;
}

void json_free(struct json_out *j)
{
	if (!j)
		return;
	yajl_gen_free(j->gen);
	free(j);
}

static void note(struct json_out *j, yajl_gen_status s)
{
	if (s != yajl_gen_status_ok && !j->bad)
		j->bad = EINVAL;
}

static void open_level(struct json_out *j, bool is_object)
{
	if (j->depth == GEN_DEPTH) {
		j->bad = j->bad ? j->bad : EINVAL;
		return;
	}
	j->is_object[j->depth++] = is_object;
	note(j, is_object ? yajl_gen_map_open(j->gen) : yajl_gen_array_open(j->gen));
}

void json_object(struct json_out *j)
{
	open_level(j, true);
}

void json_array(struct json_out *j)
{
	open_level(j, false);
}

void json_end(struct json_out *j)
{
	if (!j->depth) {
		j->bad = j->bad ? j->bad : EINVAL;
		return;
	}
	j->depth--;
	note(j, j->is_object[j->depth] ? yajl_gen_map_close(j->gen) : yajl_gen_array_close(j->gen));
}

/*
 * Length of the UTF-8 sequence at s, or 0 when it is none (RFC 3629): no overlong forms, no
 * surrogates, nothing above U+10FFFF. The NUL at the end stops every sequence that is cut.
 */
static size_t utf8_len(const unsigned char *s)
{
	unsigned char lo = 0x80, hi = 0xbf;
	size_t n, i;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] == 0xe0)
		lo = 0xa0;
	else if (s[0] == 0xed)
		hi = 0x9f;
	else if (s[0] == 0xf0)
		lo = 0x90;
	else if (s[0] == 0xf4)
		hi = 0x8f;
	if (s[1] < lo || s[1] > hi)
		return 0;
	for (i = 2; i < n; i++)
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	return n;
}

/* Copy of s with every byte that is not UTF-8 replaced by U+FFFD. */
static char *utf8_repair(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	char *out = malloc(strlen(s) * 3 + 1), *q = out;

	if (!out)
		return NULL;
	while (*p) {
		size_t n = utf8_len(p);

		if (n) {
			memcpy(q, p, n);
			p += n;
			q += n;
		} else {
			memcpy(q, "\xef\xbf\xbd", 3);
			p++;
			q += 3;
		}
	}
	*q = '\0';
	return out;
}

void json_str(struct json_out *j, const char *s)
{
	_free_ char *clean = NULL;

	if (!s) {
		json_null(j);
		return;
	}
	clean = utf8_repair(s);
	if (!clean) {
		j->bad = ENOMEM;
		return;
	}
	note(j, yajl_gen_string(j->gen, (const unsigned char *)clean, strlen(clean)));
}

void json_key(struct json_out *j, const char *key)
{
	json_str(j, key);
}

static void number(struct json_out *j, const char *text)
{
	note(j, yajl_gen_number(j->gen, text, strlen(text)));
}

void json_u64(struct json_out *j, uint64_t v)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	number(j, text);
}

void json_i64(struct json_out *j, int64_t v)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%lld", (long long)v);
	number(j, text);
}

/* JSON has no infinity and no NaN: both are null. */
void json_double(struct json_out *j, double v)
{
	char text[32];

	if (!isfinite(v)) {
		json_null(j);
		return;
	}
	(void)snprintf(text, sizeof(text), "%.15g", v);
	number(j, text);
}

void json_bool(struct json_out *j, bool v)
{
	note(j, yajl_gen_bool(j->gen, v));
}

void json_null(struct json_out *j)
{
	note(j, yajl_gen_null(j->gen));
}

void json_kstr(struct json_out *j, const char *key, const char *s)
{
	json_key(j, key);
	json_str(j, s);
}

void json_ku64(struct json_out *j, const char *key, uint64_t v)
{
	json_key(j, key);
	json_u64(j, v);
}

void json_kbool(struct json_out *j, const char *key, bool v)
{
	json_key(j, key);
	json_bool(j, v);
}

int json_finish(struct json_out *j, const char **ret, struct err *e)
{
	const unsigned char *text = NULL;
	size_t len = 0;

	if (!j->bad && j->depth)
		j->bad = EINVAL;
	if (j->bad)
		return err_set(e, j->bad, 0, "write JSON: %s", strerror(j->bad));
	(void)yajl_gen_get_buf(j->gen, &text, &len);
	/* The pretty printer ends a document with a newline, the compact one does not. */
	if (len && text[len - 1] != '\n') {
		yajl_gen_reset(j->gen, "\n");
		(void)yajl_gen_get_buf(j->gen, &text, &len);
	}
	if (!len)
		return err_set(e, EINVAL, 0, "write JSON: nothing was written");
	*ret = (const char *)text;
	return 0;
}

/* ---- reading ---- */

struct json_val {
	enum json_type type;
	bool b;
	char *text;                     /* of a string or a number */
	size_t n, cap;
	struct json_val **item;
	char **key;                     /* of an object: as many as items */
};

struct reader {
	struct json_val *root;
	struct json_val *open[MAX_DEPTH];
	unsigned depth, nodes;
	char *key;                      /* name of the member to come */
	int bad;                        /* positive errno */
	const char *why;
};

void json_val_free(struct json_val *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->n; i++) {     /* depth is bounded by the reader */
		json_val_free(v->item[i]);
		if (v->key)
			free(v->key[i]);
	}
	free(v->item);
	free(v->key);
	free(v->text);
	free(v);
}

static int stop(struct reader *rd, int eno, const char *why)
{
	rd->bad = eno;
	rd->why = why;
	return 0;                       /* yajl: cancel */
}

static bool grow(struct json_val *v)
{
	size_t cap = v->cap ? v->cap * 2 : 8;
	struct json_val **item = reallocarray(v->item, cap, sizeof(struct json_val *));
	char **key;

	if (!item)
		return false;
	v->item = item;
	if (v->type == JSON_OBJ) {
		key = reallocarray(v->key, cap, sizeof(char *));
		if (!key)
			return false;
		v->key = key;
	}
	v->cap = cap;
	return true;
}

/* Hang a new value into the innermost open one; on success it is in *ret. */
static int add(struct reader *rd, enum json_type type, struct json_val **ret)
{
	struct json_val *up = rd->depth ? rd->open[rd->depth - 1] : NULL;
	struct json_val *v;

	if (++rd->nodes > MAX_NODES)
		return stop(rd, E2BIG, "too many values");
	if (up && up->n == up->cap && !grow(up))
		return stop(rd, ENOMEM, "out of memory");
	v = calloc(1, sizeof(*v));
	if (!v)
		return stop(rd, ENOMEM, "out of memory");
	v->type = type;
	if (!up) {
		rd->root = v;
	} else {
		if (up->type == JSON_OBJ)
			up->key[up->n] = TAKE_PTR(rd->key);
		up->item[up->n++] = v;
	}
	*ret = v;
	return 1;
}

static int set_text(struct reader *rd, char **dst, const void *s, size_t len)
{
	if (memchr(s, '\0', len))
		return stop(rd, EINVAL, "a string holds a NUL");
	*dst = strndup(s, len);
	return *dst ? 1 : stop(rd, ENOMEM, "out of memory");
}

static int on_null(void *ctx)
{
	struct json_val *v;

	return add(ctx, JSON_NULL, &v);
}

static int on_bool(void *ctx, int b)
{
	struct json_val *v;

	if (!add(ctx, JSON_BOOL, &v))
		return 0;
	v->b = b;
	return 1;
}

static int on_number(void *ctx, const char *s, size_t len)
{
	struct json_val *v;

	return add(ctx, JSON_NUM, &v) && set_text(ctx, &v->text, s, len);
}

static int on_string(void *ctx, const unsigned char *s, size_t len)
{
	struct json_val *v;

	return add(ctx, JSON_STR, &v) && set_text(ctx, &v->text, s, len);
}

static int on_key(void *ctx, const unsigned char *s, size_t len)
{
	struct reader *rd = ctx;

	return set_text(rd, &rd->key, s, len);
}

static int on_open(struct reader *rd, enum json_type type)
{
	struct json_val *v;

	if (rd->depth == MAX_DEPTH)
		return stop(rd, E2BIG, "nested too deep");
	if (!add(rd, type, &v))
		return 0;
	rd->open[rd->depth++] = v;
	return 1;
}

static int on_map(void *ctx)
{
	return on_open(ctx, JSON_OBJ);
}

static int on_array(void *ctx)
{
	return on_open(ctx, JSON_ARR);
}

static int on_close(void *ctx)
{
	struct reader *rd = ctx;

	rd->depth--;
	return 1;
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_bool,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_map,
	.yajl_map_key = on_key,
	.yajl_end_map = on_close,
	.yajl_start_array = on_array,
	.yajl_end_array = on_close,
};

int json_parse(const char *text, size_t len, const char *name, struct json_val **ret,
	       struct err *e)
{
	struct reader rd = { 0 };
	yajl_status s;
	yajl_handle h;

	if (len > MAX_TEXT)
		return err_set(e, EFBIG, 0, "parse %s: larger than %d bytes", name, MAX_TEXT);
	h = yajl_alloc(&callbacks, NULL, &rd);
	if (!h)
		return err_set(e, ENOMEM, 0, "parse %s: out of memory", name);
	s = yajl_parse(h, (const unsigned char *)text, len);
	if (s == yajl_status_ok)
		s = yajl_complete_parse(h);
	if (s != yajl_status_ok && !rd.bad)
		(void)stop(&rd, EINVAL, "not valid JSON");
	else if (!rd.bad && !rd.root)
		(void)stop(&rd, EINVAL, "empty");
	if (rd.bad)
		(void)err_set(e, rd.bad, 0, "parse %s: %s near byte %zu", name, rd.why,
			      yajl_get_bytes_consumed(h));
	yajl_free(h);
	free(rd.key);
	if (rd.bad) {
		json_val_free(rd.root);
		return -rd.bad;
	}
	*ret = rd.root;
	return 0;
}

enum json_type json_type(const struct json_val *v)
{
	return v ? v->type : JSON_NULL;
}

const struct json_val *json_get(const struct json_val *v, const char *key)
{
	if (json_type(v) != JSON_OBJ)
		return NULL;
	for (size_t i = 0; i < v->n; i++)
		if (!strcmp(v->key[i], key))
			return v->item[i];
	return NULL;
}

size_t json_len(const struct json_val *v)
{
	return v ? v->n : 0;
}

const struct json_val *json_at(const struct json_val *v, size_t i)
{
	return i < json_len(v) ? v->item[i] : NULL;
}

const char *json_key_at(const struct json_val *v, size_t i)
{
	return json_type(v) == JSON_OBJ && i < v->n ? v->key[i] : NULL;
}

const char *json_string(const struct json_val *v)
{
	return json_type(v) == JSON_STR ? v->text : NULL;
}

const char *json_get_str(const struct json_val *v, const char *key, const char *def)
{
	const char *s = json_string(json_get(v, key));

	return s ? s : def;
}

uint64_t json_get_u64(const struct json_val *v, const char *key, uint64_t def)
{
	const struct json_val *m = json_get(v, key);
	uint64_t n;

	if (json_type(m) != JSON_NUM || parse_u64(m->text, 0, UINT64_MAX, &n) < 0)
		return def;
	return n;
}

bool json_get_bool(const struct json_val *v, const char *key, bool def)
{
	const struct json_val *m = json_get(v, key);

	return json_type(m) == JSON_BOOL ? m->b : def;
}
