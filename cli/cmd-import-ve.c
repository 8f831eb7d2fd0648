/* SPDX-License-Identifier: GPL-2.0-or-later */
/* import: VEs of other tools. What becomes of every key is shown first, then the VE is made. */
#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/ids.h"
#include "cli/options.h"
#include "cli/out.h"
#include "cli/xalloc.h"
#include "templates/unpack.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/adopt.h"
#include "ve/foreign.h"

static const char *const fates[_FATE_MAX] = { [FATE_MAPS] = "maps", [FATE_CHANGES] = "changes",
					      [FATE_LOST] = "lost" };

/* ---- the report ---- */

static void column(const char *text, int width)
{
	int n = 0;

	for (const char *p = text; *p; p++)
		n += (*p & 0xc0) != 0x80;       /* characters, not bytes of UTF-8 */
	out_safe(text);
	out_printf("%*s", n < width ? width - n : 0, "");
}

static void tell_note(const struct foreign_note *n)
{
	column(fates[n->fate], 9);
	column(n->key, 24);
	out_printf(" ");
	column(n->was, 24);
	if (*n->now)
		out_printf(" -> ");
	out_safe(n->now);
	if (*n->why) {
		out_printf(" (");
		out_safe(n->why);
		out_printf(")");
	}
	out_printf("\n");
}

static void tell(const struct adopt *a)
{
	size_t sum[_FATE_MAX] = { 0 };

	out_safe(a->o->source);
	out_printf(": %s", a->format);
	if (a->root.kind == UNPACK_TAR && a->root.prefix) {
		out_printf(", root ");
		out_safe(a->root.prefix);
	}
	if (a->root.shift)
		out_printf(", ids from %u on", a->root.shift);
	out_printf("; becomes CT %u\n", a->id);
	for (int fate = 0; fate < _FATE_MAX; fate++)
		for (size_t i = 0; i < a->from.n_notes; i++)
			if ((int)a->from.note[i].fate == fate) {
				tell_note(&a->from.note[i]);
				sum[fate]++;
			}
	out_printf("%zu map, %zu change, %zu are lost.\n", sum[FATE_MAPS], sum[FATE_CHANGES],
		   sum[FATE_LOST]);
	out_flush();
}

static int tell_json(const struct adopt *a, bool made, struct err *e)
{
	struct json_out *j = json_new(true);

	json_object(j);
	json_ku64(j, "ctid", a->id);
	json_kbool(j, "made", made);
	json_kstr(j, "source", a->o->source);
	json_kstr(j, "format", a->format);
	json_kstr(j, "root", a->root.prefix ? a->root.prefix : "");
	json_ku64(j, "first_id", a->root.shift);
	json_kstr(j, "template", a->t.digest);
	json_key(j, "keys");
	json_array(j);
	for (size_t i = 0; i < a->from.n_notes; i++) {
		const struct foreign_note *n = &a->from.note[i];

		json_object(j);
		json_kstr(j, "fate", fates[n->fate]);
		json_kstr(j, "key", n->key);
		json_kstr(j, "was", n->was);
		json_kstr(j, "now", n->now);
		json_kstr(j, "why", n->why);
		json_end(j);
	}
	json_end(j);
	json_end(j);
	return out_json(j, e);
}

/* ---- the verb ---- */

static int check_args(const struct args *a, struct err *e)
{
	static const char *const formats[] = { "openvz", "vzdump", "lxc", "incus", "pct" };
	bool known = !a->format;

	for (size_t i = 0; i < ARRAY_SIZE(formats) && a->format; i++)
		known |= str_eq(a->format, formats[i]);
	if (!known)
		return err_set(e, EINVAL, VZ_BAD_VALUE,
			       "--format: \"%.40s\" is none of openvz, vzdump, lxc, incus and pct", a->format);
	if (*a->change.to.ostemplate)
		return err_set(e, EINVAL, VZ_BAD_OPTION,
			       "import: --ostemplate: the VE gets the root that is imported");
	return 0;
}

static int take_number(const struct args *a, uint32_t *ret, struct err *e)
{
	struct args one = { .n_ids = 0 };
	int r = a->n_words > 1 ? ids_new(&one, a->words[1], e) : 0;

	if (!r && one.n_ids)
		*ret = one.ids[0];
	args_done(&one);
	return r;
}

static int make(struct cli *c, const struct args *a, struct adopt *ad, struct progress *p,
		struct err *e)
{
	int r;

	if (!a->yes && !(isatty(STDIN_FILENO) && out_confirmed("Import it?")))
		return err_set(e, ECANCELED, VZ_SYSTEM,
			       "import: not confirmed, nothing done; --yes does it");
	r = adopt_make(ad, e);
	progress_done(p);
	return r < 0 || !c->json ? r : tell_json(ad, true, e);
}

static int run(struct cli *c, const struct args *a, struct adopt *ad, struct err *e)
{
	struct adopt_opts o = { .source = a->words[0], .config = a->foreign, .format = a->format,
				.max_size = a->max_size, .change = &a->change,
				.progress = progress_line };
	struct progress p;
	int r = take_number(a, &o.id, e);

	if (r < 0)
		return r;
	progress_init(&p, c);
	o.arg = &p;
	r = adopt_read(ad, &c->in, &o, e);
	progress_done(&p);
	if (r < 0)
		return r;
	if (!c->json && (a->plan || !c->quiet))
		tell(ad);
	r = adopt_check(ad, e);
	if (r < 0)
		return r;
	if (a->plan)
		return c->json ? tell_json(ad, false, e) : 0;
	progress_init(&p, c);
	return make(c, a, ad, &p, e);
}

int cmd_import_ve(struct cli *c, const struct args *a, struct err *e)
{
	struct adopt *ad = xcalloc(1, sizeof(*ad));
	int r = check_args(a, e);

	*ad = (struct adopt)ADOPT_INIT;
	if (!r)
		r = run(c, a, ad, e);
	adopt_done(ad);
	free(ad);
	return r;
}
