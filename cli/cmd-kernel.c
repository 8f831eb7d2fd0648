/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kernel import, list, default, remove: the kernels of virtual machines. */
#include "cli/cli.h"

#include <stdlib.h>
#include <time.h>

#include "cli/options.h"
#include "cli/out.h"
#include "templates/manifest.h"
#include "templates/store.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "vm/kernel.h"

static void date(uint64_t seconds, char dst[32])
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(dst, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
		(void)str_fmt(dst, 32, "-");
}

int cmd_kernel_import(struct cli *c, const struct args *a, struct err *e)
{
	char name[KERNEL_NAME];
	struct json_out *j;
	int r = kernel_import(c->in.lib, a->words[0], a->n_words > 1 ? a->words[1] : NULL, name, e);

	if (r < 0)
		return r;
	if (!c->json) {
		if (!c->quiet)
			out_printf("%s\n", name);
		return 0;
	}
	j = json_new(true);
	json_object(j);
	json_kstr(j, "name", name);
	json_end(j);
	return out_json(j, e);
}

static void templates_json(struct json_out *j, const char *list)
{
	char name[KERNEL_NAME];

	json_key(j, "templates");
	json_array(j);
	while (str_word(&list, name, sizeof(name)) > 0)
		json_str(j, name);
	json_end(j);
}

static int list_json(const struct kernel *k, size_t n, struct err *e)
{
	struct json_out *j = json_new(n != 0);

	json_array(j);
	for (size_t i = 0; i < n; i++) {
		json_object(j);
		json_kstr(j, "name", k[i].name);
		json_kbool(j, "default", k[i].is_default);
		templates_json(j, k[i].templates);
		json_ku64(j, "size", k[i].size);
		json_ku64(j, "modules", k[i].modules);
		json_ku64(j, "imported", k[i].imported);
		json_end(j);
	}
	json_end(j);
	return out_json(j, e);
}

static void list_text(const struct kernel *k, size_t n)
{
	out_printf("%-32s %11s %8s %-20s %s\n", "NAME", "SIZE", "MODULES", "IMPORTED", "TEMPLATES");
	for (size_t i = 0; i < n; i++) {
		char name[KERNEL_NAME + 4], imported[32];

		date(k[i].imported, imported);
		(void)str_fmt(name, sizeof(name), "%s%s", k[i].name, k[i].is_default ? " *" : "");
		out_printf("%-32s %11llu %8llu %-20s %s\n", name, (unsigned long long)k[i].size,
			   (unsigned long long)k[i].modules, imported, *k[i].templates ? k[i].templates : "-");
	}
}

int cmd_kernel_list(struct cli *c, const struct args *a, struct err *e)
{
	_free_ struct kernel *list = NULL;
	size_t n = 0;
	int r = kernel_list(c->in.lib, &list, &n, e);

	(void)a;
	if (r < 0)
		return r;
	if (c->json)
		return list_json(list, n, e);
	list_text(list, n);
	return 0;
}

static int has_template(struct cli *c, const char *name, struct err *e)
{
	struct store s = STORE_INIT;
	struct template t;
	int r = store_open(c->in.lib, c->in.run, &s, e);

	if (!r && !manifest_channel_ok(name))
		r = err_set(e, EINVAL, VZ_BAD_VALUE, "kernel default: template \"%.80s\": want its name, which "
			    "leads to all of its versions", name);
	if (!r)
		r = store_find(&s, name, &t, e);
	store_close(&s);
	if (!r && t.disk)
		r = err_set(e, EINVAL, VZ_BAD_TEMPLATE, "kernel default: template %s is a disk, which has a kernel "
			    "of its own", name);
	return r;
}

/* "none" is no version that uname(1) says. */
int cmd_kernel_default(struct cli *c, const struct args *a, struct err *e)
{
	bool none = str_eq(a->words[0], "none");
	int r;

	if (!a->template && none)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "kernel default: none is for --template; the host has one");
	if (!a->template)
		return kernel_set_default(c->in.lib, a->words[0], e);
	/* A template that is gone can still be forgotten. */
	r = none ? 0 : has_template(c, a->template, e);
	return r < 0 ? r : kernel_set_of(c->in.lib, a->template, none ? NULL : a->words[0], e);
}

int cmd_kernel_remove(struct cli *c, const struct args *a, struct err *e)
{
	int r = 0;

	for (unsigned i = 0; !r && i < a->n_words; i++)
		r = kernel_remove(c->in.lib, a->words[i], e);
	return r;
}
