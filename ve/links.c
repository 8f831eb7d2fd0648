/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/links.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <sys/file.h>

#include "netns/caps.h"
#include "netns/direct.h"
#include "netns/door.h"
#include "netns/guestlink.h"
#include "netns/ipam.h"
#include "netns/range.h"
#include "netns/services.h"
#include "netns/space.h"
#include "netns/uplink.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/fence.h"
#include "ve/links-impl.h"
#include "ve/netdev.h"
#include "ve/netlock.h"
#include "ve/plan.h"
#include "ve/ve.h"

struct links_want links_of_conf(const struct ve *ve)
{
	return (struct links_want){ &ve->conf.ips, ve->conf.network, ve->conf.netif };
}

struct links_want links_of_state(const struct ve *ve)
{
	return (struct links_want){ &ve->state.ips, ve->state.network, ve->state.netif };
}

/* ---- planning ---- */

/* A bridge alone, as vzctl has it, is a network of its own without pool or gateway. */
static int find_network(const struct ve *ve, const struct netif *f, const char *first,
			struct network *ret, struct err *e)
{
	const char *name = *f->network ? f->network :
			   str_eq(f->ifname, NETIF_FIRST) && *first ? first : NETWORK_DEFAULT;

	if (*f->device && *fence_of(ve))
		return err_set(e, EINVAL, VZ_VETH, "device %s: fence %s has no links of the host", f->device,
			       fence_of(ve));
	if (*f->device) {
		*ret = (struct network){ .mode = NET_DEVICE };
		(void)str_fmt(ret->bridge, sizeof(ret->bridge), "%s", f->device);
		return 0;
	}
	if (*f->bridge && !*f->network) {
		*ret = (struct network){ .mode = NET_BRIDGED, .probe = true };
		(void)str_fmt(ret->bridge, sizeof(ret->bridge), "%s", f->bridge);
		(void)!services_parse(ve->in->conf.host_services, &ret->services);
		return 0;
	}
	return network_load(ve->in, name, ret, e);
}

/* On a bridge the prefix says who is near: the pool's, where the address was given none. */
static void set_prefixes(struct ip_list *l, const struct network *net)
{
	for (unsigned i = 0; net_on_wire(net->mode) && i < l->n; i++) {
		struct ipaddr *a = &l->a[i];

		for (size_t k = 0; a->prefix == (a->family == AF_INET ? 32 : 128) && k < net->n_pool;
		     k++)
			if (range_has(&net->pool[k], a))
				a->prefix = net->pool[k].first.prefix;
	}
}

static void fill_network(struct net_spec *s, const struct network *net, struct ipaddr *nets)
{
	s->mode = net->mode;
	s->group = net_group(s->table, net->number);
	s->services = &net->services;
	s->vlan = net->vlan;
	s->n_trunk = net->n_trunk;
	memcpy(s->trunk, net->trunk, sizeof(s->trunk));
	memcpy(s->bridge, net->bridge, sizeof(s->bridge));
	memcpy(s->gateway, net->gateway, sizeof(s->gateway));
	if (net->isolated)
		s->flags |= NET_ISOLATED;
	for (size_t i = 0; i < net->n_pool; i++)
		nets[i] = range_network(&net->pool[i]);
	s->nets = nets;
	s->n_nets = net_on_wire(net->mode) ? 0 : net->n_pool;
}

static void fill_names(const struct ve *ve, struct net_spec *s, const struct netif *f)
{
	s->veid = ve->id;
	s->index = f->index;
	(void)str_fmt(s->table, sizeof(s->table), "%s", ve->in->name);
	memcpy(s->guest_name, f->ifname, sizeof(s->guest_name));
	net_host_name(s->host_name, ve->in->link_tag, ve->id, f->index);
	if (*f->host_ifname)
		memcpy(s->host_name, f->host_ifname, sizeof(s->host_name));
	net_macs(ve->in->tag, ve->id, f->index, s->host_mac, s->guest_mac);
	if (f->has_mac)
		memcpy(s->guest_mac, f->mac, 6);
	if (f->has_host_mac)
		memcpy(s->host_mac, f->host_mac, 6);
}

static void fill(const struct ve *ve, struct links *l, unsigned i)
{
	const struct netif *f = &l->conf.a[i];
	struct net_spec *s = &l->a[i];

	*s = (struct net_spec){ .flags = (f->mac_open ? NET_MAC_OPEN : 0U) |
					 (f->ip_open ? NET_IP_OPEN : 0U) };
	fill_names(ve, s, f);
	plan_shape(ve, &s->shape);
	s->caps = (struct caps){ { [CAP_FLOWS] = ve->conf.flow_rate, [CAP_ENTRIES] = ve->conf.conntrack,
				   [CAP_MAIL] = ve->conf.mail_rate } };
	fill_network(s, &l->net[i], l->nets[i]);
	for (unsigned k = 0; k < 2; k++)
		if (f->gw[k].family)
			s->gateway[k] = f->gw[k];
	set_prefixes(&l->ips[i], &l->net[i]);
	s->addrs = l->ips[i].a;
	s->n_addrs = l->ips[i].n;
	s->allowed = f->allow;
	s->n_allowed = f->n_allow;
}

/* The first link that has an address of the family and leads anywhere; hostonly as a last resort. */
static void choose_default(struct links *l, uint8_t family, unsigned flag)
{
	for (int last_resort = 0; last_resort < 2; last_resort++)
		for (unsigned i = 0; i < l->n; i++) {
			struct net_spec *s = &l->a[i];
			struct ipaddr gw;

			if (!net_first_of(s, family, NULL) || !net_gateway(s, family, &gw) ||
			    (s->mode == NET_HOSTONLY && !last_resort))
				continue;
			s->flags |= flag;
			return;
		}
}

/* eth0 is there whether NETIF speaks of it or not, and comes first. */
static int read_conf(const char *netif, struct links *l, struct err *e)
{
	struct netif first = { .ifname = NETIF_FIRST }, *f;
	struct netif_list *c = &l->conf;
	int r = netif_read(netif, c, e);

	if (r < 0)
		return r;
	f = netif_find(c, NETIF_FIRST);
	if (f) {
		first = *f;
		memmove(f, f + 1, (size_t)(&c->a[c->n] - (f + 1)) * sizeof(*f));
		c->n--;
	} else if (c->n == NET_MAX_LINKS) {
		return err_set(e, E2BIG, VZ_VETH, "--netif_add: a VE has at most %d links, eth0 included",
			       NET_MAX_LINKS);
	}
	memmove(c->a + 1, c->a, c->n * sizeof(c->a[0]));
	c->a[0] = first;
	c->n++;
	return 0;
}

/* A bridge without what leads out, also in a macvlan's place, a network without ports of the host. */
static void close_network(struct network *n)
{
	if (n->mode == NET_MACVLAN)
		n->mode = NET_BRIDGED;
	n->text[NR_UPLINK][0] = '\0';
	n->own_bridge = n->mode == NET_BRIDGED;
	n->probe = false;
	n->n_forward = 0;
}

/* Nobody is outside whom these modes would keep away, and all in there shall meet. */
static void close_spec(struct net_spec *s)
{
	if (s->mode == NET_NAT || s->mode == NET_HOSTONLY)
		s->mode = NET_ROUTED;
}

static int plan(const struct ve *ve, const struct links_want *w, struct links *l, bool undo,
		struct err *e)
{
	int r = read_conf(w->netif, l, e);

	l->n = r < 0 ? 0 : l->conf.n;
	memcpy(l->fence, fence_of(ve), sizeof(l->fence));
	for (unsigned i = 0; i < l->n && r == 0; i++) {
		const struct netif *f = &l->conf.a[i];

		r = find_network(ve, f, w->network, &l->net[i], e);
		if (r < 0 && undo) {
			err_clear(e);
			r = 0;
			l->net[i] = (struct network){ .mode = *f->bridge ? NET_BRIDGED : NET_ROUTED };
		}
		if (r < 0)
			return err_wrap(e, "link %s", f->ifname);
		if (*l->fence)
			close_network(&l->net[i]);
		l->ips[i] = i == 0 ? *w->ips : f->ips;
		for (unsigned k = 0; i == 0 && k < f->ips.n && l->ips[0].n < VE_MAX_IPS; k++)
			l->ips[0].a[l->ips[0].n++] = f->ips.a[k];
		fill(ve, l, i);
	}
	choose_default(l, AF_INET, NET_DEFAULT4);
	choose_default(l, AF_INET6, NET_DEFAULT6);
	for (unsigned i = 0; *l->fence && i < l->n; i++)
		close_spec(&l->a[i]);
	return r;
}

int links_plan(const struct ve *ve, const struct links_want *w, struct links *ret, struct err *e)
{
	return plan(ve, w, ret, false, e);
}

void links_plan_undo(const struct ve *ve, const struct links_want *w, struct links *ret)
{
	struct err ignored = ERR_INIT;

	(void)!plan(ve, w, ret, true, &ignored);
}

unsigned links_guest(const struct links *l, struct guest_link ret[NET_MAX_LINKS])
{
	for (unsigned i = 0; i < l->n; i++) {
		const struct net_spec *s = &l->a[i];
		struct guest_link *g = &ret[i];

		*g = (struct guest_link){ .name = s->guest_name, .addrs = s->addrs,
					  .n_addrs = s->n_addrs, .routed = !net_on_wire(s->mode) };
		if (s->flags & NET_DEFAULT4)
			(void)net_gateway(s, AF_INET, &g->gateway[0]);
		if (s->flags & NET_DEFAULT6)
			(void)net_gateway(s, AF_INET6, &g->gateway[1]);
	}
	return l->n;
}

/* ---- making ---- */

static int bridge_up(const struct network *net, struct err *e)
{
	struct vlan_range vlans[NET_MAX_VLANS + 1] = { { net->vlan, net->vlan } };
	size_t n = net->vlan ? 1 : 0;
	struct uplink u = { net->text[NR_UPLINK], vlans, n + net->n_trunk };
	int r = 0;

	memcpy(&vlans[n], net->trunk, net->n_trunk * sizeof(vlans[0]));
	if (net->own_bridge)
		r = uplink_bridge(net->bridge, &u, e);
	return r < 0 ? err_exit(e, VZ_VETH) : 0;
}

/* The first link of a nat network brings its forwards; for others they are there. */
static int forwards_up(const struct net_spec *s, const struct network *net, struct err *e)
{
	struct net_forwards none = { NULL, 0 }, all = { net->forward, net->n_forward };

	return net_forward(s->table, none, all, e);
}

/* The prefix of the network that a gateway is in, which an address beside it has. */
static uint8_t prefix_beside(const struct net_spec *s, const struct ipaddr *gw)
{
	for (size_t i = 0; i < s->n_addrs; i++)
		if (s->addrs[i].family == gw->family)
			return s->addrs[i].prefix;
	return gw->prefix;
}

/* Behind a fence the namespace is the gateway of its bridges, unless one of the copies is. */
static int gateways_up(const struct inst *in, const struct links *l, const struct net_spec *s,
		       struct err *e)
{
	_fd_ int claims = -1;
	int r = 0;

	if (!*l->fence || s->mode != NET_BRIDGED)
		return 0;
	r = fence_claims(in, l->fence, &claims, e);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(s->gateway); i++) {
		const struct ipaddr *gw = &s->gateway[i];

		if (gw->family && ipam_owner(claims, gw) == 0)
			r = door_gateway(s, gw, prefix_beside(s, gw), e);
	}
	return r;
}

int link_up(const struct inst *in, const struct links *l, unsigned i, int netns, struct err *e)
{
	int r = bridge_up(&l->net[i], e);

	if (l->a[i].mode == NET_DEVICE)
		return netdev_up(in, &l->a[i], netns, e);
	if (r == 0)
		r = gateways_up(in, l, &l->a[i], e);
	if (r == 0)
		r = net_up(&l->a[i], netns, e);
	return r < 0 ? r : forwards_up(&l->a[i], &l->net[i], e);
}

static bool has_host_name(const struct links *l, const char *name)
{
	for (unsigned i = 0; l && i < l->n; i++)
		if (str_eq(l->a[i].host_name, name))
			return true;
	return false;
}

int links_check_names(const struct links *from, const struct links *to, struct err *e)
{
	for (unsigned i = 0; i < to->n; i++) {
		const char *name = to->a[i].host_name;

		if (!*to->conf.a[i].host_ifname || *to->fence || net_is_direct(&to->a[i]) ||
		    has_host_name(from, name) || !if_nametoindex(name))
			continue;
		return err_set(e, EEXIST, VZ_VETH, "--host_ifname %s: the host has a link of that name; "
			       "choose another, or none for the usual one", name);
	}
	return 0;
}

int links_up(const struct inst *in, const struct links *l, int netns, struct err *e)
{
	_space_home_ struct space_home home = SPACE_HOME_INIT;
	_fd_ int lock = -1;
	int r = netlock_take(in, false, &lock, e);

	if (r == 0)
		r = fence_enter(in, l->fence, &home, e);
	for (unsigned i = 0; i < l->n && r == 0; i++)
		if (l->a[i].mode != NET_DEVICE) /* by netdev_up_all */
			r = link_up(in, l, i, netns, e);
	return r;
}

int link_up_tap(const struct inst *in, const struct links *l, unsigned i, int *ret_tap,
		struct err *e)
{
	_fd_ int tap = -1;
	int r = bridge_up(&l->net[i], e);

	if (r == 0)
		r = gateways_up(in, l, &l->a[i], e);
	if (r == 0)
		r = net_up_tap(&l->a[i], &tap, e);
	if (r == 0)
		r = forwards_up(&l->a[i], &l->net[i], e);
	if (r == 0)
		*ret_tap = TAKE_FD(tap);
	return r;
}

int links_up_taps(const struct inst *in, const struct links *l, int ret_taps[NET_MAX_LINKS],
		  struct err *e)
{
	_space_home_ struct space_home home = SPACE_HOME_INIT;
	_fd_ int lock = -1;
	int r = netlock_take(in, false, &lock, e);

	if (r == 0)
		r = fence_enter(in, l->fence, &home, e);
	for (unsigned i = 0; i < l->n && r == 0; i++)
		r = link_up_tap(in, l, i, &ret_taps[i], e);
	for (unsigned i = 0; i < l->n && r < 0; i++)
		cleanup_fd(&ret_taps[i]);
	return r;
}

void links_announce(const struct links *l, const int taps[NET_MAX_LINKS])
{
	for (unsigned i = 0; i < l->n && !*l->fence; i++)
		net_announce(&l->a[i], taps[i]);
}

int links_down(const struct inst *in, const struct links *l)
{
	_space_home_ struct space_home home = SPACE_HOME_INIT;
	struct err ignored = ERR_INIT;
	_fd_ int lock = -1;
	int r = fence_enter(in, l->fence, &home, &ignored);

	if (r < 0)                      /* gone with all in it, or not to be reached */
		return r == -ENOENT ? 0 : r;
	(void)!netlock_take(in, false, &lock, &ignored);
	for (unsigned i = l->n; i-- > 0;)
		if (net_down(&l->a[i]) < 0)
			r = -EIO;
	return r;
}

/* ---- answering ---- */

static int answers(const struct ve *ve, bool mend, struct err *e)
{
	struct links_want w = links_of_state(ve);
	struct links links;
	int r = 1, all = 1;

	if (ve->state.phase != PH_RUNNING || *fence_of(ve))
		return 1;
	links_plan_undo(ve, &w, &links);
	for (unsigned i = 0; i < links.n && r >= 0; i++) {
		r = net_answers(&links.a[i], mend, e);
		all = all && r;
	}
	return r < 0 ? r : all;
}

/* The lock only when there is something to do. */
int links_answer(struct inst *in, uint32_t id, struct err *e)
{
	struct ve ve;
	int r = ve_open(&ve, in, id, NULL, e);

	if (r < 0)
		return r;
	r = answers(&ve, false, e);
	ve_close(&ve);
	if (r != 0)
		return r < 0 ? r : 0;
	r = ve_open(&ve, in, id, "answer", e);
	if (r < 0)
		return r;
	r = answers(&ve, true, e);
	ve_close(&ve);
	return r < 0 ? r : 0;
}
