/* SPDX-License-Identifier: GPL-2.0-or-later */
/* template build, import, publish: where versions come from. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>

#include "cli/options.h"
#include "cli/out.h"
#include "cli/template.h"
#include "templates/build.h"
#include "templates/import.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/parse.h"
#include "ve/registry.h"
#include "ve/ve.h"

static int tell(struct cli *c, const struct store *s, const struct template *t, struct err *e)
{
	if (c->json)
		return template_show(c, s, t, e);
	if (!c->quiet)
		out_printf("Template %s is version %.12s\n", t->name, t->digest);
	return 0;
}

static int build(struct cli *c, const struct args *a, const struct store *s, struct err *e)
{
	struct build b = { .recipe = a->words[0], .name = a->name, .mirror = a->mirror, .tmp = s->dir };
	_free_ const char *unpack = NULL;
	_fd_ int recipes = openat(c->in.etc, "recipes", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct progress p;
	struct template t;
	int r;

	b.recipes = recipes;
	r = inst_program(&c->in, "berth-unpack", &unpack, e);
	if (r < 0)
		return r;
	progress_init(&p, c);
	b.unpack = unpack;
	b.progress = progress_line;
	b.arg = &p;
	r = build_template(s, &b, &t, e);
	progress_done(&p);
	return r < 0 ? r : tell(c, s, &t, e);
}

typedef int make(struct cli *c, const struct args *a, const struct store *s, struct import *im,
		 struct template *ret, struct err *e);

static int from_elsewhere(struct cli *c, const struct args *a, const struct store *s, make *fn,
			  struct err *e)
{
	struct import im = { .dir = -1, .name = a->words[1], .ref = a->ref, .format = a->format,
			     .max_size = a->max_size, .tmp = s->dir };
	_free_ const char *unpack = NULL, *sign = NULL, *convert = NULL;
	_fd_ int keys = template_keys(c);
	struct sign_policy policy = { .keys = keys, .require = c->in.conf.template_signature };
	struct progress p;
	struct template t;
	int r = inst_program(&c->in, "berth-unpack", &unpack, e);

	if (!r)
		r = inst_program(&c->in, "berth-sign", &sign, e);
	if (!r && a->format)
		r = inst_program(&c->in, "berth-convert", &convert, e);
	if (r < 0)
		return r;
	progress_init(&p, c);
	policy.program = sign;
	im.sign = &policy;
	im.unpack = unpack;
	im.convert = convert;
	im.progress = progress_line;
	im.arg = &p;
	r = fn(c, a, s, &im, &t, e);
	progress_done(&p);
	return r < 0 ? r : tell(c, s, &t, e);
}

static int from_path(struct cli *c, const struct args *a, const struct store *s,
		     struct import *im, struct template *ret, struct err *e)
{
	(void)c;
	im->path = a->words[0];
	return import_template(s, im, ret, e);
}

static int from_ve(struct cli *c, const struct args *a, const struct store *s, struct import *im,
		   struct template *ret, struct err *e)
{
	uint32_t id;
	int r = reg_resolve(&c->in, a->words[0], &id, e);

	return r < 0 ? r : ve_publish(&c->in, id, s, im, ret, e);
}

static int import(struct cli *c, const struct args *a, const struct store *s, struct err *e)
{
	return from_elsewhere(c, a, s, from_path, e);
}

static int publish(struct cli *c, const struct args *a, const struct store *s, struct err *e)
{
	return from_elsewhere(c, a, s, from_ve, e);
}

int take_max_size(struct args *a, const char *value, struct err *e)
{
	if (parse_size(value, 1, false, &a->max_size) < 0 || a->max_size < 4096)
		return err_set(e, EINVAL, VZ_BAD_VALUE,
			       "--max-size: \"%.40s\" is not a size such as 16G", value);
	return 0;
}

int cmd_template_build(struct cli *c, const struct args *a, struct err *e)
{
	return template_with_store(c, a, build, e);
}

int cmd_template_import(struct cli *c, const struct args *a, struct err *e)
{
	return template_with_store(c, a, import, e);
}

int cmd_template_publish(struct cli *c, const struct args *a, struct err *e)
{
	return template_with_store(c, a, publish, e);
}
