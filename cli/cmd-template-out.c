/* SPDX-License-Identifier: GPL-2.0-or-later */
/* template remove, gc, export, sign. */
#include "cli/cli.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>

#include "cli/options.h"
#include "cli/out.h"
#include "cli/template-use.h"
#include "cli/template.h"
#include "templates/channel.h"
#include "templates/sign.h"
#include "templates/store.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"

/* The store does not know VEs: whoever was made from the version still needs it. *ret_id 0: nobody. */
static int find_user(struct cli *c, const struct template *t, uint32_t *ret_id, const char **ret_how,
		     struct err *e)
{
	struct template_uses u = { .n = 0 };
	int r = template_uses_load(c, &u, e);

	if (r < 0)
		return r;
	*ret_id = template_uses_who(c, &u, t->digest, ret_how);
	template_uses_free(&u);
	return 0;
}

static int drop_version(struct cli *c, const struct template *t, const struct store *s,
			struct err *e)
{
	const char *how = "";
	_fd_ int claim = -1;
	uint32_t id = 0;
	int r = store_claim(s, t->digest, &claim, e);

	if (!r)
		r = find_user(c, t, &id, &how, e);
	if (!r && id)
		r = err_set(e, EBUSY, VZ_SYSTEM, "remove template %.12s: VE %u %s", t->digest, id, how);
	return r < 0 ? r : store_remove(s, t->digest, e);
}

static int drop_one(struct cli *c, const char *name, const struct store *s, struct err *e)
{
	struct template t;
	int r = store_find(s, name, &t, e);

	if (r < 0)
		return r;
	/* A channel's name removes the channel only. */
	return str_starts(t.digest, name) ? drop_version(c, &t, s, e) : store_remove(s, name, e);
}

static int drop(struct cli *c, const struct args *a, const struct store *s, struct err *e)
{
	unsigned i;
	int r = 0;

	for (i = 0; i < a->n_words && r >= 0; i++)
		r = drop_one(c, a->words[i], s, e);
	return r;
}

/* ---- gc ---- */

/* A channel points to it, or did within its last `keep` moves: a way back. */
static int is_wanted(const struct store *s, const char *digest, uint64_t keep, bool *ret,
		     struct err *e)
{
	_dir_ DIR *d = NULL;
	_free_ struct channel *ch = malloc(sizeof(*ch));
	int fd = openat(s->channels, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[64];
	int r = 0;

	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d || !ch) {
		if (!d)
			cleanup_fd(&fd);
		return err_sys(e, "read channels");
	}
	*ret = false;
	while (!r && !*ret && channel_next(d, name)) {
		r = channel_load(s, name, ch, e);
		for (size_t i = 0; !r && i < ch->n && i <= keep; i++)
			*ret |= str_eq(ch->steps[i].digest, digest);
	}
	return r;
}

static void gone(const struct cli *c, const struct args *a, const struct template *t,
		 struct json_out *j)
{
	if (c->json) {
		json_object(j);
		json_kstr(j, "name", t->name);
		json_kstr(j, "digest", t->digest);
		json_ku64(j, "size", t->size);
		json_kbool(j, "removed", !a->dry_run);
		json_end(j);
	} else if (!c->quiet) {
		out_printf("%s %s %.12s, %llu bytes\n", a->dry_run ? "Would remove" : "Removed", t->name,
			   t->digest, (unsigned long long)t->size);
	}
}

static int gc_one(struct cli *c, const struct args *a, const struct store *s,
		  const struct template *t, bool *ret_gone, struct err *e)
{
	_fd_ int claim = -1;
	bool wanted = false;
	uint32_t id = 0;
	const char *how;
	int r = store_claim(s, t->digest, &claim, e);

	*ret_gone = false;
	if (r == -EBUSY) {
		err_clear(e);           /* about to be needed */
		return 0;
	}
	if (!r)
		r = is_wanted(s, t->digest, a->keep, &wanted, e);
	if (r < 0 || wanted || store_is_mounted(s, t->digest))
		return r;
	r = find_user(c, t, &id, &how, e);
	if (r < 0 || id)
		return r;
	*ret_gone = true;
	if (a->dry_run)
		return 0;
	return t->left ? store_remove_left(s, t->digest, e) : store_remove(s, t->digest, e);
}

typedef int list_fn(const struct store *s, struct template **ret, size_t *ret_n, struct err *e);

static int gc_all(struct cli *c, const struct args *a, const struct store *s, struct json_out *j,
		  struct err *e)
{
	static list_fn *const lists[] = { store_list, store_list_left };
	int r = 0;

	for (size_t k = 0; k < ARRAY_SIZE(lists) && !r; k++) {
		_free_ struct template *t = NULL;
		bool is_gone = false;
		size_t n = 0;

		r = lists[k](s, &t, &n, e);
		for (size_t i = 0; i < n && !r; i++) {
			r = gc_one(c, a, s, &t[i], &is_gone, e);
			if (!r && is_gone)
				gone(c, a, &t[i], j);
		}
	}
	return r;
}

static int gc(struct cli *c, const struct args *a, const struct store *s, struct err *e)
{
	struct json_out *j = c->json ? json_new(true) : NULL;
	int r;

	if (j)
		json_array(j);
	r = gc_all(c, a, s, j, e);
	if (!j)
		return r;
	json_end(j);
	return out_result(j, r, e);
}

/* ---- export ---- */

static int export(struct cli *c, const struct args *a, const struct store *s, struct err *e)
{
	struct template t;
	int r;

	if (str_has_control(a->words[1]))
		return err_set(e, EINVAL, VZ_BAD_VALUE, "export: the path has control characters");
	r = store_find(s, a->words[0], &t, e);
	if (!r)
		r = store_export(s, t.digest, a->words[1], e);
	if (r < 0)
		return r;
	if (c->json)
		return template_show(c, s, &t, e);
	if (!c->quiet)
		out_printf("%s has %s %.12s\n", a->words[1], t.name, t.digest);
	return 0;
}

/* ---- sign ---- */

int template_keys(const struct cli *c)
{
	return openat(c->in.etc, "trusted.d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int sign_version(struct cli *c, const struct args *a, const struct store *s,
			const struct template *t, struct err *e)
{
	_free_ const char *program = NULL;
	_free_ char *text = NULL;
	struct sign_policy p = { .keys = -1 };
	char comment[200], file[80];
	_fd_ int image = -1;
	int r = inst_program(&c->in, "berth-sign", &program, e);

	p.program = program;
	store_name(t, file);
	(void)str_fmt(comment, sizeof(comment), "timestamp:%llu\tfile:%s\tname:%s",
		      (unsigned long long)time(NULL), file, t->name);
	if (!r)
		r = store_verify(s, t->digest, e);
	if (r < 0)
		return r;
	image = openat(s->dir, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (image < 0)
		return err_sys(e, "open %s", file);
	r = sign_make(&p, image, a->key, comment, &text, e);
	(void)str_fmt(file, sizeof(file), "%.64s.minisig", t->digest);
	return r < 0 ? r : fs_save_at(s->dir, file, text, 0644, e);
}

static int sign(struct cli *c, const struct args *a, const struct store *s, struct err *e)
{
	struct template t;
	int r;

	if (!a->key)
		return err_set(e, EINVAL, VZ_FEW_PARAMS, "sign: --key names the secret key");
	r = store_find(s, a->words[0], &t, e);
	if (!r)
		r = sign_version(c, a, s, &t, e);
	if (r < 0)
		return r;
	if (c->json)
		return template_show(c, s, &t, e);
	if (!c->quiet)
		out_printf("%s %.12s is signed\n", t.name, t.digest);
	return 0;
}

int cmd_template_sign(struct cli *c, const struct args *a, struct err *e)
{
	return template_with_store(c, a, sign, e);
}

int cmd_template_remove(struct cli *c, const struct args *a, struct err *e)
{
	return template_with_store(c, a, drop, e);
}

int cmd_template_gc(struct cli *c, const struct args *a, struct err *e)
{
	return template_with_store(c, a, gc, e);
}

int cmd_template_export(struct cli *c, const struct args *a, struct err *e)
{
	return template_with_store(c, a, export, e);
}
