/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/yaml.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <yaml.h>

#include "util/exits.h"
#include "util/str.h"

struct level {
	bool map;
	bool has_key;                   /* of a map: the next node is the value */
	unsigned n;                     /* of a list: elements so far */
	size_t used;                    /* of the path, where this level's part begins */
};

struct walk {
	struct level level[YAML_DEPTH_MAX];
	unsigned depth, scalars;
	char path[YAML_PATH_MAX];
	int (*put)(void *arg, const char *path, const char *value, struct err *e);
	void *arg;
};

static int bad(const char *why, struct err *e)
{
	return err_set(e, EINVAL, VZ_BAD_CONF, "read YAML: %s", why);
}

static int set_part(struct walk *w, struct level *l, const char *part, struct err *e)
{
	int n = str_fmt(w->path + l->used, sizeof(w->path) - l->used, "%s%s", l->used ? "/" : "", part);

	return n < 0 ? bad("keys of more than 512 bytes", e) : 0;
}

/* A node begins: under which path. Returns 1 when it is a key. */
static int begin(struct walk *w, const char *key, struct err *e)
{
	struct level *l = w->depth ? &w->level[w->depth - 1] : NULL;
	char number[12];
	int r;

	if (!l)
		return 0;
	if (!l->map) {
		(void)str_fmt(number, sizeof(number), "%u", l->n++);
		return set_part(w, l, number, e);
	}
	if (l->has_key) {
		l->has_key = false;
		return 0;
	}
	if (!key)
		return bad("a key that is no text", e);
	if (str_has_control(key))
		return bad("a key with control characters", e);
	l->has_key = true;
	r = set_part(w, l, key, e);
	return r < 0 ? r : 1;
}

static int open_level(struct walk *w, bool map, struct err *e)
{
	int r = begin(w, NULL, e);

	if (r < 0)
		return r;
	if (w->depth == YAML_DEPTH_MAX)
		return bad("nested too deeply", e);
	w->level[w->depth++] = (struct level){ .map = map, .used = strlen(w->path) };
	return 0;
}

static void close_level(struct walk *w)
{
	w->path[w->level[--w->depth].used] = '\0';
}

static int scalar(struct walk *w, const yaml_event_t *ev, struct err *e)
{
	const char *text = (const char *)ev->data.scalar.value;
	int r;

	if (strlen(text) != ev->data.scalar.length)
		return bad("a text with a NUL in it", e);
	if (++w->scalars > YAML_SCALARS_MAX)
		return bad("too many values", e);
	r = begin(w, text, e);
	if (r)
		return r < 0 ? r : 0;
	return w->put(w->arg, w->path, text, e);
}

static int take(struct walk *w, const yaml_event_t *ev, unsigned *docs, struct err *e)
{
	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		return ++*docs > 1 ? bad("more than one document", e) : 0;
	case YAML_ALIAS_EVENT:
		return bad("an alias", e);
	case YAML_MAPPING_START_EVENT:
		return ev->data.mapping_start.anchor ? bad("an anchor", e) : open_level(w, true, e);
	case YAML_SEQUENCE_START_EVENT:
		return ev->data.sequence_start.anchor ? bad("an anchor", e) : open_level(w, false, e);
	case YAML_SCALAR_EVENT:
		return ev->data.scalar.anchor ? bad("an anchor", e) : scalar(w, ev, e);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		close_level(w);
		return 0;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		return 0;
	}
	return 0;
}

int yaml_each(const char *text, size_t len,
	      int (*put)(void *arg, const char *path, const char *value, struct err *e), void *arg,
	      struct err *e)
{
	struct walk w = { .put = put, .arg = arg };
	bool end = false;
	yaml_parser_t p;
	unsigned docs = 0;
	int r = 0;

	if (!yaml_parser_initialize(&p))
		return err_set(e, ENOMEM, 0, "read YAML: out of memory");
	yaml_parser_set_input_string(&p, (const uint8_t *)text, len);
	while (!r && !end) {
		yaml_event_t ev;

		if (!yaml_parser_parse(&p, &ev)) {
			r = err_set(e, EINVAL, VZ_BAD_CONF, "read YAML: line %zu: %s",
				    p.problem_mark.line + 1, p.problem ? p.problem : "not readable");
			break;
		}
		end = ev.type == YAML_STREAM_END_EVENT;
		r = take(&w, &ev, &docs, e);
		yaml_event_delete(&ev);
	}
	yaml_parser_delete(&p);
	return r;
}
