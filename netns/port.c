/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bridge learns nothing from the port: its forwarding entry is set here, so that nobody
 * else's frames can move the VE's address to another port. Where the administrator has opened
 * the MAC filter there are addresses to learn.
 */
#include "netns/port.h"

#include <errno.h>
#include <stdbool.h>

#include "netns/link.h"
#include "util/exits.h"

static void put_vlans(struct nl *n, const struct net_spec *s, unsigned index)
{
	if (!s->vlan && !s->n_trunk)
		return;
	link_put_port_vlan_none(n, index);
	if (s->vlan)
		link_put_port_vlan(n, index, (struct vlan_range){ s->vlan, s->vlan }, true);
	for (size_t i = 0; i < s->n_trunk; i++)
		link_put_port_vlan(n, index, s->trunk[i], false);
}

/* Down until all of it is so: a frame sent before would find the port half made. */
int port_up(struct nl *n, const struct net_spec *s, struct err *e)
{
	bool learn = s->flags & NET_MAC_OPEN;
	unsigned index, bridge;
	int r = link_index(n, s->bridge, &bridge, e);

	if (r == -ENODEV)
		return err_set(e, ENODEV, VZ_VETH, "bridge %s does not exist", s->bridge);
	if (r == 0)
		r = link_index(n, s->host_name, &index, e);
	if (r < 0)
		return r;
	link_put_no_autoaddr(n, s->host_name);
	link_put_master(n, s->host_name, bridge);
	link_put_port(n, s->host_name, learn, s->flags & NET_ISOLATED);
	put_vlans(n, s, index);
	if (!learn)
		link_put_fdb(n, index, s->guest_mac);
	link_put_up(n, s->host_name);
	return nl_done(n, e);
}
