/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Order. Up: filter, pair (down), host end, routes, proxy entries, guest end: no packet of the
 * VE can arrive before the filter knows the link. Down: pair, proxy entries, filter.
 */
#include "netns/network.h"

#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "netns/account.h"
#include "netns/addr.h"
#include "netns/direct.h"
#include "netns/guestlink.h"
#include "netns/hostlink.h"
#include "netns/link.h"
#include "netns/netfilter.h"
#include "netns/nl.h"
#include "netns/port.h"
#include "netns/route.h"
#include "netns/tap.h"
#include "netns/wire.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-proc.h"

#define SETTLE_US 50000

void net_host_name(char dst[IFNAMSIZ], const char *tag, uint32_t veid, unsigned index)
{
	const char *dot = *tag ? "." : "";
	int n;

	if (!*tag)
		tag = "veth";
	n = snprintf(dst, IFNAMSIZ, "%.4s%s%u.%u", tag, dot, veid, index);
	if (n >= IFNAMSIZ)
		(void)snprintf(dst, IFNAMSIZ, "%.4sx%x.%x", tag, veid, index & 15);
}

uint64_t net_hash(uint64_t h, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len--)
		h = (h ^ *p++) * UINT64_C(0x100000001b3);
	return h;
}

/*
 * Both are locally administered unicast. The host end's starts with fe, so that a bridge it is
 * ever put in keeps its own, lower address.
 */
void net_macs(const char *tag, uint32_t veid, unsigned index, uint8_t host[6], uint8_t guest[6])
{
	uint64_t h = net_hash(NET_HASH, tag, strlen(tag));

	h = net_hash(h, &veid, sizeof(veid));
	h = net_hash(h, &index, sizeof(index));
	h ^= h >> 32;
	host[0] = 0xfe;
	guest[0] = 0x02;
	for (int i = 1; i < 6; i++, h >>= 8)
		host[i] = guest[i] = (uint8_t)h;
}

uint32_t net_group(const char *table, uint32_t number)
{
	uint64_t h = net_hash(NET_HASH, table, strlen(table));

	uint32_t group = (uint32_t)(h ^ h >> 32) << 16 | (number & 0xffff);

	return group ? group : UINT32_MAX;
}

struct ipaddr net_gateway6(const uint8_t host_mac[6])
{
	return addr_link_local(host_mac);
}

bool net_on_wire(enum net_mode mode)
{
	return mode == NET_BRIDGED || mode == NET_MACVLAN || mode == NET_DEVICE;
}

static int make_pair(struct nl *n, const struct net_spec *s, int netns, struct err *e)
{
	int r;

	link_put_veth(n, s, netns);
	r = nl_done(n, e);
	if (r != -EEXIST)
		return r;
	err_clear(e);           /* of an earlier run whose namespace has not gone yet */
	link_put_del(n, s->host_name);
	link_put_veth(n, s, netns);
	return nl_done(n, e);
}

/*
 * The end that is set up first sends nothing, and as a port passes nothing on, until the kernel's
 * link watch has noticed its carrier: the first answer to ARP would be lost and cost the VE a second,
 * and nobody would hear where it is. That is why the guest end comes last; for the host end, asking
 * for the link makes the kernel catch up (measured on 6.18: without it a quarter of first packets
 * sent at once were lost, with it none). 6.1 does so by itself, a moment later: it is asked again.
 */
static int settle(struct nl *n, const struct net_spec *s, uint64_t patience_us, struct err *e)
{
	uint64_t end = proc_now_us() + patience_us;
	bool up;
	int r;

	for (;;) {
		r = link_is_up(n, s->host_name, &up, e);
		if (r < 0 || up || proc_now_us() >= end)
			return r;
		(void)poll(NULL, 0, 1);
	}
}

/* With a tap nobody is at the other end yet, and who comes sets its addresses itself. */
/* A bridge passes frames by without looking at flows. */
int net_cap(const struct net_spec *s, struct err *e)
{
	if (net_is_direct(s))           /* refused where they are set */
		return 0;
	if (s->mode == NET_BRIDGED && caps_any(&s->caps))
		return err_set(e, EOPNOTSUPP, VZ_NO_KERNEL_SUPPORT,
			       "%s: flows of a bridged link are not tracked, so they have no caps",
			       s->guest_name);
	return caps_set(s->table, s->host_name, &s->caps, e);
}

static int make_tap(struct nl *n, const struct net_spec *s, int *ret, struct err *e)
{
	int r = tap_open(s->host_name, s->host_mac, ret, e);

	if (r < 0)
		return r;
	link_put_group(n, s->host_name, s->group);
	return nl_done(n, e);
}

static int up(const struct net_spec *s, int netns, int *ret_tap, struct err *e)
{
	_nl_ struct nl n = NL_INIT;
	int r = nf_link_add(s, e);

	if (r == 0)
		r = acct_add(s->table, s->host_name, s->mode == NET_BRIDGED, e);
	if (r == 0)
		r = nl_open(&n, NETLINK_ROUTE, e);
	if (r == 0)
		r = ret_tap ? make_tap(&n, s, ret_tap, e)
			    : make_pair(&n, s, netns, e);
	if (r == 0 && caps_any(&s->caps))
		r = net_cap(s, e);
	if (r == 0 && (s->shape.in || s->shape.out))
		r = shape_set(s->host_name, &s->shape, e);
	if (r == 0)
		r = s->mode == NET_BRIDGED ? port_up(&n, s, e) : hostlink_up(&n, s, e);
	if (r == 0 && !ret_tap)
		r = guestlink_up(s, netns, e);
	if (r == 0)
		r = settle(&n, s, ret_tap ? 0 : SETTLE_US, e);
	if (r == 0 && s->mode == NET_BRIDGED && !ret_tap)
		wire_announce(netns, s->guest_name, s->guest_mac, s->addrs, s->n_addrs);
	return r;
}

static int up_or_down(const struct net_spec *s, int netns, int *ret_tap, struct err *e)
{
	int r;

	if (!net_is_direct(s))
		r = up(s, netns, ret_tap, e);
	else if (!ret_tap)
		r = direct_up(s, netns, e);
	else
		r = err_set(e, EOPNOTSUPP, 0, "what leads past the host is for containers");
	if (r == 0)
		return 0;
	(void)net_down(s);
	(void)err_exit(e, VZ_VETH);
	return err_wrap(e, "link %s", s->host_name);
}

int net_up(const struct net_spec *s, int netns, struct err *e)
{
	return up_or_down(s, netns, NULL, e);
}

int net_up_tap(const struct net_spec *s, int *ret_tap, struct err *e)
{
	_fd_ int tap = -1;
	int r = up_or_down(s, -1, &tap, e);

	if (r == 0)
		*ret_tap = TAKE_FD(tap);
	return r;
}

static int first_failure(int a, int b)
{
	/* A kernel without netfilter has none of it. */
	return a < 0 && a != -EPROTONOSUPPORT ? a : b == -EPROTONOSUPPORT ? 0 : b;
}

int net_down(const struct net_spec *s)
{
	_nl_ struct nl n = NL_INIT;
	struct err e = ERR_INIT;
	int r;

	if (net_is_direct(s))           /* nothing of it is here */
		return 0;
	r = nl_open(&n, NETLINK_ROUTE, &e);
	if (r == 0) {
		link_put_del(&n, s->host_name);
		r = nl_done(&n, &e);
		hostlink_down(&n, s);
	}
	caps_forget(s->table, s->host_name);
	r = first_failure(r, shape_forget(s->host_name));
	return first_failure(r, nf_link_del(s));
}

bool net_uplink(const struct ipaddr *a, char ret[IFNAMSIZ])
{
	return hostlink_uplink(a, ret);
}

void net_announce(const struct net_spec *s, int tap)
{
	char uplink[IFNAMSIZ], next[IFNAMSIZ];
	size_t n, i = 0;

	if (s->mode == NET_BRIDGED && tap >= 0)
		wire_announce_tap(tap, s->guest_mac, s->addrs, s->n_addrs);
	while (s->mode == NET_ROUTED && i < s->n_addrs) {
		n = 1;
		if (hostlink_uplink(&s->addrs[i], uplink)) {
			while (i + n < s->n_addrs && hostlink_uplink(&s->addrs[i + n], next) &&
			       str_eq(uplink, next))
				n++;
			wire_announce(-1, uplink, NULL, &s->addrs[i], n);
		}
		i += n;
	}
}

int net_answers(const struct net_spec *s, bool mend, struct err *e)
{
	return s->mode == NET_ROUTED ? hostlink_answers(s, mend, e) : 1;
}

/* As what the guest sends: only so it comes into the bridge by the right port, with its VLAN. */
void net_announce_machine(const struct net_spec *s, const struct ipaddr *a, pid_t pid, int pidfd)
{
	_fd_ int tap = -1;

	if (s->mode == NET_BRIDGED && tap_of(pid, pidfd, s->host_name, &tap) == 0)
		wire_announce_tap(tap, s->guest_mac, a, 1);
}

int net_addr_add(const struct net_spec *s, int netns, const struct ipaddr *a, struct err *e)
{
	struct err undo = ERR_INIT;
	bool wire = net_on_wire(s->mode);
	char uplink[IFNAMSIZ];
	int r = wire ? 0 : hostlink_addr_add(s, a, e);

	if (r == -EADDRINUSE)           /* nothing done yet, and nothing of it is ours */
		return err_wrap(e, "link %s", s->host_name);
	if (r == 0 && !net_is_direct(s))
		r = nf_addr_add(s, a, e);
	if (r == 0)
		r = guestlink_addr_add(s, netns, a, e);
	if (r == 0 && wire && s->mode != NET_DEVICE && netns >= 0)
		wire_announce(netns, s->guest_name, s->guest_mac, a, 1);
	if (r == 0 && s->mode == NET_ROUTED && hostlink_uplink(a, uplink))
		wire_announce(-1, uplink, NULL, a, 1);
	if (r == 0)
		return 0;
	(void)!net_addr_del(s, netns, a, &undo);
	(void)err_exit(e, VZ_ADD_IP);
	return err_wrap(e, "link %s", s->host_name);
}

/* Both sides are tried whatever happens; the first failure is the one reported. */
int net_addr_del(const struct net_spec *s, int netns, const struct ipaddr *a, struct err *e)
{
	struct err second = ERR_INIT;
	int r = guestlink_addr_del(s, netns, a, e);
	int r2 = net_on_wire(s->mode) ? 0 : hostlink_addr_del(s, a, r < 0 ? &second : e);

	if (!net_is_direct(s))
		nf_addr_del(s, a);
	if (r == 0 && r2 == 0)
		return 0;
	(void)err_exit(e, VZ_ADD_IP);
	return err_wrap(e, "link %s", s->host_name);
}

int net_switch(const struct net_spec *from, const struct net_spec *to, struct err *e)
{
	return net_is_direct(to) ? 0 : nf_link_change(from, to, e);
}

int net_default(const struct net_spec *from, const struct net_spec *to, int netns, struct err *e)
{
	int r = guestlink_default(from, to, netns, e);

	return r < 0 ? err_wrap(e, "default route by %s", to->guest_name) : 0;
}

int net_forward(const char *table, struct net_forwards gone, struct net_forwards come,
		struct err *e)
{
	return nf_forward(table, gone, come, e);
}

int net_serve(const char *table, uint32_t group, const struct services *to, struct err *e)
{
	return nf_serve(table, group, to, e);
}

bool net_is_host_addr(const struct ipaddr *a)
{
	_nl_ struct nl n = NL_INIT;
	struct err e = ERR_INIT;
	struct route_hit hit;

	return nl_open(&n, NETLINK_ROUTE, &e) == 0 && route_lookup(&n, a, &hit, &e) == 0 &&
	       hit.local;
}

bool net_is_port(const char *host_name)
{
	_nl_ struct nl n = NL_INIT;
	struct err ignored = ERR_INIT;

	return nl_open(&n, NETLINK_ROUTE, &ignored) == 0 && link_is_port(&n, host_name);
}

int net_read_counters(const char *host_name, struct net_counters *ret)
{
	_nl_ struct nl n = NL_INIT;
	struct err e = ERR_INIT;
	int r = nl_open(&n, NETLINK_ROUTE, &e);

	return r < 0 ? r : link_counters(&n, host_name, ret, &e);
}
