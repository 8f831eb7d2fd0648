/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Links of a VE that runs. A container's are made in its network namespace; a machine's are taps of the host that
 * are plugged into its QEMU, where that can be done (q35). The host's side of a link goes when it
 * shall, whoever inside would like to keep it.
 */
#include "ve/links-impl.h"

#include <errno.h>
#include <string.h>

#include "netns/account.h"
#include "netns/direct.h"
#include "netns/guestlink.h"
#include "netns/space.h"
#include "runtime/nsenter.h"
#include "util/cleanup.h"
#include "util/step.h"
#include "util/str.h"
#include "ve/apply.h"
#include "ve/fence.h"
#include "ve/guest.h"
#include "ve/inst.h"
#include "ve/netdev.h"
#include "ve/netlock.h"
#include "ve/ve.h"
#include "ve/vm.h"
#include "vm/qmp.h"

#define BACK_MS 2000                    /* for a guest to let go again of what has just come */

static const struct net_spec *find(const struct links *l, const char *guest_name, unsigned *at)
{
	for (unsigned i = 0; i < l->n; i++)
		if (str_eq(l->a[i].guest_name, guest_name)) {
			*at = i;
			return &l->a[i];
		}
	return NULL;
}

/* By member: a struct ipaddr has padding. */
static bool same_gateways(const struct net_spec *a, const struct net_spec *b)
{
	for (size_t i = 0; i < ARRAY_SIZE(a->gateway); i++)
		if (!ip_same_host(&a->gateway[i], &b->gateway[i]))
			return false;
	return true;
}

/* The same link with other addresses or switches: it can be changed while it is up. */
static bool same_link(const struct net_spec *a, const struct net_spec *b)
{
	return a->mode == b->mode && a->index == b->index && a->group == b->group &&
	       a->vlan == b->vlan && str_eq(a->host_name, b->host_name) &&
	       str_eq(a->bridge, b->bridge) && memcmp(a->guest_mac, b->guest_mac, 6) == 0 &&
	       memcmp(a->host_mac, b->host_mac, 6) == 0 &&
	       (a->flags & (NET_ISOLATED | NET_MAC_OPEN)) ==
		       (b->flags & (NET_ISOLATED | NET_MAC_OPEN)) &&
	       same_gateways(a, b);
}

static bool in_list(const struct ip_list *l, const struct ipaddr *a)
{
	for (unsigned i = 0; i < l->n; i++)
		if (ip_same_host(&l->a[i], a) && l->a[i].prefix == a->prefix)
			return true;
	return false;
}

static void drop_from(struct ip_list *l, unsigned i)
{
	memmove(&l->a[i], &l->a[i + 1], (l->n - i - 1) * sizeof(l->a[0]));
	l->n--;
}

/*
 * Removals first, so that a changed prefix is a removal and an addition. `now` is what the link
 * has at each moment: the source address of the default route is chosen from it.
 */
static int change_ips(const struct net_spec *old, const struct net_spec *new,
		      const struct ip_list *from, const struct ip_list *to,
		      const struct links_at *at, struct err *e)
{
	struct ip_list now = *from;
	struct net_spec s = *old;
	int r = 0;

	s.addrs = now.a;
	for (unsigned i = 0; r == 0 && i < from->n; i++) {
		if (in_list(to, &from->a[i]))
			continue;
		drop_from(&now, i - (from->n - now.n));
		s.n_addrs = now.n;
		r = net_addr_del(&s, at->netns, &from->a[i], e);
	}
	s.flags = new->flags;
	for (unsigned i = 0; r == 0 && i < to->n; i++) {
		if (in_list(from, &to->a[i]))
			continue;
		now.a[now.n++] = to->a[i];
		s.n_addrs = now.n;
		r = net_addr_add(&s, at->netns, &to->a[i], e);
		if (r == 0 && at->netns < 0)
			net_announce_machine(&s, &to->a[i], at->pid, at->pidfd);
	}
	return r;
}

static bool same_filter(const struct net_spec *a, const struct net_spec *b)
{
	return (a->flags & NET_IP_OPEN) == (b->flags & NET_IP_OPEN) &&
	       a->n_allowed == b->n_allowed &&
	       (!a->n_allowed || memcmp(a->allowed, b->allowed,
					a->n_allowed * sizeof(a->allowed[0])) == 0);
}

static int change_one(const struct links *from, unsigned k, const struct links *to, unsigned i,
		      const struct links_at *at, struct err *e)
{
	int r = same_filter(&from->a[k], &to->a[i]) ? 0 : net_switch(&from->a[k], &to->a[i], e);

	if (r == 0)
		r = change_ips(&from->a[k], &to->a[i], &from->ips[k], &to->ips[i], at, e);
	return r < 0 ? r : net_default(&from->a[k], &to->a[i], at->netns, e);
}

static int plug_in(const struct inst *in, const struct links *l, unsigned i,
		   const struct links_at *at, struct err *e)
{
	const struct net_spec *s = &l->a[i];
	_fd_ int tap = -1;
	int r = link_up_tap(in, l, i, &tap, e);

	if (r < 0)
		return r;
	r = qmp_nic_add(at->machine, &(struct qmp_nic){ s->index, s->guest_mac, tap }, e);
	if (r < 0) {
		(void)net_down(s);
		return err_wrap(e, "link %s", s->guest_name);
	}
	if (!*l->fence)
		net_announce(s, tap);
	return 0;
}

static int bring(const struct inst *in, const struct links *l, unsigned i, const struct links_at *at,
		 struct err *e)
{
	int r;

	if (at->netns < 0)
		return plug_in(in, l, i, at, e);
	r = link_up(in, l, i, at->netns, e);
	if (r == 0 && !*l->fence)
		net_announce(&l->a[i], -1);
	return r;
}

/* A machine's link goes whatever its guest or QEMU says to that: without the tap it leads nowhere. */
static void unplug(const struct inst *in, const struct net_spec *s, const struct links_at *at)
{
	struct err ignored = ERR_INIT;
	bool gone = true;

	if (qmp_nic_del(at->machine, s->index, at->patience_ms, &gone, &ignored) < 0)
		log_warn(&in->log, "unplug %s: %s", s->guest_name, ignored.msg);
	if (!gone)
		*at->kept = true;
}

static int take_away(const struct inst *in, const struct net_spec *s, const struct links_at *at,
		     struct err *e)
{
	if (at->netns < 0)
		unplug(in, s, at);
	else
		guestlink_leave(s, at->netns);
	if (s->mode == NET_MACVLAN)
		return direct_remove(s, at->netns, e);
	else if (s->mode == NET_DEVICE)
		return netdev_down(in, s, at->netns, e);
	(void)net_down(s);
	return 0;
}

/* Links that go, before those that come or change: what one gives up another may take over. */
static int go_away(const struct inst *in, const struct links *from, const struct links *to,
		   const struct links_at *at, struct err *e)
{
	unsigned k = 0;
	int r = 0;

	for (unsigned i = 0; i < from->n && r == 0; i++) {
		const struct net_spec *s = find(to, from->a[i].guest_name, &k);

		if (!s || !same_link(&from->a[i], s))
			r = take_away(in, &from->a[i], at, e);
	}
	return r;
}

static int come(const struct inst *in, const struct links *from, const struct links *to,
		const struct links_at *at, struct err *e)
{
	unsigned k = 0;
	int r = 0;

	for (unsigned i = 0; i < to->n && r == 0; i++) {
		const struct net_spec *s = find(from, to->a[i].guest_name, &k);

		if (s && same_link(s, &to->a[i]))
			r = change_one(from, k, to, i, at, e);
		else
			r = bring(in, to, i, at, e);
	}
	return r;
}

/* Addresses of a link that stayed, whichever of them were changed before it failed. */
static void put_back_ips(const struct net_spec *s, const struct ip_list *from,
			 const struct ip_list *to, int netns)
{
	struct err ignored = ERR_INIT;

	for (unsigned i = 0; i < to->n; i++)
		if (!in_list(from, &to->a[i]))
			(void)!net_addr_del(s, netns, &to->a[i], &ignored);
	for (unsigned i = 0; i < from->n; i++) {
		if (in_list(to, &from->a[i]))
			continue;
		(void)!net_addr_del(s, netns, &from->a[i], &ignored);
		(void)!net_addr_add(s, netns, &from->a[i], &ignored);
	}
}

/* What links that came have counted nobody shall pay for, least of all who has such a name next. */
static void forget_counters(const struct inst *in, const struct links *from, const struct links *to)
{
	_space_home_ struct space_home home = SPACE_HOME_INIT;
	struct err ignored = ERR_INIT;

	if (fence_enter(in, to->fence, &home, &ignored) < 0)
		return;
	for (unsigned i = 0, k; i < to->n; i++) {
		for (k = 0; k < from->n && !str_eq(from->a[k].host_name, to->a[i].host_name); k++)
			;
		if (k == from->n)
			acct_forget(to->a[i].table, to->a[i].host_name);
	}
}

/* Of a change that failed on its way: links that came go, those that went come back. */
static void change_back(const struct inst *in, const struct links *from, const struct links *to,
			const struct links_at *at)
{
	struct links_at back = *at;
	struct err ignored = ERR_INIT;
	unsigned k = 0;

	back.patience_ms = BACK_MS;
	(void)!go_away(in, to, from, &back, &ignored);
	forget_counters(in, from, to);
	for (unsigned i = 0; i < from->n; i++) {
		const struct net_spec *s = find(to, from->a[i].guest_name, &k);

		err_clear(&ignored);
		if (s && same_link(s, &from->a[i])) {
			if (!same_filter(s, &from->a[i]))
				(void)!net_switch(s, &from->a[i], &ignored);
			put_back_ips(&from->a[i], &from->ips[i], &to->ips[k], at->netns);
			(void)!net_default(s, &from->a[i], at->netns, &ignored);
		} else if (bring(in, from, i, at, &ignored) < 0) {
			log_warn(&in->log, "put back: %s", ignored.msg);
		}
	}
}

bool links_same(const struct links *a, const struct links *b)
{
	unsigned k = 0;

	for (unsigned i = 0; i < a->n; i++) {
		const struct net_spec *s = find(b, a->a[i].guest_name, &k);

		if (!s || !same_link(&a->a[i], s))
			return false;
	}
	return a->n == b->n;
}

int links_change(const struct inst *in, const struct links *from, const struct links *to,
		 const struct links_at *at, struct err *e)
{
	_space_home_ struct space_home home = SPACE_HOME_INIT;
	int r = fence_enter(in, to->fence, &home, e);

	if (r < 0)
		return r;
	/* A device of the host that does not go stays, with all behind it. */
	r = go_away(in, from, to, at, e);
	if (r < 0)
		return r;
	r = come(in, from, to, at, e);
	if (r == 0 && !links_same(from, to))
		r = fault_at("set", "links", false, e);
	if (r < 0)
		change_back(in, from, to, at);
	return r;
}

static int find_ends(struct ve *ve, struct links_at *at, int *hold, struct err *e)
{
	int r;

	if (ve->state.vm) {
		r = state_dir(ve->in, ve->id, false, hold, e);
		at->machine = *hold;
		return r;
	}
	r = ns_open(ve->state.pid, "net", hold, e);
	if (r == 0)
		r = guest_still_there(ve, hold, e);
	at->netns = *hold;
	return r;
}

/* What was to go goes first, wherever the change came to: what is there cannot come back. */
static int put_back(struct ve *ve, const struct links *from, const struct links *to, struct err *e)
{
	_space_home_ struct space_home home = SPACE_HOME_INIT;
	_fd_ int hold = -1, lock = -1;
	bool kept = false;
	struct links_at at = { .netns = -1, .machine = -1, .pid = ve->state.pid, .pidfd = ve->pidfd,
			       .patience_ms = BACK_MS, .kept = &kept };
	int r = find_ends(ve, &at, &hold, e);

	if (r == 0)
		r = netlock_take(ve->in, false, &lock, e);
	if (r == 0)
		r = fence_enter(ve->in, from->fence, &home, e);
	if (r < 0)
		return r;
	(void)!go_away(ve->in, from, to, &at, &(struct err)ERR_INIT);
	change_back(ve->in, from, to, &at);
	if (!kept)
		return 0;
	ve->state.hardware[0] = '\0';
	return state_save(ve->in, ve->id, &ve->state, e);
}

/* Of a dead VE, whose undo does not know of these. */
static int take_down(const struct inst *in, const struct links *from, const struct links *to,
		     struct err *e)
{
	int r = links_down(in, to);

	for (unsigned i = 0; i < to->n; i++)
		if (to->a[i].mode == NET_DEVICE && netdev_down(in, &to->a[i], -1, e) < 0)
			r = -e->eno;
	forget_counters(in, from, to);
	return r;
}

static int mend(struct ve *ve, const struct ve_state *half, struct err *e)
{
	struct links_want is = links_of_state(ve);
	struct links_want was_to_be = { &half->ips, half->network, half->netif };
	struct links from, to;
	struct ve rated = *ve;
	int r;

	recall_netrate(&rated);
	links_plan_undo(&rated, &is, &from);
	links_plan_undo(&rated, &was_to_be, &to);
	r = ve->state.phase == PH_RUNNING ? put_back(ve, &from, &to, e) : -ESRCH;
	if (r == -ESRCH || r == -ENOENT) {      /* dead, or dying this moment */
		err_clear(e);
		return take_down(ve->in, &from, &to, e);
	}
	if (r == 0 && ve->state.vm)     /* its guest may not answer, which is no reason to do all again */
		(void)!vm_setup_live(ve, &to, e);
	return r;
}

void links_mend(struct ve *ve)
{
	struct err e = ERR_INIT;
	struct ve_state half;

	if (!state_noted_links(ve->in, ve->id, &half))
		return;
	if (mend(ve, &half, &e) == 0)
		state_links_done(ve->in, ve->id);
	if (e.eno)
		log_warn(&ve->in->log, "put back links: %s", e.msg);
}
