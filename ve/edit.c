/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/edit.h"

#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/conf.h"
#include "ve/lock.h"
#include "ve/registry.h"

#define TEXT_MAX (1 << 20)
#define LOCK_WAIT_MS 10000

static void conf_name(uint32_t id, char dst[64])
{
	(void)str_fmt(dst, 64, "conf/%u.conf", id);
}

int ve_conf_text(const struct inst *in, uint32_t id, char **ret, struct err *e)
{
	char path[64];
	size_t len;

	if (!reg_exists(in, id))
		return err_set(e, ENOENT, VZ_NO_CONF, "VE %u does not exist", id);
	conf_name(id, path);
	return fs_read_at(in->etc, path, TEXT_MAX, ret, &len, e);
}

/* What makes the VE the one it is: written by create, or moved by verbs of its own. */
static int check_fixed(const struct param *p, uint32_t id, bool gone, struct err *e)
{
	if (p->flags & (P_HIDDEN | P_CREATE))
		return err_set(e, EPERM, VZ_BAD_VALUE, "edit %u: %s is fixed once the VE is made", id,
			       p->key);
	if (gone && str_eq(p->key, "NAME"))
		return err_set(e, EPERM, VZ_BAD_VALUE, "edit %u: a name is not taken away by leaving NAME "
			       "out; write NAME=\"\"", id);
	return 0;
}

/* Rows that are new or other, and whether any is gone. Addresses are given as a whole. */
static int differences(uint32_t id, const struct ve_conf *was, const struct ve_conf *is,
		       struct ve_change *ret, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < n_params && !r; i++) {
		const struct param *p = &params[i];
		bool gone = conf_has(was, p) && !conf_has(is, p);

		if (param_same(p, was, is))
			continue;
		r = check_fixed(p, id, gone, e);
		if (str_eq(p->key, "IP_ADDRESS"))
			ret->ip_del_all = true;
		if (!gone)
			param_copy(p, &ret->to, is);
	}
	return r;
}

static bool is_empty(const struct ve_change *ch)
{
	return !ch->to.set[0] && !ch->to.set[1] && !ch->ip_del_all;
}

/* set has put its rows into the old text; only that, and nobody else's work, is replaced. */
static int replace(const struct inst *in, uint32_t id, const char *expect, const char *text,
		   struct err *e)
{
	_free_ char *now = NULL;
	_fd_ int lock = -1;
	char path[64];
	int r = lock_take(in, id, "edit", LOCK_WAIT_MS, &lock, e);

	if (!r)
		r = ve_conf_text(in, id, &now, e);
	if (r < 0)
		return r;
	if (!str_eq(now, expect))
		return err_set(e, ESTALE, VZ_CONF_SAVE, "edit %u: the config was changed meanwhile", id);
	conf_name(id, path);
	r = fs_save_at(in->etc, path, text, 0644, e);
	return r < 0 ? err_exit(e, VZ_CONF_SAVE) : 0;
}

struct edit {
	struct ve_conf was, is;
	struct ve_change change;
};

int ve_edit(struct inst *in, uint32_t id, const char *old, const char *text,
	    struct set_report *ret, struct err *e)
{
	_free_ struct edit *ed = calloc(1, sizeof(*ed));
	_free_ char *expect = NULL;
	int r;

	*ret = (struct set_report){ 0 };
	if (!ed)
		return err_set(e, ENOMEM, 0, "edit %u: out of memory", id);
	r = conf_parse(old, strlen(old), "the config", &ed->was, e);
	if (!r)
		r = conf_parse(text, strlen(text), "the new config", &ed->is, e);
	if (!r)
		r = differences(id, &ed->was, &ed->is, &ed->change, e);
	if (!r && !is_empty(&ed->change))
		r = ve_set(in, id, &ed->change, SET_SAVE, ret, e);
	if (!r)
		r = conf_format(old, &ed->change.to, &expect, e);
	return r < 0 ? r : replace(in, id, expect, text, e);
}
