/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/ids.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/xalloc.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/parse.h"
#include "util/str.h"
#include "ve/registry.h"

static void add(struct args *a, uint32_t id)
{
	size_t i;

	for (i = 0; i < a->n_ids; i++)
		if (a->ids[i] == id)
			return;
	/* Grow by doubling: the size is the next power of two. */
	if ((a->n_ids & (a->n_ids - 1)) == 0)
		a->ids = xrealloc(a->ids, a->n_ids ? 2 * a->n_ids : 1, sizeof(*a->ids));
	a->ids[a->n_ids++] = id;
}

/* "101-120"; a name cannot look like this because names do not begin with a digit. */
static bool is_range(const char *word, uint32_t *ret_from, uint32_t *ret_to)
{
	const char *dash = strchr(word, '-');
	char from[16];

	return dash && str_fmt(from, sizeof(from), "%.*s", (int)(dash - word), word) > 0 &&
	       parse_u32(from, 0, VEID_MAX, ret_from) == 0 &&
	       parse_u32(dash + 1, 0, VEID_MAX, ret_to) == 0;
}

static int add_range(struct cli *c, struct args *a, uint32_t from, uint32_t to, struct err *e)
{
	_free_ uint32_t *all = NULL;
	size_t i, n, before = a->n_ids;
	int r = reg_list(&c->in, &all, &n, e);

	if (r < 0)
		return r;
	for (i = 0; i < n; i++)
		if (all[i] >= from && all[i] <= to)
			add(a, all[i]);
	if (a->n_ids == before)
		return err_set(e, ENOENT, VZ_NO_CONF, "there is no VE in %u-%u", from, to);
	return 0;
}

int ids_add(struct cli *c, struct args *a, const char *word, struct err *e)
{
	uint32_t id, to;
	int r;

	if (is_range(word, &id, &to))
		return add_range(c, a, id, to, e);
	r = reg_resolve(&c->in, word, &id, e);
	if (r < 0)
		return r;
	add(a, id);
	return 0;
}

int ids_add_all(struct cli *c, struct args *a, struct err *e)
{
	return reg_list(&c->in, &a->ids, &a->n_ids, e);
}

int ids_new(struct args *a, const char *word, struct err *e)
{
	uint32_t id;

	if (parse_u32(word, VEID_MIN, VEID_MAX, &id) < 0)
		return err_set(e, EINVAL, VZ_BAD_VALUE,
			       "\"%.60s\" is not a number for a VE (%d to %d)", word, VEID_MIN,
			       VEID_MAX);
	add(a, id);
	return 0;
}
