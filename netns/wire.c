/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-proc.h"

#define ARP_LEN 28              /* over Ethernet and IPv4 */
#define ND_LEN 72               /* IPv6 header 40, message 24, one option 8 */
#define FRAME_MAX 128
#define HEAD_MAX 64             /* of a tap, struct virtio_net_hdr in one of its sizes */

struct port {
	int fd;
	unsigned index;
	uint8_t mac[6];
};

struct frame {
	uint8_t b[FRAME_MAX];
	size_t len;
};

static int open_port(const char *link, struct port *ret)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	struct ifreq req = { 0 };
	_fd_ int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || strlen(link) >= IFNAMSIZ)
		return -errno;
	memcpy(req.ifr_name, link, strlen(link));
	if (ioctl(fd, SIOCGIFHWADDR, &req) < 0)
		return -errno;
	if (req.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return -EPROTOTYPE;
	memcpy(ret->mac, req.ifr_hwaddr.sa_data, 6);
	ret->index = if_nametoindex(link);
	at.sll_ifindex = (int)ret->index;
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return -errno;
	ret->fd = TAKE_FD(fd);
	return 0;
}

/* ---- building ---- */

static void put(struct frame *f, const void *data, size_t len)
{
	memcpy(f->b + f->len, data, len);
	f->len += len;
}

static void put16(struct frame *f, uint16_t v)
{
	v = htons(v);
	put(f, &v, 2);
}

static void put_head(struct frame *f, const uint8_t to[6], const uint8_t from[6], uint16_t vlan,
		     uint16_t type)
{
	f->len = 0;
	put(f, to, 6);
	put(f, from, 6);
	if (vlan) {
		put16(f, ETH_P_8021Q);
		put16(f, vlan);
	}
	put16(f, type);
}

static void build_arp(struct frame *f, const uint8_t mac[6], uint16_t vlan, struct in_addr sender,
		      struct in_addr target)
{
	static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 }, none[6];

	put_head(f, all, mac, vlan, ETH_P_ARP);
	put16(f, ARPHRD_ETHER);
	put16(f, ETH_P_IP);
	put16(f, 6 << 8 | 4);
	put16(f, ARPOP_REQUEST);
	put(f, mac, 6);
	put(f, &sender, 4);
	put(f, none, 6);
	put(f, &target, 4);
}

/* Checksum with the pseudo header (RFC 8200, 8.1); the message starts at at, behind its header. */
static uint16_t checksum(const uint8_t *ip6, size_t payload)
{
	uint32_t sum = (uint32_t)payload + IPPROTO_ICMPV6;

	for (size_t i = 8; i < 40 + payload; i += 2)
		sum += (uint32_t)ip6[i] << 8 | ip6[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* A solicitation for duplicates (from ::), or an advertisement with the option 2. */
static void build_nd(struct frame *f, const uint8_t mac[6], uint16_t vlan,
		     const struct in6_addr *a, bool advertise)
{
	uint8_t to[6] = { 0x33, 0x33, 0, 0, 0, 1 };
	struct in6_addr src = IN6ADDR_ANY_INIT, dst = { .s6_addr = { 0xff, 2, [15] = 1 } };
	const uint8_t option[] = { ND_OPT_TARGET_LINKADDR, 1 };
	uint16_t payload = advertise ? 32 : 24, sum;
	size_t ip6;

	if (advertise) {
		src = *a;
	} else {                        /* solicited-node multicast (RFC 4291, 2.7.1) */
		dst = (struct in6_addr){ .s6_addr = { 0xff, 2, [11] = 1, [12] = 0xff,
						      a->s6_addr[13], a->s6_addr[14],
						      a->s6_addr[15] } };
		memcpy(to + 2, dst.s6_addr + 12, 4);
	}
	put_head(f, to, mac, vlan, ETH_P_IPV6);
	ip6 = f->len;
	put(f, &(const uint8_t[]){ 0x60, 0, 0, 0 }, 4);
	put16(f, payload);
	put16(f, IPPROTO_ICMPV6 << 8 | 255);
	put(f, &src, 16);
	put(f, &dst, 16);
	put16(f, (uint16_t)(advertise ? ND_NEIGHBOR_ADVERT : ND_NEIGHBOR_SOLICIT) << 8);
	put16(f, 0);
	put(f, &(const uint8_t[]){ advertise ? 0x20 : 0, 0, 0, 0 }, 4);         /* override */
	put(f, a, 16);
	if (advertise) {
		put(f, option, 2);
		put(f, mac, 6);
	}
	sum = htons(checksum(f->b + ip6, payload));
	memcpy(f->b + ip6 + 42, &sum, 2);
}

/* ---- asking ---- */

static void ask(const struct port *p, const struct wire *w, const struct ipaddr *addrs, size_t n)
{
	struct in_addr none = { 0 };
	struct frame f;

	for (size_t i = 0; i < n; i++) {
		if (addrs[i].family == AF_INET)
			build_arp(&f, p->mac, w->vlan, none, addrs[i].v4);
		else
			build_nd(&f, p->mac, w->vlan, &addrs[i].v6, false);
		(void)!write(p->fd, f.b, f.len);
	}
}

/* The address a frame says its sender has. */
static bool claimed(const uint8_t *b, size_t len, struct ipaddr *ret)
{
	size_t at = 12;
	uint16_t type;

	*ret = (struct ipaddr){ 0 };
	if (len >= 18 && b[12] == 0x81 && b[13] == 0)
		at += 4;
	if (len < at + 2)
		return false;
	type = (uint16_t)(b[at] << 8 | b[at + 1]);
	b += at + 2;
	len -= at + 2;
	if (type == ETH_P_ARP && len >= ARP_LEN) {
		ret->family = AF_INET;
		memcpy(&ret->v4, b + 14, 4);
		return ret->v4.s_addr != 0;
	}
	if (type != ETH_P_IPV6 || len < 64 || b[6] != IPPROTO_ICMPV6 || b[40] != ND_NEIGHBOR_ADVERT)
		return false;
	ret->family = AF_INET6;
	memcpy(&ret->v6, b + 48, 16);
	return true;
}

static int refuse(const struct wire *w, const struct ipaddr *a, const uint8_t *mac, struct err *e)
{
	char addr[IPADDR_STRLEN], who[MAC_STRLEN];

	format_ip_host(a, addr);
	format_mac(mac, who);
	return err_set(e, EADDRINUSE, VZ_IP_IN_USE, "--ipadd %s: in use by %s on %s", addr, who, w->link);
}

/* Until nothing more is there. */
static int listen_once(const struct port *p, const struct wire *w, const struct ipaddr *addrs,
		       size_t n, struct err *e)
{
	uint8_t b[FRAME_MAX];
	struct ipaddr a;
	ssize_t got;

	while ((got = recv(p->fd, b, sizeof(b), 0)) > 0)
		for (size_t i = 0; i < n && claimed(b, (size_t)got, &a); i++)
			if (ip_same_host(&a, &addrs[i]) && memcmp(b + 6, p->mac, 6) != 0)
				return refuse(w, &a, b + 6, e);
	return 0;
}

int wire_probe(const struct wire *w, const struct ipaddr *addrs, size_t n, int wait_ms,
	       struct err *e)
{
	uint64_t end = proc_now_us() + (uint64_t)wait_ms * 1000, now;
	uint64_t again = end - (uint64_t)wait_ms * 500;
	struct port p = { .fd = -1 };
	_fd_ int fd = -1;
	int r = open_port(w->link, &p);

	if (r < 0)
		return err_set(e, -r, VZ_VETH, "listen on %s: %s", w->link, strerror(-r));
	fd = p.fd;
	ask(&p, w, addrs, n);
	while (r == 0 && (now = proc_now_us()) < end) {
		struct pollfd pf = { .fd = fd, .events = POLLIN };

		if (now >= again) {
			ask(&p, w, addrs, n);
			again = end;
		}
		(void)poll(&pf, 1, (int)((again - now) / 1000) + 1);
		r = listen_once(&p, w, addrs, n, e);
	}
	return r;
}

/* ---- telling ---- */

/* head: bytes of nothing before each frame. */
static void tell(int fd, size_t head, const uint8_t mac[6], const struct ipaddr *addrs, size_t n)
{
	static uint8_t nothing[HEAD_MAX];
	struct frame f;

	for (size_t i = 0; i < n; i++) {
		struct iovec v[] = { { nothing, head }, { f.b, 0 } };

		if (addrs[i].family == AF_INET)
			build_arp(&f, mac, 0, addrs[i].v4, addrs[i].v4);
		else
			build_nd(&f, mac, 0, &addrs[i].v6, true);
		v[1].iov_len = f.len;
		(void)!writev(fd, v, ARRAY_SIZE(v));
	}
}

static void announce(const char *link, const uint8_t mac[6], const struct ipaddr *addrs, size_t n)
{
	struct port p = { .fd = -1 };

	if (open_port(link, &p) < 0)
		return;
	tell(p.fd, 0, mac ? mac : p.mac, addrs, n);
	(void)close(p.fd);
}

void wire_announce(int netns, const char *link, const uint8_t mac[6], const struct ipaddr *addrs,
		   size_t n)
{
	_fd_ int own = netns < 0 ? -1 : open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (netns >= 0 && (own < 0 || setns(netns, CLONE_NEWNET) < 0))
		return;
	announce(link, mac, addrs, n);
	/* Opening the way back was possible, so going it is: the descriptor is held. */
	if (own >= 0 && setns(own, CLONE_NEWNET) < 0)
		_exit(1);
}

void wire_announce_tap(int tap, const uint8_t mac[6], const struct ipaddr *addrs, size_t n)
{
	int head;

	if (ioctl(tap, TUNGETVNETHDRSZ, &head) == 0 && head >= 0 && head <= HEAD_MAX)
		tell(tap, (size_t)head, mac, addrs, n);
}
