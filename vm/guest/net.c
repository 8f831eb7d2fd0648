/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Links by rtnetlink(7), as a container gets them from outside (netns/guestlink.c): on a routed one whole addresses
 * (/32, /128) and gateways on the link, default routes with the first address of a family as their source.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/parse.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "vm/guest/guest.h"

struct request {
	struct nlmsghdr h;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg addr;
		struct rtmsg route;
	};
	char attrs[256];
};

static const void *bytes_of(const struct ipaddr *a)
{
	return a->family == AF_INET ? (const void *)&a->v4 : (const void *)&a->v6;
}

static uint16_t size_of(const struct ipaddr *a)
{
	return a->family == AF_INET ? 4 : 16;
}

static void begin(struct request *r, uint16_t type, uint16_t flags, size_t body)
{
	*r = (struct request){ .h = { .nlmsg_type = type,
				      .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags),
				      .nlmsg_len = (uint32_t)NLMSG_LENGTH(body) } };
}

static void attr(struct request *r, uint16_t type, const void *data, uint16_t len)
{
	struct rtattr a = { .rta_len = (uint16_t)RTA_LENGTH(len), .rta_type = type };
	char *at = (char *)r + NLMSG_ALIGN(r->h.nlmsg_len);

	memcpy(at, &a, sizeof(a));
	memcpy(at + RTA_LENGTH(0), data, len);
	r->h.nlmsg_len = (uint32_t)(NLMSG_ALIGN(r->h.nlmsg_len) + RTA_ALIGN(a.rta_len));
}

/* 0 or -Exxx as the kernel says. */
static int talk(int nl, const struct request *r)
{
	struct {
		struct nlmsghdr h;
		struct nlmsgerr err;
		char more[1024];
	} answer;
	ssize_t n;

	if (send(nl, r, r->h.nlmsg_len, 0) < 0)
		return -errno;
	do {
		n = recv(nl, &answer, sizeof(answer), 0);
	} while (n < 0 && errno == EINTR);
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(answer.err.error)) ||
	    answer.h.nlmsg_type != NLMSG_ERROR)
		return n < 0 ? -errno : -EPROTO;
	return answer.err.error;
}

static int index_of_name(const char *name)
{
	return (int)if_nametoindex(name);
}

static int link_up(int nl, int index)
{
	struct request r;

	begin(&r, RTM_NEWLINK, 0, sizeof(r.link));
	r.link.ifi_index = index;
	r.link.ifi_flags = r.link.ifi_change = IFF_UP;
	return talk(nl, &r);
}

/* A link that is up keeps its name; then it has it already. */
static int link_rename(int nl, int index, const char *name)
{
	struct request r;

	begin(&r, RTM_NEWLINK, 0, sizeof(r.link));
	r.link.ifi_index = index;
	attr(&r, IFLA_IFNAME, name, (uint16_t)(strlen(name) + 1));
	return talk(nl, &r);
}

static int address(int nl, bool add, unsigned index, const struct ipaddr *a)
{
	struct request r;

	begin(&r, add ? RTM_NEWADDR : RTM_DELADDR, add ? NLM_F_CREATE | NLM_F_REPLACE : 0,
	      sizeof(r.addr));
	r.addr.ifa_family = a->family;
	r.addr.ifa_prefixlen = a->prefix;
	r.addr.ifa_index = index;
	r.addr.ifa_flags = a->family == AF_INET6 ? IFA_F_NODAD : 0;
	attr(&r, IFA_LOCAL, bytes_of(a), size_of(a));
	attr(&r, IFA_ADDRESS, bytes_of(a), size_of(a));
	return talk(nl, &r);
}

struct way {
	const struct ipaddr *to;        /* NULL: the default route */
	const struct ipaddr *via, *src; /* via NULL: on the link */
};

static int route(int nl, unsigned index, const struct way *w)
{
	const struct ipaddr *any = w->to ? w->to : w->via;
	struct request r;

	begin(&r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, sizeof(r.route));
	r.route.rtm_family = any->family;
	r.route.rtm_table = RT_TABLE_MAIN;
	r.route.rtm_protocol = RTPROT_STATIC;
	r.route.rtm_type = RTN_UNICAST;
	r.route.rtm_scope = w->via ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
	r.route.rtm_flags = w->via ? RTNH_F_ONLINK : 0;
	r.route.rtm_dst_len = w->to ? w->to->prefix : 0;
	attr(&r, RTA_OIF, &index, sizeof(index));
	if (w->to)
		attr(&r, RTA_DST, bytes_of(w->to), size_of(w->to));
	if (w->via)
		attr(&r, RTA_GATEWAY, bytes_of(w->via), size_of(w->via));
	if (w->src)
		attr(&r, RTA_PREFSRC, bytes_of(w->src), size_of(w->src));
	return talk(nl, &r);
}

static void drop_default(int nl, unsigned index, uint8_t family)
{
	struct request r;

	begin(&r, RTM_DELROUTE, 0, sizeof(r.route));
	r.route.rtm_family = family;
	r.route.rtm_table = RT_TABLE_MAIN;
	r.route.rtm_scope = RT_SCOPE_NOWHERE;
	attr(&r, RTA_OIF, &index, sizeof(index));
	(void)talk(nl, &r);             /* none there is fine */
}

static const struct ipaddr *first_of(const struct net_link *l, uint8_t family)
{
	for (size_t i = 0; i < l->n_have; i++)
		if (l->have[i].family == family)
			return &l->have[i];
	return NULL;
}

static int family_up(int nl, unsigned index, const struct net_link *l, uint8_t family)
{
	const struct ipaddr *gw = &l->gateway[family == AF_INET6], *via = &l->via[family == AF_INET6];
	const struct ipaddr *src = first_of(l, family);
	int r = 0;

	if (!src || gw->family != family)
		drop_default(nl, index, family);
	if (!src)
		return 0;
	if (gw->family == family && l->routed && family == AF_INET)
		r = route(nl, index, &(struct way){ gw, NULL, NULL });
	if (!r && gw->family == family)
		r = route(nl, index, &(struct way){ NULL, gw, src });
	for (size_t i = 0; !r && i < l->n_nets; i++)
		if (l->nets[i].family == family && via->family == family)
			r = route(nl, index, &(struct way){ &l->nets[i], via, src });
	return r;
}

/* The host chooses the link-local address, too: the one that belongs to the MAC (RFC 4291, A). */
static void link_local(int nl, unsigned index, const uint8_t m[6])
{
	struct ipaddr a = { .family = AF_INET6, .prefix = 64 };
	unsigned char *b = a.v6.s6_addr;

	b[0] = 0xfe;
	b[1] = 0x80;
	for (int i = 0; i < 3; i++) {
		b[8 + i] = m[i];
		b[13 + i] = m[3 + i];
	}
	b[8] ^= 2;
	b[11] = 0xff;
	b[12] = 0xfe;
	(void)address(nl, true, index, &a);
}

static void sysctl6(const char *name, const char *key, const char *value)
{
	struct err e = ERR_INIT;
	char path[96];

	(void)str_fmt(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/%s", name, key);
	(void)!fs_write_at(AT_FDCWD, path, value, &e);
}

static bool has_mac(const char *name, const uint8_t mac[6])
{
	struct err ignored = ERR_INIT;
	_free_ char *text = NULL;
	char path[64 + IFNAMSIZ];
	uint8_t have[6];

	if (str_fmt(path, sizeof(path), "/sys/class/net/%s/address", name) < 0 ||
	    fs_read_at(AT_FDCWD, path, 64, &text, NULL, &ignored) < 0)
		return false;
	text[strcspn(text, "\n")] = '\0';
	return parse_mac(text, have) == 0 && memcmp(have, mac, 6) == 0;
}

/* 0: there is none. */
static int index_of_mac(const uint8_t mac[6])
{
	struct if_nameindex *all = if_nameindex();
	int index = 0;

	for (const struct if_nameindex *i = all; i && i->if_index && !index; i++)
		if (has_mac(i->if_name, mac))
			index = (int)i->if_index;
	if (all)
		if_freenameindex(all);
	return index;
}

void link_loopback(void)
{
	_fd_ int nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (nl >= 0)
		(void)link_up(nl, index_of_name("lo"));
}

static int set_up(int nl, int index, const struct net_link *l)
{
	int r;

	(void)link_rename(nl, index, l->name);
	if (first_of(l, AF_INET6)) {
		sysctl6(l->name, "addr_gen_mode", "1");
		sysctl6(l->name, "accept_ra", "0");
	}
	r = link_up(nl, index);
	for (size_t i = 0; i < l->n_lose; i++)
		(void)address(nl, false, (unsigned)index, &l->lose[i]);
	for (size_t i = 0; r >= 0 && i < l->n_have; i++)
		r = address(nl, true, (unsigned)index, &l->have[i]);
	if (r >= 0 && first_of(l, AF_INET6))
		link_local(nl, (unsigned)index, l->mac);
	if (r >= 0)
		r = family_up(nl, (unsigned)index, l, AF_INET);
	return r < 0 ? r : family_up(nl, (unsigned)index, l, AF_INET6);
}

int link_set(const struct net_link *l, struct err *e)
{
	_fd_ int nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int index = index_of_mac(l->mac), r;

	if (nl < 0)
		return err_sys(e, "open netlink");
	if (!index)
		return err_set(e, ENODEV, 0, "configure %.15s: there is none", l->name);
	r = set_up(nl, index, l);
	if (r >= 0)
		return 0;
	errno = -r;
	return err_sys(e, "configure %.15s", l->name);
}
