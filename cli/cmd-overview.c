/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `berth` alone: what is running, and what one would type next, for who has not read anything. */
#include "cli/cli.h"

#include <stdlib.h>

#include "cli/options.h"
#include "cli/out.h"
#include "templates/store.h"
#include "util/cleanup.h"
#include "ve/registry.h"

struct overview {
	size_t ves, running;
	uint32_t one;                   /* a VE to show things with: a running one if there is one */
	bool template;
};

static int look(struct cli *c, struct overview *ret, struct err *e)
{
	struct store st = STORE_INIT;
	_free_ struct template *t = NULL;
	_free_ uint32_t *ids = NULL;
	size_t i, n_templates = 0;
	struct ve_state state;
	int r = reg_list(&c->in, &ids, &ret->ves, e);

	for (i = 0; i < ret->ves && r >= 0; i++) {
		r = state_load(&c->in, ids[i], &state, NULL, e);
		if (!i || (r >= 0 && state.phase == PH_RUNNING && !ret->running))
			ret->one = ids[i];
		ret->running += r >= 0 && state.phase == PH_RUNNING;
	}
	if (r >= 0)
		r = store_open(c->in.lib, c->in.run, &st, e);
	if (r >= 0)
		r = store_list(&st, &t, &n_templates, e);
	store_close(&st);
	ret->template = n_templates != 0;
	return r;
}

static void next(const struct overview *o)
{
	if (!o->template)
		out_printf("A template comes first:\n"
			   "  berth template build mini         a small one, in seconds\n"
			   "  berth template build debian-12    a Debian server\n");
	else if (!o->ves)
		out_printf("Make a VE and start it:\n"
			   "  berth template list\n"
			   "  berth create 101 --ostemplate TEMPLATE --ram 512M --diskspace 4G\n"
			   "  berth start 101\n");
	else if (!o->running)
		out_printf("Next:\n"
			   "  berth list -a\n"
			   "  berth start %u\n", o->one);
	else
		out_printf("\nNext:\n"
			   "  berth enter %u        a shell inside\n"
			   "  berth stat %u         what it uses\n"
			   "  berth set %u --ram 1G --save\n", o->one, o->one, o->one);
	out_printf("  berth help\n");
}

int cmd_overview(struct cli *c, const struct args *a, struct err *e)
{
	struct overview o = { 0 };
	struct args none = { 0 };
	int r;

	(void)a;
	if (c->json)
		return cmd_list(c, &none, e);
	r = look(c, &o, e);
	if (r < 0)
		return r;
	out_printf("%zu VE%s, %zu running.\n", o.ves, o.ves == 1 ? "" : "s", o.running);
	if (o.running)
		r = cmd_list(c, &none, e);
	if (r >= 0)
		next(&o);
	return r;
}
