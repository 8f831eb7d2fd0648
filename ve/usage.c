/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a running VE uses, by every account there is of it. Nothing here can fail: a VE may
 * end while it is looked at, and what cannot be told is marked as unknown.
 */
#include <errno.h>
#include <string.h>

#include "netns/direct.h"
#include "netns/space.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/fence.h"
#include "ve/links.h"
#include "ve/ve.h"

static void read_link(const struct net_spec *s, struct ve_usage *u)
{
	struct ve_link_use *l = &u->net[u->n_net];

	if (net_read_counters(s->host_name, &l->counters) < 0)
		return;
	(void)str_fmt(l->name, sizeof(l->name), "%s", s->guest_name);
	u->n_net++;
	u->net_all.rx_bytes += l->counters.rx_bytes;
	u->net_all.rx_packets += l->counters.rx_packets;
	u->net_all.tx_bytes += l->counters.tx_bytes;
	u->net_all.tx_packets += l->counters.tx_packets;
}

/* The links of its state, which are those it has now. */
static void read_net(const struct inst *in, uint32_t id, struct ve_usage *u)
{
	_space_home_ struct space_home home = SPACE_HOME_INIT;
	struct ve ve = { .in = (struct inst *)in, .id = id, .lock = -1, .pidfd = -1 };
	struct err ignored = ERR_INIT;
	struct links_want w;
	struct links links;

	if (state_load(in, id, &ve.state, NULL, &ignored) < 0)
		return;
	w = links_of_state(&ve);
	links_plan_undo(&ve, &w, &links);
	if (fence_enter(in, links.fence, &home, &ignored) < 0)
		return;
	for (unsigned i = 0; i < links.n; i++)
		read_link(&links.a[i], u);
}

static int find_link(const struct ve *ve, const char *ifname, struct ve_host_link *ret, struct err *e)
{
	struct links_want w = links_of_state(ve);
	struct links links;

	links_plan_undo(ve, &w, &links);
	for (unsigned i = 0; i < links.n; i++) {
		if (!str_eq(links.a[i].guest_name, ifname))
			continue;
		if (net_is_direct(&links.a[i]))
			return err_set(e, EOPNOTSUPP, VZ_VETH,
				       "link %.40s leads past the host, which sees nothing of it", ifname);
		memcpy(ret->name, links.a[i].host_name, IFNAMSIZ);
		memcpy(ret->fence, links.fence, sizeof(ret->fence));
		return 0;
	}
	return err_set(e, ENODEV, VZ_VETH, "VE %u has no link %.40s", ve->id, ifname);
}

int ve_host_link(struct inst *in, uint32_t id, const char *ifname, struct ve_host_link *ret,
		 struct err *e)
{
	struct ve ve;
	int r = ve_open(&ve, in, id, NULL, e);

	if (r < 0)
		return r;
	if (ve.state.phase == PH_RUNNING)
		r = find_link(&ve, ifname, ret, e);
	else
		r = err_set(e, EINVAL, VZ_NOT_RUNNING, "VE %u is not running", id);
	ve_close(&ve);
	return r;
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
	if (cg_own_disk(&in->cg, (dev_t)state->disk_dev))
		cg_read_disk((dev_t)state->disk_dev, &ret->cg);
	for (unsigned i = 0; i < CG_PRESSURES; i++)
		ret->has_pressure[i] = cg_read_pressure(&in->cg, name, i, &ret->pressure[i]) == 0;
	read_net(in, id, ret);
}
