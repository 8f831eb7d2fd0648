/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a running VE uses, by every account there is of it. Nothing here can fail: a VE may
 * end while it is looked at, and what cannot be told is marked as unknown.
 */
#include <string.h>

#include "ve/ve.h"
#include "util/str.h"

static void read_net(const struct inst *in, uint32_t id, struct ve_usage *u)
{
	struct ve_link_use *l = &u->net[0];
	char host_name[IFNAMSIZ];

	net_host_name(host_name, in->link_tag, id, 0);
	if (net_read_counters(host_name, &l->counters) < 0)
		return;
	(void)str_fmt(l->name, sizeof(l->name), "eth0");
	u->n_net = 1;
}

void ve_read_usage(const struct inst *in, uint32_t id, const struct ve_state *state,
		   struct ve_usage *ret)
{
	struct err ignored = ERR_INIT;
	char name[CG_PLACE_LEN];

	*ret = (struct ve_usage){ .n_net = 0 };
	ve_place(state, id, name);
	if (cg_read_stat(&in->cg, name, &ret->cg, &ignored) < 0)
		memset(&ret->cg, 0xff, sizeof(ret->cg));
	for (unsigned i = 0; i < CG_PRESSURES; i++)
		ret->has_pressure[i] = cg_read_pressure(&in->cg, name, i, &ret->pressure[i]) == 0;
	read_net(in, id, ret);
}
