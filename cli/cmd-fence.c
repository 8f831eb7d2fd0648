/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fence create, list, set, delete. */
#include "cli/cli.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/ids.h"
#include "cli/options.h"
#include "cli/out.h"
#include "netns/door.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/fence.h"

/* Where the host itself finds what is forwarded: "" without forwards. */
static void door_text(const struct cli *c, const struct fence *f, char dst[INET_ADDRSTRLEN])
{
	struct door d;
	struct in_addr a;

	dst[0] = '\0';
	fence_door(&c->in, f, &d);
	a = door_addr(&d);
	if (f->n_forward)
		(void)inet_ntop(AF_INET, &a, dst, INET_ADDRSTRLEN);
}

struct listing {
	const struct cli *c;
	struct json_out *j;
};

static int list_json(void *arg, const struct fence *f)
{
	const struct listing *l = arg;
	char at[INET_ADDRSTRLEN];

	door_text(l->c, f, at);
	json_object(l->j);
	json_kstr(l->j, "name", f->name);
	json_kstr(l->j, "forward", *f->forwards ? f->forwards : NULL);
	json_kstr(l->j, "address", *at ? at : NULL);
	json_key(l->j, "ves");
	json_array(l->j);
	for (unsigned i = 0; i < f->n_ves; i++) {
		json_object(l->j);
		json_ku64(l->j, "original", f->ve[i].from);
		json_ku64(l->j, "copy", f->ve[i].copy);
		json_end(l->j);
	}
	json_end(l->j);
	json_end(l->j);
	return 0;
}

static int list_text(void *arg, const struct fence *f)
{
	const struct listing *l = arg;
	char at[INET_ADDRSTRLEN];

	door_text(l->c, f, at);
	out_printf("%-20s %-15s ", f->name, *at ? at : "-");
	out_safe(*f->forwards ? f->forwards : "-");
	for (unsigned i = 0; i < f->n_ves; i++)
		out_printf(" %u>%u", f->ve[i].from, f->ve[i].copy);
	out_printf("\n");
	return 0;
}

int cmd_fence_list(struct cli *c, const struct args *a, struct err *e)
{
	struct listing l = { .c = c };
	int r;

	(void)a;
	if (!c->json) {
		out_printf("%-20s %-15s %s\n", "NAME", "ADDRESS", "FORWARD VES");
		return fence_each(&c->in, list_text, &l, e);
	}
	l.j = json_new(true);
	json_array(l.j);
	r = fence_each(&c->in, list_json, &l, e);
	json_end(l.j);
	return out_result(l.j, r, e);
}

static int show(struct cli *c, const char *name, struct err *e)
{
	struct listing l = { .c = c };
	struct fence f;
	int r = fence_load(&c->in, name, &f, e);

	if (r < 0 || !c->json)
		return r;
	l.j = json_new(true);
	(void)list_json(&l, &f);
	return out_json(l.j, e);
}

static void copied(void *arg, uint64_t done, uint64_t all)
{
	char line[80];

	(void)str_fmt(line, sizeof(line), "copied %llu of %llu MiB",
		      (unsigned long long)(done >> 20), (unsigned long long)(all >> 20));
	progress_line(arg, line);
}

static int start_all(struct cli *c, const char *name, struct err *e)
{
	struct start_opts plain = { .wait_ms = 0 };
	struct fence f;
	int r = fence_load(&c->in, name, &f, e);

	for (unsigned i = 0; r == 0 && i < f.n_ves; i++)
		r = ve_start(&c->in, f.ve[i].copy, &plain, e);
	return r;
}

static int create(struct cli *c, const struct args *a, const struct args *ves, struct err *e)
{
	struct progress p;
	struct fence_opts o = {
		.ids = ves->ids, .n_ids = ves->n_ids, .first = (uint32_t)a->first,
		.forwards = a->network.text[NR_FORWARD],
		.clone = { .live = a->live, .freeze_ms = (int)a->freeze_ms, .progress = copied, .arg = &p },
	};
	int r;

	progress_init(&p, c);
	r = fence_create(&c->in, a->words[0], &o, e);
	progress_done(&p);
	if (r == 0 && a->start)
		r = start_all(c, a->words[0], e);
	return r;
}

int cmd_fence_create(struct cli *c, const struct args *a, struct err *e)
{
	struct args ves = { .n_ids = 0 };
	int r = 0;

	for (unsigned i = 1; r == 0 && i < a->n_words; i++)
		r = ids_add(c, &ves, a->words[i], e);
	if (r == 0)
		r = create(c, a, &ves, e);
	args_done(&ves);
	return r < 0 ? r : show(c, a->words[0], e);
}

int cmd_fence_set(struct cli *c, const struct args *a, struct err *e)
{
	int r;

	if (!a->network.text[NR_FORWARD])
		return err_set(e, EINVAL, VZ_FEW_PARAMS, "fence set: nothing to set");
	r = fence_set(&c->in, a->words[0], a->network.text[NR_FORWARD], e);
	return r < 0 ? r : show(c, a->words[0], e);
}

int cmd_fence_delete(struct cli *c, const struct args *a, struct err *e)
{
	char question[80];

	(void)str_fmt(question, sizeof(question), "Destroy all VEs of fence %.31s with all their data?",
		      a->words[0]);
	if (!a->yes && isatty(STDIN_FILENO) && !out_confirmed(question))
		return err_set(e, ECANCELED, VZ_SYSTEM, "fence delete: not confirmed, nothing done");
	return fence_delete(&c->in, a->words[0], e);
}
