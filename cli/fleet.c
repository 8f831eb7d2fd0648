/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/fleet.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/xalloc.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/json.h"
#include "util/str.h"
#include "ve/ptypes.h"
#include "ve/registry.h"

static const char *const states[] = {
	[FLEET_RUNNING] = "running", [FLEET_STOPPED] = "stopped", [FLEET_ABSENT] = "absent",
};

static bool is_size(const struct param *p)
{
	return p->type == &ptype_size || p->type == &ptype_ubc_size || p->type == &ptype_disk;
}

static const struct param *param_by_json(const char *name)
{
	size_t i;

	for (i = 0; i < n_params; i++)
		if (params[i].json && params[i].opt && str_eq(params[i].json, name))
			return &params[i];
	return param_by_opt(name);
}

/* A value as the command line would have it; several words of an array. */
static int value_text(const struct param *p, const struct json_val *parent, const char *key,
		      char *dst, size_t size)
{
	const struct json_val *v = json_get(parent, key);
	size_t i, len = 0;
	int r = 0;

	switch (json_type(v)) {
	case JSON_STR:
		return str_fmt(dst, size, "%s", json_string(v));
	case JSON_NUM:
		return str_fmt(dst, size, "%" PRIu64 "%s", json_get_u64(parent, key, 0), is_size(p) ? "b" : "");
	case JSON_BOOL:
		return str_fmt(dst, size, "%s", json_get_bool(parent, key, false) ? "yes" : "no");
	case JSON_ARR:
		*dst = '\0';
		for (i = 0; i < json_len(v) && r >= 0; i++, len += r > 0 ? (size_t)r : 0)
			r = json_string(json_at(v, i)) ?
				    str_fmt(dst + len, size - len, "%s%s", i ? " " : "",
					    json_string(json_at(v, i))) :
				    -EINVAL;
		return r;
	case JSON_NULL:
	case JSON_OBJ:
		return -EINVAL;
	}
	return -EINVAL;
}

static int take_member(const struct json_val *v, const char *key, struct fleet_item *it,
		       struct err *e)
{
	const struct param *p = param_by_json(key);
	char text[4096];
	struct err why = ERR_INIT;

	if (!p || p->flags & P_HIDDEN)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "CT %u: \"%.60s\" is no parameter", it->id, key);
	if (value_text(p, v, key, text, sizeof(text)) < 0)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "CT %u: value of \"%s\" is none", it->id, key);
	if (param_parse(p, text, false, &it->want.to, &why) < 0)
		return err_set(e, why.eno, why.exit, "CT %u: %s", it->id, why.msg);
	return 0;
}

static int take_state(const struct json_val *v, struct fleet_item *it, struct err *e)
{
	const char *word = json_get_str(v, "state", NULL);
	unsigned i;

	if (!json_get(v, "state"))
		return 0;
	for (i = FLEET_RUNNING; i < ARRAY_SIZE(states); i++)
		if (word && str_eq(word, states[i])) {
			it->state = (enum fleet_state)i;
			return 0;
		}
	return err_set(e, EINVAL, VZ_BAD_VALUE, "CT %u: state is running, stopped or absent", it->id);
}

static int take_item(const struct json_val *v, size_t i, struct fleet_item *it, struct err *e)
{
	uint64_t id = json_get_u64(v, "id", 0);
	size_t k;
	int r;

	if (id < VEID_MIN || id > VEID_MAX)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "entry %zu: \"id\" is no number for a VE (%d to %d)",
			       i + 1, VEID_MIN, VEID_MAX);
	it->id = (uint32_t)id;
	r = take_state(v, it, e);
	for (k = 0; k < json_len(v) && r >= 0; k++) {
		const char *key = json_key_at(v, k);

		if (!str_eq(key, "id") && !str_eq(key, "state"))
			r = take_member(v, key, it, e);
	}
	return r;
}

static int by_id(const void *a, const void *b)
{
	const struct fleet_item *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static int each_once(struct fleet *f, struct err *e)
{
	size_t i;

	qsort(f->item, f->n, sizeof(*f->item), by_id);
	for (i = 1; i < f->n; i++)
		if (f->item[i].id == f->item[i - 1].id)
			return err_set(e, EINVAL, VZ_BAD_VALUE, "CT %u is there twice", f->item[i].id);
	return 0;
}

int fleet_parse(const char *text, size_t len, const char *name, struct fleet *ret, struct err *e)
{
	struct fleet f = { NULL, 0 };
	struct json_val *v = NULL;
	const struct json_val *ves;
	struct err why = ERR_INIT;
	int r = json_parse(text, len, name, &v, e);

	if (r < 0)
		return err_exit(e, VZ_BAD_VALUE);
	ves = json_get(v, "ves");
	if (json_type(ves) != JSON_ARR)
		r = err_set(&why, EINVAL, VZ_BAD_VALUE, "no array \"ves\"");
	f.item = xcalloc(json_len(ves) + 1, sizeof(*f.item));
	for (; f.n < json_len(ves) && r >= 0; f.n++)
		r = take_item(json_at(ves, f.n), f.n, &f.item[f.n], &why);
	if (r >= 0)
		r = each_once(&f, &why);
	json_val_free(v);
	if (r < 0) {
		fleet_done(&f);
		return err_set(e, why.eno, why.exit, "%s: %s", name, why.msg);
	}
	*ret = f;
	return 0;
}

void fleet_done(struct fleet *f)
{
	free(f->item);
	*f = (struct fleet){ NULL, 0 };
}

/* ---- what is to be done ---- */

/* Of an existing VE: the rows that differ. Addresses are the whole list, not some to add. */
static void reduce(struct fleet_item *it, const struct ve_conf *conf)
{
	size_t i;

	for (i = 0; i < n_params; i++) {
		const struct param *p = &params[i];

		if (!conf_has(&it->want.to, p))
			continue;
		if (param_same(p, &it->want.to, conf))
			conf_mark(&it->want.to, p, false);
		else if (p->type == &ptype_ips)
			it->want.ip_del_all = true;
		it->set |= conf_has(&it->want.to, p);
	}
}

static int judge(struct inst *in, struct fleet_item *it, struct set_report *rep, struct err *e)
{
	unsigned i;
	int r = ve_set(in, it->id, &it->want, SET_SAVE | SET_DRY_RUN, rep, e);

	for (i = 0; i < rep->n && r >= 0; i++)
		if (rep->line[i].outcome == SET_IMPOSSIBLE)
			r = err_set(e, EOPNOTSUPP, VZ_BAD_VALUE, "CT %u: %s: %s", it->id,
				    rep->line[i].param->json, rep->line[i].why);
	return r;
}

int fleet_plan(struct inst *in, struct fleet_item *it, struct set_report *rep, struct err *e)
{
	struct ve_status *s = xcalloc(1, sizeof(*s));
	int r = ve_status(in, it->id, 0, s, e);

	*rep = (struct set_report){ 0 };
	if (r >= 0 && s->exists && !s->conf_ok)
		r = err_set(e, EINVAL, VZ_BAD_CONF, "CT %u: %s", it->id, s->conf_error);
	if (r >= 0) {
		bool absent = it->state == FLEET_ABSENT;

		it->create = !s->exists && !absent;
		it->destroy = s->exists && absent;
		it->start = !s->running && it->state == FLEET_RUNNING;
		it->stop = s->running && (absent || it->state == FLEET_STOPPED);
		if (s->exists && !absent)
			reduce(it, &s->conf);
		if (it->set)
			r = judge(in, it, rep, e);
	}
	free(s);
	return r;
}

int fleet_apply(struct inst *in, const struct fleet_item *it, struct err *e)
{
	static const struct start_opts start = { 0 };
	static const struct stop_opts stop = { 0 };
	_free_ struct set_report *rep = xcalloc(1, sizeof(*rep));
	int r = 0;

	if (it->stop)
		r = ve_stop(in, it->id, &stop, e);
	if (r >= 0 && it->destroy)
		r = ve_destroy(in, it->id, e);
	if (r >= 0 && it->create)
		r = ve_create(in, it->id, &it->want, e);
	if (r >= 0 && it->set)
		r = ve_set(in, it->id, &it->want, SET_SAVE, rep, e);
	if (r >= 0 && it->start)
		r = ve_start(in, it->id, &start, e);
	return r;
}
