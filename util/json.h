/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON in and out; the only file that knows yajl. Documents are small (state, manifests,
 * command output), but may be hostile: size, depth and string length are bounded.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

/* ---- writing: a growing text; the first failure sticks and json_finish reports it ---- */
struct json_out;

struct json_out *json_new(bool pretty);
void json_free(struct json_out *j);
void json_object(struct json_out *j);           /* { */
void json_array(struct json_out *j);            /* [ */
void json_end(struct json_out *j);              /* closes the innermost of the two */
void json_key(struct json_out *j, const char *key);
void json_str(struct json_out *j, const char *s);       /* NULL writes null; bad UTF-8 is replaced */
void json_u64(struct json_out *j, uint64_t v);
void json_i64(struct json_out *j, int64_t v);
void json_double(struct json_out *j, double v);
void json_bool(struct json_out *j, bool v);
void json_null(struct json_out *j);
/* key and value in one go */
void json_kstr(struct json_out *j, const char *key, const char *s);
void json_ku64(struct json_out *j, const char *key, uint64_t v);
void json_kbool(struct json_out *j, const char *key, bool v);
/* NUL-terminated text with a final newline, owned by j. -ENOMEM or -EINVAL on misuse. */
MUST_CHECK int json_finish(struct json_out *j, const char **ret, struct err *e);

/* ---- reading: a tree with bounds; at most 1 MiB, depth 16, 100000 nodes ---- */
enum json_type { JSON_NULL, JSON_BOOL, JSON_NUM, JSON_STR, JSON_ARR, JSON_OBJ };
struct json_val;

/* Parse text[len]; one value, nothing after it. name is for the error text. */
MUST_CHECK int json_parse(const char *text, size_t len, const char *name, struct json_val **ret,
			  struct err *e);
void json_val_free(struct json_val *v);
enum json_type json_type(const struct json_val *v);
/* Member of an object; NULL when v is NULL, not an object, or has no such member. */
const struct json_val *json_get(const struct json_val *v, const char *key);
size_t json_len(const struct json_val *v);                      /* members or elements; else 0 */
const struct json_val *json_at(const struct json_val *v, size_t i);     /* element, or member value */
const char *json_key_at(const struct json_val *v, size_t i);            /* member name */
/* Value of a member, or the default when it is absent or of another type. */
const char *json_get_str(const struct json_val *v, const char *key, const char *def);
uint64_t json_get_u64(const struct json_val *v, const char *key, uint64_t def);
bool json_get_bool(const struct json_val *v, const char *key, bool def);
/* String value of an element; NULL when it is none. */
const char *json_string(const struct json_val *v);
