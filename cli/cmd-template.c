/* SPDX-License-Identifier: GPL-2.0-or-later */
/* template list, show, verify, tag, remove. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli/options.h"
#include "cli/out.h"
#include "cli/template.h"
#include "cli/xalloc.h"
#include "templates/scratch.h"
#include "templates/store.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/conf.h"
#include "ve/registry.h"
#include "ve/snapshot.h"
#include "ve/upgrade.h"

static void template_json(struct json_out *j, const struct template *t, bool current)
{
	json_object(j);
	json_kstr(j, "name", t->name);
	json_kstr(j, "digest", t->digest);
	json_kbool(j, "current", current);
	json_kstr(j, "arch", t->arch);
	json_kstr(j, "distribution", t->distribution);
	json_kstr(j, "init", t->init);
	json_kstr(j, "origin", *t->origin ? t->origin : NULL);
	json_ku64(j, "packages", t->packages);
	json_ku64(j, "size", t->size);
	json_ku64(j, "created", t->created);
	json_end(j);
}

static void date(uint64_t seconds, char dst[32])
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(dst, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
		(void)str_fmt(dst, 32, "-");
}

static void template_text(const struct template *t)
{
	char created[32];

	date(t->created, created);
	out_printf("name:         %s\ndigest:       %s\narch:         %s\ndistribution: ", t->name,
		   t->digest, t->arch);
	out_safe(t->distribution);
	out_printf("\ninit:         %s\norigin:       %s\npackages:     %llu\nsize:         %llu\n"
		   "created:      %s\n", t->init, *t->origin ? t->origin : "-",
		   (unsigned long long)t->packages, (unsigned long long)t->size, created);
}

/* Does the channel of its name point to this version? */
static bool is_current(const struct store *s, const struct template *t)
{
	struct err ignored = ERR_INIT;
	struct template now;

	/* A version whose channel has moved on, or is gone, is simply not current. */
	return store_find(s, t->name, &now, &ignored) >= 0 && str_eq(now.digest, t->digest);
}

int template_show(const struct cli *c, const struct store *s, const struct template *t,
		  struct err *e)
{
	struct json_out *j;

	if (!c->json) {
		template_text(t);
		return 0;
	}
	j = json_new(true);
	template_json(j, t, is_current(s, t));
	return out_json(j, e);
}

static int list_text(const struct store *s, const struct template *t, size_t n)
{
	char created[32];
	size_t i;

	out_printf("%-20s %-12s %-8s %-16s %-9s %11s %s\n", "NAME", "DIGEST", "ARCH",
		   "DISTRIBUTION", "INIT", "SIZE", "CREATED");
	for (i = 0; i < n; i++) {
		char name[72];

		date(t[i].created, created);
		(void)str_fmt(name, sizeof(name), "%s%s", t[i].name, is_current(s, &t[i]) ? " *" : "");
		out_printf("%-20s %.12s %-8s %-16s %-9s %11llu %s\n", name, t[i].digest,
			   t[i].arch, t[i].distribution, t[i].init,
			   (unsigned long long)t[i].size, created);
	}
	return 0;
}

static int list_json(const struct store *s, const struct template *t, size_t n, struct err *e)
{
	struct json_out *j = json_new(n != 0);
	size_t i;

	json_array(j);
	for (i = 0; i < n; i++)
		template_json(j, &t[i], is_current(s, &t[i]));
	json_end(j);
	return out_json(j, e);
}

static int list(struct cli *c, const struct args *a, const struct store *s, struct err *e)
{
	_free_ struct template *t = NULL;
	size_t n;
	int r = store_list(s, &t, &n, e);

	(void)a;
	if (r < 0)
		return r;
	return c->json ? list_json(s, t, n, e) : list_text(s, t, n);
}

static int show(struct cli *c, const struct args *a, const struct store *s, struct err *e)
{
	struct template t;
	int r = store_find(s, a->words[0], &t, e);

	return r < 0 ? r : template_show(c, s, &t, e);
}

static int verify(struct cli *c, const struct args *a, const struct store *s, struct err *e)
{
	struct template t;
	unsigned i;
	int r = 0;

	for (i = 0; i < a->n_words && r >= 0; i++) {
		r = store_find(s, a->words[i], &t, e);
		if (r >= 0)
			r = store_verify(s, t.digest, e);
		if (r >= 0 && !c->quiet && !c->json)
			out_printf("%s %.12s is intact\n", t.name, t.digest);
	}
	return r;
}

static int tag(struct cli *c, const struct args *a, const struct store *s, struct err *e)
{
	struct template t;
	int r = store_find(s, a->words[0], &t, e);

	(void)c;
	return r < 0 ? r : store_tag(s, t.digest, a->words[1], e);
}

/* The store does not know VEs: whoever was made from the version still needs it. */
static int check_unused(struct cli *c, const struct template *t, struct err *e)
{
	_free_ struct ve_conf *conf = xcalloc(1, sizeof(*conf));
	_free_ uint32_t *ids = NULL;
	size_t i, n = 0;
	int r = reg_list(&c->in, &ids, &n, e);

	for (i = 0; i < n && r >= 0; i++) {
		r = conf_load(&c->in, ids[i], conf, e);
		if (r >= 0 && str_eq(conf->template, t->digest))
			r = err_set(e, EBUSY, VZ_SYSTEM, "remove template %.12s: VE %u is on it",
				    t->digest, ids[i]);
		if (r >= 0 && ve_upgrade_needs(&c->in, ids[i], t->digest))
			r = err_set(e, EBUSY, VZ_SYSTEM,
				    "remove template %.12s: VE %u may go back to it (upgrade --confirm ends "
				    "that)", t->digest, ids[i]);
		if (r >= 0 && ve_snapshot_needs(&c->in, ids[i], t->digest))
			r = err_set(e, EBUSY, VZ_SYSTEM,
				    "remove template %.12s: a snapshot of VE %u is on it", t->digest,
				    ids[i]);
	}
	return r;
}

static int drop_one(struct cli *c, const char *name, const struct store *s, struct err *e)
{
	struct template t;
	int r = store_find(s, name, &t, e);

	/* A channel's name removes the channel only. */
	if (r >= 0 && str_starts(t.digest, name))
		r = check_unused(c, &t, e);
	return r < 0 ? r : store_remove(s, name, e);
}

static int drop(struct cli *c, const struct args *a, const struct store *s, struct err *e)
{
	unsigned i;
	int r = 0;

	for (i = 0; i < a->n_words && r >= 0; i++)
		r = drop_one(c, a->words[i], s, e);
	return r;
}

int template_with_store(struct cli *c, const struct args *a, template_work *work, struct err *e)
{
	struct store s = STORE_INIT;
	int r = store_open(c->in.lib, c->in.run, &s, e);

	if (r < 0)
		return r;
	scratch_sweep(s.dir);
	r = work(c, a, &s, e);
	store_close(&s);
	return r;
}

int cmd_template_list(struct cli *c, const struct args *a, struct err *e)
{
	return template_with_store(c, a, list, e);
}

int cmd_template_show(struct cli *c, const struct args *a, struct err *e)
{
	return template_with_store(c, a, show, e);
}

int cmd_template_verify(struct cli *c, const struct args *a, struct err *e)
{
	return template_with_store(c, a, verify, e);
}

int cmd_template_tag(struct cli *c, const struct args *a, struct err *e)
{
	return template_with_store(c, a, tag, e);
}

int cmd_template_remove(struct cli *c, const struct args *a, struct err *e)
{
	return template_with_store(c, a, drop, e);
}
