/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clone: copies of a VE with identities of their own; reinstall: a fresh root. */
#include "cli/cli.h"

#include <errno.h>

#include "cli/ids.h"
#include "cli/options.h"
#include "cli/out.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/registry.h"

static void copied(void *arg, uint64_t done, uint64_t all)
{
	char line[80];

	(void)str_fmt(line, sizeof(line), "copied %llu of %llu MiB",
		      (unsigned long long)(done >> 20), (unsigned long long)(all >> 20));
	progress_line(arg, line);
}

/* Looked at before the first is made: all of the numbers, and what only one may have. */
static int check(struct cli *c, const struct args *a, uint32_t first, uint64_t n, struct err *e)
{
	const struct ve_conf *to = &a->change.to;
	uint64_t i;

	if (a->n_patterns)
		return err_set(e, EINVAL, VZ_BAD_OPTION, "clone: {n} and {id} are not known here");
	if (n > 1 && (conf_has(to, param_by_key("NAME")) || conf_has(to, param_by_key("IP_ADDRESS")) ||
		      conf_has(to, param_by_key("HOSTNAME"))))
		return err_set(e, EINVAL, VZ_BAD_OPTION,
			       "clone: --count with --name, --hostname or --ipadd: several cannot share one");
	if (first + n - 1 > VEID_MAX)
		return err_set(e, ERANGE, VZ_BAD_VALUE, "clone: %u and %llu more go past %d", first,
			       (unsigned long long)(n - 1), VEID_MAX);
	for (i = 0; i < n; i++)
		if (reg_exists(&c->in, first + (uint32_t)i))
			return err_set(e, EEXIST, VZ_PRIVATE_EXISTS, "VE %u already exists",
				       first + (uint32_t)i);
	return 0;
}

static int clones_json(uint32_t first, uint64_t n, struct err *e)
{
	struct json_out *j = json_new(true);
	uint64_t i;

	json_array(j);
	for (i = 0; i < n; i++)
		json_u64(j, first + i);
	json_end(j);
	return out_json(j, e);
}

int cmd_clone(struct cli *c, const struct args *a, struct err *e)
{
	struct progress p;
	struct clone_opts o = { .live = a->live, .freeze_ms = (int)a->freeze_ms,
				.change = &a->change, .progress = copied, .arg = &p };
	uint64_t i, n = a->count ? a->count : 1;
	struct args copy = { .n_ids = 0 };
	uint32_t first = 0;
	int r = ids_new(&copy, a->words[0], e);

	if (r >= 0)
		first = copy.ids[0];
	args_done(&copy);
	if (r >= 0)
		r = check(c, a, first, n, e);
	if (r < 0)
		return r;
	progress_init(&p, c);
	for (i = 0; r >= 0 && i < n; i++)
		r = ve_clone(&c->in, a->ids[0], first + (uint32_t)i, &o, e);
	progress_done(&p);
	return r < 0 || !c->json ? r : clones_json(first, n, e);
}

static int reinstall_one(struct cli *c, const struct args *a, uint32_t id, struct err *e)
{
	struct reinstall_opts o = { .ostemplate = a->to, .skip_backup = a->skip_backup };

	return ve_reinstall(&c->in, id, &o, e);
}

int cmd_reinstall(struct cli *c, const struct args *a, struct err *e)
{
	return ids_each(c, a, reinstall_one, e);
}
