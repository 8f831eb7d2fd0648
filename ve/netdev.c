/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/netdev.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "netns/direct.h"
#include "netns/space.h"
#include "netns/uplink.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/state.h"
#include "ve/ve.h"

#define KEPT "netns"

/* ---- may it? ---- */

static int refuse(const struct net_spec *s, int exit, const char *why, struct err *e)
{
	return err_set(e, EINVAL, exit, "link %s (%s): %s", s->guest_name, s->bridge, why);
}

/* In a VE already, of the links that it runs with. */
static bool has_now(const struct ve *ve, const struct net_spec *s)
{
	struct links_want w = links_of_state(ve);
	struct links now;

	links_plan_undo(ve, &w, &now);
	for (unsigned i = 0; ve->state.phase == PH_RUNNING && i < now.n; i++)
		if (now.a[i].mode == NET_DEVICE && str_eq(now.a[i].bridge, s->bridge))
			return true;
	return false;
}

void netdev_names(const struct ve *ve, char *dst, size_t size)
{
	struct links_want w = links_of_conf(ve);
	struct links l;
	size_t n = 0;

	*dst = '\0';
	if (!*ve->conf.netif && !*ve->conf.network)     /* most: no network is read for them */
		return;
	links_plan_undo(ve, &w, &l);
	for (unsigned i = 0; i < l.n && n < size; i++) {
		const struct net_spec *s = &l.a[i];
		int r = net_is_direct(s) ? str_fmt(dst + n, size - n, "%s%s:%s:%s", n ? " " : "",
						  s->guest_name,
						  s->mode == NET_DEVICE ? "device" : "macvlan",
						  s->bridge) : 0;

		n += r > 0 ? (size_t)r : 0;
	}
}

static int check_device(const struct ve *ve, const struct net_spec *s, struct err *e)
{
	if (has_now(ve, s))
		return 0;
	if (!uplink_exists(s->bridge))
		return refuse(s, VZ_NETDEV, "the host has no such link", e);
	if (str_eq(s->bridge, "lo") || net_is_port(s->bridge) || uplink_is_bridge(s->bridge))
		return refuse(s, VZ_NETDEV, "a bridge, a bridge's port and lo cannot be moved", e);
	if (direct_is_default(s->bridge))
		return refuse(s, VZ_NETDEV, "the host's own default route is by it", e);
	return 0;
}

int netdev_check(const struct ve *ve, const struct net_spec *s, struct err *e)
{
	if (!net_is_direct(s))
		return 0;
	if (str_eq(ve->conf.kind, "vm"))
		return refuse(s, VZ_BAD_OPTION, "what leads past the host is for containers", e);
	if (direct_check(s, e) < 0)
		return -e->eno;
	return s->mode == NET_DEVICE ? check_device(ve, s, e) : 0;
}

/* ---- there and back ---- */

static void name_of(const struct net_spec *s, char dst[16])
{
	(void)str_fmt(dst, 16, "device.%u", s->index);
}

/* A symlink is there with its text or not at all. */
static int note(int dir, const struct net_spec *s, struct err *e)
{
	struct direct_was was;
	char name[16], text[80];
	int r = direct_look(s->bridge, &was, e);

	if (r < 0)
		return r;
	name_of(s, name);
	(void)direct_format(&was, text, sizeof(text));
	(void)unlinkat(dir, name, 0);
	return symlinkat(text, dir, name) < 0 ? err_sys(e, "note what %s is", s->bridge) : 0;
}

int netdev_up(const struct inst *in, const struct net_spec *s, int netns, struct err *e)
{
	_fd_ int dir = -1;
	int r = state_dir(in, s->veid, true, &dir, e);

	if (r == 0)
		r = note(dir, s, e);
	if (r == 0)
		r = space_keep(dir, KEPT, netns, e);
	if (r == 0)
		inst_say(in, "Link %s of the host moves in as %s, past all filters", s->bridge,
			 s->guest_name);
	return r < 0 ? err_wrap(e, "link %s", s->guest_name) : net_up(s, netns, e);
}

static int bring_back(int dir, const struct net_spec *s, int netns, struct err *e)
{
	char name[16], text[80];
	struct direct_was was;
	ssize_t len;
	int r;

	name_of(s, name);
	len = readlinkat(dir, name, text, sizeof(text) - 1);
	if (len < 0)                    /* it never went */
		return 0;
	text[len] = '\0';
	if (direct_parse(text, &was) < 0)
		return err_set(e, EPROTO, 0, "%s: bad note \"%s\"", name, text);
	r = direct_return(s, netns, &was, e);
	(void)unlinkat(dir, name, 0);
	return r;
}

int netdev_down(const struct inst *in, const struct net_spec *s, int netns, struct err *e)
{
	_fd_ int dir = -1, kept = -1;
	int r;

	if (state_dir(in, s->veid, false, &dir, e) < 0) {
		err_clear(e);
		return 0;
	}
	r = netns < 0 ? space_open(dir, KEPT, &kept, e) : 0;
	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : bring_back(dir, s, netns < 0 ? kept : netns, e);
}

int netdev_up_all(const struct inst *in, const struct links *l, int netns, struct err *e)
{
	int r = 0;

	for (unsigned i = 0; i < l->n && r == 0; i++)
		if (l->a[i].mode == NET_DEVICE)
			r = netdev_up(in, &l->a[i], netns, e);
	return r;
}

int netdev_down_all(const struct inst *in, const struct links *l, struct err *e)
{
	struct err later = ERR_INIT;
	_fd_ int dir = -1;
	int r = 0;

	for (unsigned i = l->n; i-- > 0;)
		if (l->a[i].mode == NET_DEVICE && netdev_down(in, &l->a[i], -1, r < 0 ? &later : e) < 0)
			r = r < 0 ? r : -e->eno;
	if (l->n && state_dir(in, l->a[0].veid, false, &dir, &later) == 0)
		space_drop(dir, KEPT);
	return r;
}
