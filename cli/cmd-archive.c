/* SPDX-License-Identifier: GPL-2.0-or-later */
/* archive create, list, restore, delete. */
#include "cli/cli.h"

#include <stdlib.h>
#include <time.h>

#include "cli/ids.h"
#include "cli/out.h"
#include "cli/receive.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "ve/archive.h"

static int archive_one(struct cli *c, const struct args *a, uint32_t id, struct err *e)
{
	struct send_opts o = { .progress = NULL };
	char name[ARCHIVE_NAME_LEN];
	int r;

	(void)a;
	r = ve_archive(&c->in, id, &o, NULL, name, e);
	if (r >= 0)
		inst_say(&c->in, "CT %u is in %s/var/lib/berth/archive/%s", id, c->in.root, name);
	return r;
}

int cmd_archive_create(struct cli *c, const struct args *a, struct err *e)
{
	return ids_each(c, a, archive_one, e);
}

static void print_line(const struct archive *x)
{
	time_t when = (time_t)x->when;
	char text[20] = "-";
	struct tm tm;

	if (localtime_r(&when, &tm))
		(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm);
	out_printf("%10u %-16s %8llu %.12s ", x->id, text, (unsigned long long)(x->bytes >> 20),
		   x->conf.template);
	out_safe(*x->conf.name ? x->conf.name : "-");
	out_printf(" %s\n", x->name);
}

static void print_json(struct json_out *j, const struct archive *x)
{
	json_object(j);
	json_ku64(j, "ctid", x->id);
	json_kstr(j, "name", *x->conf.name ? x->conf.name : NULL);
	json_kstr(j, "owner", *x->conf.owner ? x->conf.owner : NULL);
	json_ku64(j, "time", x->when);
	json_ku64(j, "size", x->bytes);
	json_kstr(j, "template", x->conf.template);
	json_kstr(j, "file", x->name);
	json_end(j);
}

int cmd_archive_list(struct cli *c, const struct args *a, struct err *e)
{
	struct json_out *j = c->json ? json_new(true) : NULL;
	_free_ struct archive *list = NULL;
	size_t n = 0, i;
	int r = archive_list(&c->in, &list, &n, e);

	(void)a;
	if (j)
		json_array(j);
	else if (r >= 0 && n)
		out_printf("%10s %-16s %8s %-12s NAME FILE\n", "CTID", "SINCE", "MIB", "TEMPLATE");
	for (i = 0; i < n && r >= 0; i++) {
		if (j)
			print_json(j, &list[i]);
		else
			print_line(&list[i]);
	}
	if (!j)
		return r;
	json_end(j);
	return r < 0 ? r : out_json(j, e);
}

/* The VE is whole when its archive goes. */
int cmd_archive_restore(struct cli *c, const struct args *a, struct err *e)
{
	static const struct receive_opts own = { .own = true };
	char name[ARCHIVE_NAME_LEN];
	uint32_t id = 0;
	_fd_ int fd = -1;
	int r = archive_open(&c->in, a->words[0], name, &fd, e);

	if (r >= 0)
		r = receive_from(c, a, &own, fd, &id, e);
	return r < 0 ? r : archive_remove(&c->in, name, e);
}

int cmd_archive_delete(struct cli *c, const struct args *a, struct err *e)
{
	char name[ARCHIVE_NAME_LEN];
	_fd_ int fd = -1;
	int r;

	if (!a->yes)
		return err_set(e, EPERM, VZ_BAD_OPTION, "archive delete: there is no way back; add --yes");
	r = archive_open(&c->in, a->words[0], name, &fd, e);
	return r < 0 ? r : archive_remove(&c->in, name, e);
}
