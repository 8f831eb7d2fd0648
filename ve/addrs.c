/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/addrs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "netns/ipam.h"
#include "netns/range.h"
#include "netns/wire.h"
#include "util/claim.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "util/sys-lock.h"
#include "ve/fence.h"
#include "ve/netdev.h"
#include "ve/netif.h"
#include "ve/network-impl.h"

/* ---- where a pool's free addresses are ---- */

struct hints {
	int free, cursors;              /* in lib/ippool/NAME; the file of cursors is locked */
};

#define HINTS_INIT { -1, -1 }

static void hints_close(struct hints *h)
{
	cleanup_fd(&h->free);
	cleanup_fd(&h->cursors);
}

static int hints_open(const struct inst *in, const char *name, struct hints *h, struct err *e)
{
	char path[64], what[64];
	int r;

	(void)str_fmt(path, sizeof(path), "ippool/%s/free", name);
	r = fs_mkdir_p(in->lib, path, 0700, e);
	if (r == 0)
		r = fs_open_dir(in->lib, path, &h->free, e);
	if (r < 0)
		return r;
	(void)str_fmt(path, sizeof(path), "ippool/%s/cursors", name);
	(void)str_fmt(what, sizeof(what), "the pool of network %s", name);
	return flock_path(in->lib, path, what, FLOCK_BRIEF_MS, &h->cursors, e);
}

void network_pool_forget(const struct inst *in, const char *name)
{
	struct err ignored = ERR_INIT;
	char path[64];

	(void)str_fmt(path, sizeof(path), "ippool/%s", name);
	(void)!fs_remove_tree(in->lib, path, &ignored);
}

/*
 * One cursor per range: the number of the next address never tried, in the locked file. Written in
 * place and without fsync: one that is old or lost in a power cut costs tries, nothing else.
 */
static uint64_t cursor_read(const struct hints *h, size_t range)
{
	uint64_t v;

	return pread(h->cursors, &v, sizeof(v), (off_t)(range * sizeof(v))) == sizeof(v) ? v : 0;
}

static void cursor_write(const struct hints *h, size_t range, uint64_t v)
{
	(void)!pwrite(h->cursors, &v, sizeof(v), (off_t)(range * sizeof(v)));
}

/* ---- handing out ---- */

struct want {
	const struct network *net;
	uint32_t veid;
	int claims;
	uint8_t family;
};

/* 1: taken for the VE, 0: not to be had. */
static int try_claim(const struct want *w, const struct ipaddr *a, struct err *e)
{
	int64_t owner = ipam_owner(w->claims, a);
	int r;

	if (owner != 0 || net_is_host_addr(a) || ip_same_host(a, &w->net->gateway[0]) ||
	    ip_same_host(a, &w->net->gateway[1]))
		return owner < 0 ? (int)owner : 0;
	r = ipam_claim(w->claims, a, w->veid, e);
	if (r == -EADDRINUSE) {
		err_clear(e);           /* somebody was faster */
		return 0;
	}
	return r < 0 ? r : 1;
}

/* Of those that came back. A name that is no free address of the pool (any more) goes. */
static int from_free(const struct hints *h, const struct want *w, struct ipaddr *ret,
		     struct err *e)
{
	_fd_ int fd = openat(h->free, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;
	int r = 0;

	if (!d)
		return err_sys(e, "read the pool of network %s", w->net->name);
	(void)TAKE_FD(fd);
	while (r == 0 && (de = readdir(d))) {
		struct ipaddr a;

		if (*de->d_name == '.')
			continue;
		if (parse_ip(de->d_name, &a) == 0 && a.family != w->family)
			continue;
		if (parse_ip(de->d_name, &a) == 0 && network_has(w->net, &a)) {
			r = try_claim(w, &a, e);
			if (r == 1)
				*ret = a;
		}
		(void)unlinkat(h->free, de->d_name, 0);
	}
	return r;
}

static int from_range(const struct hints *h, const struct want *w, size_t i, struct ipaddr *ret,
		      struct err *e)
{
	const struct ip_range *range = &w->net->pool[i];
	uint64_t at = cursor_read(h, i);
	struct ipaddr a;
	int r = 0;

	for (; r == 0 && range_nth(range, at, &a); at++)
		if (w->net->mode == NET_ROUTED || !range_is_edge(range, &a)) {
			r = try_claim(w, &a, e);
			if (r == 1)
				*ret = a;
		}
	cursor_write(h, i, at);
	return r;
}

static int next_free(const struct ve *ve, const struct network *n, uint8_t family,
		     struct ipaddr *ret, struct err *e)
{
	_cleanup_(hints_close) struct hints h = HINTS_INIT;
	struct want w = { .net = n, .veid = ve->id, .claims = -1, .family = family };
	_fd_ int claims = -1;
	int r = hints_open(ve->in, n->name, &h, e);

	if (r == 0)
		r = fence_claims(ve->in, fence_of(ve), &claims, e);
	w.claims = claims;
	if (r == 0)
		r = from_free(&h, &w, ret, e);
	for (size_t i = 0; r == 0 && i < n->n_pool; i++)
		if (n->pool[i].first.family == family)
			r = from_range(&h, &w, i, ret, e);
	if (r == 0)
		return err_set(e, ENOSPC, VZ_IP_IN_USE,
			       "--ipadd auto: no free IPv%d address in the pool of network %s",
			       family == AF_INET ? 4 : 6, n->name);
	return r < 0 ? r : 0;
}

static bool pool_has(const struct network *n, uint8_t family)
{
	for (size_t i = 0; i < n->n_pool; i++)
		if (n->pool[i].first.family == family)
			return true;
	return false;
}

static bool has_auto(const struct ip_list *l)
{
	for (unsigned i = 0; i < l->n; i++)
		if (!l->a[i].family)
			return true;
	return false;
}

static int add_one(const struct ve *ve, const struct network *n, uint8_t family,
		   struct ip_list *out, struct err *e)
{
	char text[IPADDR_STRLEN];
	int r;

	if (out->n == VE_MAX_IPS)
		return err_set(e, ENOSPC, VZ_ADD_IP, "--ipadd: a VE has at most %d addresses",
			       VE_MAX_IPS);
	r = next_free(ve, n, family, &out->a[out->n], e);
	if (r < 0)
		return r;
	out->a[out->n].prefix = family == AF_INET ? 32 : 128;
	format_ip_host(&out->a[out->n++], text);
	inst_say(ve->in, "Address %s chosen from network %s", text, n->name);
	return 0;
}

static int choose(const struct ve *ve, const struct network *n, struct ip_list *l, struct err *e)
{
	struct ip_list out = { 0 };
	int r = 0;

	if (*fence_of(ve))
		return err_set(e, EINVAL, VZ_BAD_IP,
			       "--ipadd auto: pools are not for fence %s; name the address",
			       fence_of(ve));
	if (!n->n_pool)
		return err_set(e, ENOENT, VZ_BAD_IP,
			       "--ipadd auto: network %s has no pool; give it one with network set --pool",
			       n->name);
	for (unsigned i = 0; i < l->n && r == 0; i++) {
		if (l->a[i].family) {
			out.a[out.n++] = l->a[i];
			continue;
		}
		if (pool_has(n, AF_INET))
			r = add_one(ve, n, AF_INET, &out, e);
		if (r == 0 && pool_has(n, AF_INET6))
			r = add_one(ve, n, AF_INET6, &out, e);
	}
	*l = out;               /* also what was chosen before a failure: to be given back */
	return r;
}

/* What NETIF says, with the addresses that have been chosen for link ifname. */
static int write_back(struct ve *ve, const char *ifname, const struct ip_list *ips, struct err *e)
{
	struct netif_list l;
	int r = netif_read(ve->conf.netif, &l, e);

	if (r < 0)
		return r;
	netif_find(&l, ifname)->ips = *ips;
	if (netif_format(&l, ve->conf.netif, sizeof(ve->conf.netif)) < 0)
		return err_set(e, E2BIG, VZ_VETH, "--ipadd auto: more than a config can hold");
	return 0;
}

int addrs_choose(struct ve *ve, struct err *e)
{
	struct links_want w = links_of_conf(ve);
	struct links l;
	bool any = false;
	int r = links_plan(ve, &w, &l, e);

	if (r == 0 && has_auto(&ve->conf.ips)) {
		any = true;
		r = choose(ve, &l.net[0], &ve->conf.ips, e);
	}
	for (unsigned i = 0; r == 0 && i < l.n; i++) {
		struct ip_list ips = l.conf.a[i].ips;

		if (!has_auto(&ips))
			continue;
		any = true;
		r = choose(ve, &l.net[i], &ips, e);
		if (write_back(ve, l.a[i].guest_name, &ips, e) < 0)
			r = -e->eno;
	}
	return r < 0 ? r : any;
}

/* ---- who has what ---- */

/* What of a link can be one VE's only: its MAC, or the link of the host that it is. */
static void link_claim(const struct net_spec *s, char dst[20])
{
	const uint8_t *m = s->guest_mac;

	if (s->mode == NET_DEVICE)
		(void)str_fmt(dst, 20, "dev-%s", s->bridge);
	else
		(void)str_fmt(dst, 20, "mac-%02x%02x%02x%02x%02x%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

static int check_addr(const struct ve *ve, int claims, const struct network *n,
		      const struct ipaddr *a, struct err *e)
{
	char text[IPADDR_STRLEN];
	int64_t owner;

	if (!a->family)         /* auto: addrs_choose takes one that will do */
		return 0;
	owner = ipam_owner(claims, a);
	format_ip_host(a, text);
	if (owner > 0 && owner != ve->id)
		return err_set(e, EADDRINUSE, VZ_IP_IN_USE, "--ipadd %s: in use by VE %" PRId64, text,
			       owner);
	if (owner > 0)
		return 0;
	if (!*fence_of(ve) && net_is_host_addr(a))
		return err_set(e, EADDRINUSE, VZ_IP_IN_USE, "--ipadd %s: is an address of this host",
			       text);
	return *n->name ? network_check_addr(ve->in, n, a, e) : 0;
}

static int check_link(const struct ve *ve, int claims, const struct net_spec *s, struct err *e)
{
	char name[20], mac[MAC_STRLEN];
	int64_t owner;

	link_claim(s, name);
	owner = claim_owner(claims, name);
	if (owner <= 0 || owner == ve->id)
		return netdev_check(ve, s, e);
	if (s->mode == NET_DEVICE)
		return err_set(e, EADDRINUSE, VZ_NETDEV, "--netdev_add %s: VE %" PRId64 " has it", s->bridge,
			       owner);
	format_mac(s->guest_mac, mac);
	return err_set(e, EADDRINUSE, VZ_VETH, "--mac %s: in use by VE %" PRId64, mac, owner);
}

/* The same twice in one VE would be two links that fight for it. */
static int check_twice(const struct links *l, struct err *e)
{
	char one[20], other[20];

	for (unsigned i = 0; i < l->n; i++)
		for (unsigned k = 0; k < i; k++) {
			link_claim(&l->a[i], one);
			link_claim(&l->a[k], other);
			if (str_eq(one, other))
				return err_set(e, EADDRINUSE, VZ_VETH, "--%s: links %s and %s have the same",
					       l->a[i].mode == NET_DEVICE ? "netdev_add" : "mac",
					       l->a[k].guest_name, l->a[i].guest_name);
			if (str_eq(l->a[i].host_name, l->a[k].host_name))
				return err_set(e, EEXIST, VZ_VETH,
					       "--host_ifname %s: of links %s and %s", l->a[i].host_name,
					       l->a[k].guest_name, l->a[i].guest_name);
			for (unsigned x = 0; x < l->ips[i].n; x++)
				for (unsigned y = 0; y < l->ips[k].n; y++)
					if (ip_same_host(&l->ips[i].a[x], &l->ips[k].a[y]))
						return err_set(e, EADDRINUSE, VZ_IP_IN_USE,
							       "--ipadd: links %s and %s have the same address",
							       l->a[k].guest_name, l->a[i].guest_name);
		}
	return 0;
}

int addrs_check(const struct ve *ve, const struct links *l, struct err *e)
{
	_fd_ int claims = -1;
	int r = fence_claims(ve->in, fence_of(ve), &claims, e);

	if (r == 0)
		r = check_twice(l, e);
	for (unsigned i = 0; i < l->n && r == 0; i++) {
		r = check_link(ve, claims, &l->a[i], e);
		for (unsigned k = 0; k < l->ips[i].n && r == 0; k++)
			r = check_addr(ve, claims, &l->net[i], &l->ips[i].a[k], e);
	}
	return r;
}

static int claim_link(const struct ve *ve, int claims, const struct net_spec *s, struct err *e)
{
	char name[20];
	int r;

	link_claim(s, name);
	r = claim_take(claims, name, ve->id);
	if (r == -EEXIST)
		return check_link(ve, claims, s, e);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "claim %s", name);
	}
	return 0;
}

int addrs_claim(const struct ve *ve, const struct links *l, struct err *e)
{
	_fd_ int claims = -1;
	int r = fence_claims(ve->in, fence_of(ve), &claims, e);

	for (unsigned i = 0; i < l->n && r == 0; i++) {
		r = claim_link(ve, claims, &l->a[i], e);
		for (unsigned k = 0; k < l->ips[i].n && r == 0; k++)
			if (l->ips[i].a[k].family)
				r = ipam_claim(claims, &l->ips[i].a[k], ve->id, e);
	}
	return r;
}

/* The hint first: killed in between, it names an address that is taken, and is dropped then. */
static void give_back(const struct ve *ve, int claims, const struct network *n,
		      const struct ipaddr *a)
{
	_cleanup_(hints_close) struct hints h = HINTS_INIT;
	struct err ignored = ERR_INIT;
	char name[IPADDR_STRLEN];
	_fd_ int fd = -1;

	if (!*fence_of(ve) && network_has(n, a) && ipam_owner(claims, a) == (int64_t)ve->id &&
	    hints_open(ve->in, n->name, &h, &ignored) == 0) {
		format_ip_host(a, name);
		fd = openat(h.free, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	}
	ipam_release(claims, a, ve->id);
}

static bool stays(const struct links *l, const struct ipaddr *a)
{
	for (unsigned i = 0; l && i < l->n; i++)
		for (unsigned k = 0; k < l->ips[i].n; k++)
			if (ip_same_host(&l->ips[i].a[k], a))
				return true;
	return false;
}

static bool claim_stays(const struct links *l, const char *claim)
{
	char name[20];

	for (unsigned i = 0; l && i < l->n; i++) {
		link_claim(&l->a[i], name);
		if (str_eq(name, claim))
			return true;
	}
	return false;
}

void addrs_release(const struct ve *ve, const struct links *gone, const struct links *stay)
{
	struct err ignored = ERR_INIT;
	_fd_ int claims = -1;
	char name[20];

	if (fence_claims(ve->in, fence_of(ve), &claims, &ignored) < 0)
		return;
	for (unsigned i = 0; i < gone->n; i++) {
		link_claim(&gone->a[i], name);
		if (!claim_stays(stay, name))
			claim_drop(claims, name, ve->id);
		for (unsigned k = 0; k < gone->ips[i].n; k++)
			if (!stays(stay, &gone->ips[i].a[k]))
				give_back(ve, claims, &gone->net[i], &gone->ips[i].a[k]);
	}
}

static void drop_unnamed(const struct ve *ve, int claims, const struct links *l, const char *name)
{
	struct ipaddr a;
	unsigned i = 0;

	if (claim_owner(claims, name) != (int64_t)ve->id || parse_ip(name, &a) < 0 || stays(l, &a))
		return;
	while (i + 1 < l->n && !network_has(&l->net[i], &a))
		i++;
	if (l->n)
		give_back(ve, claims, &l->net[i], &a);
	else
		ipam_release(claims, &a, ve->id);
}

void addrs_drop_unnamed(const struct ve *ve)
{
	struct links_want w = links_of_conf(ve);
	struct err ignored = ERR_INIT;
	_dir_ DIR *d = NULL;
	_fd_ int claims = -1;
	struct dirent *de;
	struct links l;
	int list;

	if (fence_claims(ve->in, fence_of(ve), &claims, &ignored) < 0)
		return;
	list = openat(claims, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = list < 0 ? NULL : fdopendir(list);
	links_plan_undo(ve, &w, &l);
	while (d && (de = readdir(d)))
		drop_unnamed(ve, claims, &l, de->d_name);
}

void addrs_drop(const struct ve *ve, const struct ip_list *l, const struct links *stay)
{
	struct err ignored = ERR_INIT;
	_fd_ int claims = -1;

	if (fence_claims(ve->in, fence_of(ve), &claims, &ignored) < 0)
		return;
	for (unsigned i = 0; i < l->n; i++)
		if (!stays(stay, &l->a[i]))
			ipam_release(claims, &l->a[i], ve->id);
}

static bool names_claim(const struct ve *ve, const struct links_want *w, const char *claim)
{
	char name[IPADDR_STRLEN];
	struct links l;

	links_plan_undo(ve, w, &l);
	for (unsigned i = 0; i < l.n; i++) {
		link_claim(&l.a[i], name);
		if (str_eq(name, claim))
			return true;
		for (unsigned k = 0; k < l.ips[i].n; k++) {
			format_ip_host(&l.ips[i].a[k], name);
			if (str_eq(name, claim))
				return true;
		}
	}
	return false;
}

bool addrs_named(const struct ve *ve, const char *claim)
{
	struct links_want conf = links_of_conf(ve), has = links_of_state(ve);

	return names_claim(ve, &conf, claim) || names_claim(ve, &has, claim);
}

/* ---- the wire ---- */

static struct wire wire_of(const struct network *n)
{
	const char *uplink = n->text[NR_UPLINK];

	/* Our own bridge is nobody's but our VEs', whose claims we have: what counts is behind it. */
	if (n->own_bridge)
		return (struct wire){ uplink, n->vlan };
	return (struct wire){ n->bridge, n->vlan };
}

/* Of a routed network each address has the wire that leads to where it would be. */
static int probe(const struct network *n, const struct ip_list *new, struct err *e)
{
	struct wire w = wire_of(n);
	char uplink[IFNAMSIZ];
	int r = 0;

	if (n->mode != NET_ROUTED)
		return *w.link && new->n ? wire_probe(&w, new->a, new->n, WIRE_WAIT_MS, e) : 0;
	w = (struct wire){ uplink, 0 };
	for (unsigned i = 0; i < new->n && r == 0; i++)
		if (net_uplink(&new->a[i], uplink))
			r = wire_probe(&w, &new->a[i], 1, WIRE_WAIT_MS, e);
	return r;
}

int links_probe(const struct links *from, const struct links *to, struct err *e)
{
	int r = 0;

	for (unsigned i = 0; i < to->n && r == 0; i++) {
		struct ip_list new = { 0 };

		for (unsigned k = 0; k < to->ips[i].n; k++)
			if (!from || !stays(from, &to->ips[i].a[k]))
				new.a[new.n++] = to->ips[i].a[k];
		if (to->net[i].probe)
			r = probe(&to->net[i], &new, e);
	}
	return r;
}
