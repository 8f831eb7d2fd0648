/* SPDX-License-Identifier: GPL-2.0-or-later */
/* template list, show, verify, tag. */
#include "cli/cli.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli/options.h"
#include "cli/out.h"
#include "cli/template-use.h"
#include "cli/template.h"
#include "cli/xalloc.h"
#include "templates/channel.h"
#include "templates/manifest.h"
#include "templates/scratch.h"
#include "templates/store.h"
#include "util/cleanup.h"
#include "util/str.h"
#include "vm/kernel.h"

/* Does the channel of its name point to this version? */
static bool is_current(const struct store *s, const struct template *t)
{
	struct err ignored = ERR_INIT;
	struct template now;

	/* A version whose channel has moved on, or is gone, is simply not current. */
	return store_find(s, t->name, &now, &ignored) >= 0 && str_eq(now.digest, t->digest);
}

/* Channels that point to the version now. */
static int channels_json(struct json_out *j, const struct store *s, const char *digest,
			 struct err *e)
{
	_free_ struct channel *ch = xcalloc(1, sizeof(*ch));
	int fd = openat(s->channels, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	char name[64];

	if (!d) {
		cleanup_fd(&fd);
		return err_sys(e, "read channels");
	}
	json_key(j, "channels");
	json_array(j);
	while (channel_next(d, name)) {
		struct err ignored = ERR_INIT;  /* one that cannot be read points nowhere */

		if (channel_load(s, name, ch, &ignored) == 0 && str_eq(ch->steps[0].digest, digest))
			json_str(j, name);
	}
	json_end(j);
	return 0;
}

static int template_json(struct json_out *j, const struct store *s, const struct template_uses *u,
			 const struct template *t, struct err *e)
{
	json_kstr(j, "name", t->name);
	json_kstr(j, "digest", t->digest);
	json_kbool(j, "current", is_current(s, t));
	json_kstr(j, "arch", t->arch);
	json_kstr(j, "distribution", t->distribution);
	json_kstr(j, "init", t->init);
	json_kstr(j, "content", t->disk ? "disk" : "root");
	json_kstr(j, "origin", *t->origin ? t->origin : NULL);
	json_kstr(j, "signer", *t->signer ? t->signer : NULL);
	json_ku64(j, "packages", t->packages);
	json_ku64(j, "size", t->size);
	json_ku64(j, "created", t->created);
	json_ku64(j, "ves", template_uses_count(u, t->digest));
	return channels_json(j, s, t->digest, e);
}

static void date(uint64_t seconds, char dst[32])
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(dst, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
		(void)str_fmt(dst, 32, "-");
}

/* What its VMs start with that name no kernel, unless it is the host's default. */
static void kernel_json(struct cli *c, struct json_out *j, const char *name)
{
	char kernel[KERNEL_NAME];

	kernel_of(c->in.lib, name, kernel);
	json_kstr(j, "kernel", *kernel ? kernel : NULL);
}

static void kernel_text(struct cli *c, const char *name)
{
	char kernel[KERNEL_NAME];

	kernel_of(c->in.lib, name, kernel);
	out_printf("kernel:       %s\n", *kernel ? kernel : "-");
}

static void template_text(const struct template *t, size_t ves)
{
	char created[32];

	date(t->created, created);
	out_printf("name:         %s\ndigest:       %s\narch:         %s\ndistribution: ", t->name,
		   t->digest, t->arch);
	out_safe(t->distribution);
	out_printf("\ninit:         %s\ncontent:      %s\norigin:       %s\nsigner:       %s\npackages:     %llu\nsize:         %llu\n"
		   "created:      %s\nves:          %zu\n", t->init, t->disk ? "disk" : "root", *t->origin ? t->origin : "-",
		   *t->signer ? t->signer : "-", (unsigned long long)t->packages, (unsigned long long)t->size, created, ves);
}

/* Where the channel has pointed to, newest first. */
static void history_text(const struct channel *ch)
{
	char since[32];

	for (size_t i = 0; i < ch->n; i++) {
		date(ch->steps[i].since, since);
		out_printf("%s %.12s since %s\n", i ? "             " : "history:     ",
			   ch->steps[i].digest, ch->steps[i].since ? since : "-");
	}
}

static void history_json(struct json_out *j, const struct channel *ch)
{
	json_key(j, "history");
	json_array(j);
	for (size_t i = 0; i < ch->n; i++) {
		json_object(j);
		json_kstr(j, "digest", ch->steps[i].digest);
		json_ku64(j, "since", ch->steps[i].since);
		json_end(j);
	}
	json_end(j);
}

static int show_all(struct cli *c, const struct store *s, const struct template *t,
		    const struct channel *ch, struct err *e)
{
	const char *name = ch ? ch->name : t->name;
	struct template_uses u = { .n = 0 };
	struct json_out *j = NULL;
	int r = template_uses_load(c, &u, e);

	if (r < 0)
		return r;
	if (c->json) {
		j = json_new(true);
		json_object(j);
		r = template_json(j, s, &u, t, e);
		kernel_json(c, j, name);
		if (ch)
			history_json(j, ch);
		json_end(j);
	} else {
		template_text(t, template_uses_count(&u, t->digest));
		kernel_text(c, name);
		if (ch)
			history_text(ch);
	}
	template_uses_free(&u);
	return out_result(j, r, e);
}

int template_show(struct cli *c, const struct store *s, const struct template *t, struct err *e)
{
	return show_all(c, s, t, NULL, e);
}

static void list_text(const struct store *s, const struct template_uses *u,
		      const struct template *t, size_t n)
{
	char created[32];

	out_printf("%-20s %-12s %-8s %-16s %-9s %11s %5s %s\n", "NAME", "DIGEST", "ARCH",
		   "DISTRIBUTION", "INIT", "SIZE", "VES", "CREATED");
	for (size_t i = 0; i < n; i++) {
		char name[72];

		date(t[i].created, created);
		(void)str_fmt(name, sizeof(name), "%s%s", t[i].name, is_current(s, &t[i]) ? " *" : "");
		out_printf("%-20s %.12s %-8s %-16s %-9s %11llu %5zu %s\n", name, t[i].digest,
			   t[i].arch, t[i].distribution, t[i].init, (unsigned long long)t[i].size,
			   template_uses_count(u, t[i].digest), created);
	}
}

struct listing {
	const struct store *s;
	const struct template_uses *u;
	const struct template *t;
	size_t n;
};

static int list_json(struct cli *c, const struct listing *l, struct err *e)
{
	struct json_out *j = json_new(l->n != 0);
	int r = 0;

	json_array(j);
	for (size_t i = 0; i < l->n && !r; i++) {
		json_object(j);
		r = template_json(j, l->s, l->u, &l->t[i], e);
		kernel_json(c, j, l->t[i].name);
		json_end(j);
	}
	json_end(j);
	return out_result(j, r, e);
}

static int list(struct cli *c, const struct args *a, const struct store *s, struct err *e)
{
	struct template_uses u = { .n = 0 };
	_free_ struct template *t = NULL;
	size_t n;
	int r = store_list(s, &t, &n, e);

	(void)a;
	if (!r)
		r = template_uses_load(c, &u, e);
	if (r < 0)
		return r;
	if (c->json)
		r = list_json(c, &(struct listing){ s, &u, t, n }, e);
	else
		list_text(s, &u, t, n);
	template_uses_free(&u);
	return r;
}

static int show(struct cli *c, const struct args *a, const struct store *s, struct err *e)
{
	_free_ struct channel *ch = xcalloc(1, sizeof(*ch));
	struct err ignored = ERR_INIT;
	struct template t;
	int r = store_find(s, a->words[0], &t, e);

	if (r < 0)
		return r;
	/* A digest is no channel. */
	if (!manifest_channel_ok(a->words[0]) || channel_load(s, a->words[0], ch, &ignored) < 0)
		return show_all(c, s, &t, NULL, e);
	return show_all(c, s, &t, ch, e);
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
