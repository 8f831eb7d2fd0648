/* SPDX-License-Identifier: GPL-2.0-or-later */
/* network create, list, show, ptr, set, delete. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>

#include "cli/options.h"
#include "cli/out.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/ptr.h"

static void network_json(const struct cli *c, struct json_out *j, const struct network *n)
{
	char number[16];

	json_object(j);
	json_kstr(j, "name", n->name);
	for (unsigned i = 0; i < NR_COUNT; i++) {
		const char *text = *n->text[i] ? n->text[i] : NULL;

		(void)str_fmt(number, sizeof(number), "%u", n->number);
		if (i == NR_MODE)
			text = network_mode_word(n->mode);
		else if (i == NR_BRIDGE && n->own_bridge)
			text = n->bridge;
		else if (i == NR_PROBE)
			text = n->probe ? "yes" : "no";
		else if (i == NR_HOST_SERVICES)
			text = network_services(&c->in, n);
		else if (i == NR_NUMBER)
			text = number;
		json_kstr(j, net_rows[i].json, text);
	}
	json_end(j);
}

struct listing {
	const struct cli *c;
	struct json_out *j;
};

static int list_json(void *arg, const struct network *n)
{
	const struct listing *l = arg;

	network_json(l->c, l->j, n);
	return 0;
}

static int list_text(void *arg, const struct network *n)
{
	(void)arg;
	out_printf("%-20s %-9s %-15s ", n->name, network_mode_word(n->mode),
		   *n->bridge ? n->bridge : "-");
	out_safe(*n->text[NR_POOL] ? n->text[NR_POOL] : "-");
	out_printf("\n");
	return 0;
}

int cmd_network_list(struct cli *c, const struct args *a, struct err *e)
{
	struct listing l = { c, NULL };
	int r;

	(void)a;
	if (!c->json) {
		out_printf("%-20s %-9s %-15s %s\n", "NAME", "MODE", "BRIDGE", "POOL");
		return network_each(&c->in, list_text, NULL, e);
	}
	l.j = json_new(true);
	json_array(l.j);
	r = network_each(&c->in, list_json, &l, e);
	json_end(l.j);
	return out_result(l.j, r, e);
}

static int show(struct cli *c, const char *name, struct err *e)
{
	struct json_out *j;
	struct network n;
	int r = network_load(&c->in, name, &n, e);

	if (r < 0)
		return r;
	if (c->json) {
		j = json_new(true);
		network_json(c, j, &n);
		return out_json(j, e);
	}
	out_printf("%-13s %s\n%-13s %s\n", "name", n.name, "mode", network_mode_word(n.mode));
	if (*n.bridge)
		out_printf("%-13s %s\n", "bridge", n.bridge);
	for (unsigned i = NR_UPLINK; i < NR_NUMBER; i++) {
		const char *text = i == NR_HOST_SERVICES ? network_services(&c->in, &n) : n.text[i];

		if (!*text)
			continue;
		out_printf("%-13s ", net_rows[i].json);
		out_safe(text);
		out_printf("\n");
	}
	return 0;
}

int cmd_network_show(struct cli *c, const struct args *a, struct err *e)
{
	return show(c, a->words[0], e);
}

static int done(struct cli *c, const char *name, int r, struct err *e)
{
	return r < 0 || !c->json ? r : show(c, name, e);
}

int cmd_network_create(struct cli *c, const struct args *a, struct err *e)
{
	return done(c, a->words[0], network_create(&c->in, a->words[0], &a->network, e), e);
}

int cmd_network_set(struct cli *c, const struct args *a, struct err *e)
{
	unsigned i = 0;

	while (i < NR_COUNT && !a->network.text[i])
		i++;
	if (i == NR_COUNT)
		return err_set(e, EINVAL, VZ_FEW_PARAMS, "network set: nothing to set");
	return done(c, a->words[0], network_set(&c->in, a->words[0], &a->network, e), e);
}

static int ptr_json(void *arg, const struct ptr_record *p)
{
	struct json_out *j = arg;

	json_object(j);
	json_ku64(j, "ctid", p->veid);
	json_kstr(j, "ip", p->address);
	json_kstr(j, "ptr", p->name);
	json_kstr(j, "hostname", *p->host ? p->host : NULL);
	json_end(j);
	return 0;
}

/* Printed when all of it is known: half a zone is worse than none. */
static int ptr_text(void *arg, const struct ptr_record *p)
{
	FILE *f = arg;

	if (*p->host)
		(void)fprintf(f, "%s PTR %s.\n", p->name, p->host);
	else
		(void)fprintf(f, "; %s VE %u has no full host name\n", p->name, p->veid);
	return 0;
}

int cmd_network_ptr(struct cli *c, const struct args *a, struct err *e)
{
	const char *network = a->n_words ? a->words[0] : "";
	_free_ char *text = NULL;
	struct json_out *j;
	size_t len;
	FILE *f;
	int r;

	if (c->json) {
		j = json_new(true);
		json_array(j);
		r = ptr_each(&c->in, network, ptr_json, j, e);
		json_end(j);
		return out_result(j, r, e);
	}
	f = open_memstream(&text, &len);
	if (!f)
		return err_set(e, ENOMEM, 0, "network ptr: out of memory");
	r = ptr_each(&c->in, network, ptr_text, f, e);
	if (fclose(f) != 0 && r == 0)
		return err_set(e, ENOMEM, 0, "network ptr: out of memory");
	if (r == 0)
		out_printf("%s", text);
	return r;
}

int cmd_network_delete(struct cli *c, const struct args *a, struct err *e)
{
	return network_delete(&c->in, a->words[0], e);
}
