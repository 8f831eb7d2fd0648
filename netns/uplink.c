/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/uplink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdint.h>

#include "netns/account.h"
#include "netns/addr.h"
#include "netns/caps.h"
#include "netns/link.h"
#include "netns/netfilter.h"
#include "netns/network.h"
#include "netns/nf-rules.h"
#include "netns/nf-table.h"
#include "netns/nl.h"
#include "util/exits.h"
#include "util/parse.h"
#include "util/str.h"

#define LO_INDEX 1

bool uplink_exists(const char *link)
{
	return if_nametoindex(link) != 0;
}

bool uplink_is_bridge(const char *link)
{
	_nl_ struct nl n = NL_INIT;
	struct err ignored = ERR_INIT;

	return nl_open(&n, NETLINK_ROUTE, &ignored) == 0 && link_is(&n, link, "bridge");
}

static int add_uplink(struct nl *n, const char *bridge, const struct uplink *u, struct err *e)
{
	unsigned index, port;
	int r = link_index(n, bridge, &index, e);

	if (r == 0)
		r = link_index(n, u->link, &port, e);
	if (r == 0) {
		link_put_master(n, u->link, index);
		for (size_t i = 0; i < u->n_vlans; i++)
			link_put_port_vlan(n, port, u->vlans[i], false);
		link_put_up(n, u->link);
		r = nl_done(n, e);
	}
	return r < 0 ? err_wrap(e, "uplink %s", u->link) : 0;
}

/* One send, which a kill cannot cut. Another start may have just made it. */
static int make_bridge(struct nl *n, const char *bridge, bool vlans, struct err *e)
{
	link_put_bridge(n, bridge, vlans);
	nl_allow(n, EEXIST);
	link_put_no_autoaddr(n, bridge);
	link_put_up(n, bridge);
	return nl_done(n, e);
}

/* Who made it may have died before it had its uplink. */
static bool is_whole(const char *bridge, const struct uplink *u)
{
	return uplink_exists(bridge) && (!*u->link || !uplink_exists(u->link) || net_is_port(u->link));
}

int uplink_bridge(const char *bridge, const struct uplink *u, struct err *e)
{
	bool there = uplink_exists(bridge);
	_nl_ struct nl n = NL_INIT;
	int r;

	if (is_whole(bridge, u))
		return 0;
	r = nl_open(&n, NETLINK_ROUTE, e);
	if (r < 0)
		return r;
	r = there ? 0 : make_bridge(&n, bridge, u->n_vlans > 0, e);
	if (r == 0 && *u->link)
		r = add_uplink(&n, bridge, u, e);
	if (r < 0) {
		if (!there)
			uplink_bridge_drop(bridge);
		(void)err_exit(e, r == -EOPNOTSUPP ? VZ_NO_KERNEL_SUPPORT : VZ_VETH);
		return err_wrap(e, "bridge %s", bridge);
	}
	return 0;
}

void uplink_bridge_drop(const char *bridge)
{
	_nl_ struct nl n = NL_INIT;
	struct err ignored = ERR_INIT;

	if (!uplink_is_bridge(bridge) || nl_open(&n, NETLINK_ROUTE, &ignored) < 0)
		return;
	link_put_del(&n, bridge);
	(void)!nl_done(&n, &ignored);
}

/* ---- the last VE ---- */

/* Any answer at all is enough: the dump is not read to its end. */
bool uplink_any_link(const char *table)
{
	static const uint8_t families[] = { NFPROTO_ARP, NFPROTO_BRIDGE };

	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		if (nf_any_element(table, families[i], nf_sets[S_LINKS].name))
			return true;
	return false;
}

static void gateway_down(struct nl *n)
{
	struct ipaddr gw = addr_gateway4();
	struct err ignored = ERR_INIT;

	addr_put_del(n, LO_INDEX, &gw, 32);
	(void)!nl_done(n, &ignored);
}

/*
 * Another instance makes its table first and looks for the gateway afterwards. So whoever finds
 * a table once the address is gone puts it back, and of the two at least one does.
 */
void uplink_tidy(const char *table)
{
	struct ipaddr gw = addr_gateway4();
	struct err ignored = ERR_INIT;
	_nl_ struct nl n = NL_INIT;

	if (uplink_any_link(table))
		return;
	nf_remove_table(table);
	acct_remove(table);
	caps_remove(table);
	if (nf_any_instance() || nl_open(&n, NETLINK_ROUTE, &ignored) < 0)
		return;
	gateway_down(&n);
	if (nf_any_instance()) {
		addr_put_link_scope(&n, LO_INDEX, &gw);
		(void)!nl_done(&n, &ignored);
	}
}
