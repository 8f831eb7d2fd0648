/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>

struct ipaddr addr_link_local(const uint8_t mac[6])
{
	struct ipaddr a = { .family = AF_INET6, .prefix = 128 };
	uint8_t *b = a.v6.s6_addr;

	b[0] = 0xfe;
	b[1] = 0x80;
	memcpy(b + 8, mac, 3);
	b[8] ^= 0x02;
	b[11] = 0xff;
	b[12] = 0xfe;
	memcpy(b + 13, mac + 3, 3);
	return a;
}

struct ipaddr addr_gateway4(void)
{
	return (struct ipaddr){ .family = AF_INET, .prefix = 32,
				.v4.s_addr = htonl(0xa9fe0001) };
}

uint8_t addr_bits(const struct ipaddr *a)
{
	return a->family == AF_INET ? 32 : 128;
}

uint16_t addr_len(const struct ipaddr *a)
{
	return a->family == AF_INET ? 4 : 16;
}

static struct ifaddrmsg *put(struct nl *n, uint16_t type, unsigned index, const struct ipaddr *a)
{
	uint16_t flags = type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_REPLACE : 0;
	struct nlmsghdr *h = nl_msg(n, type, flags | NLM_F_ACK,
				    type == RTM_NEWADDR ? "add address" : "delete address");
	struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));

	m->ifa_family = a->family;
	m->ifa_prefixlen = addr_bits(a);
	m->ifa_index = index;
	if (a->family == AF_INET6 && type == RTM_NEWADDR)
		m->ifa_flags = IFA_F_NODAD;
	mnl_attr_put(h, IFA_LOCAL, addr_len(a), &a->v4);
	mnl_attr_put(h, IFA_ADDRESS, addr_len(a), &a->v4);
	return m;
}

void addr_put(struct nl *n, unsigned index, const struct ipaddr *a, uint8_t prefix)
{
	put(n, RTM_NEWADDR, index, a)->ifa_prefixlen = prefix;
}

void addr_put_link_scope(struct nl *n, unsigned index, const struct ipaddr *a)
{
	put(n, RTM_NEWADDR, index, a)->ifa_scope = RT_SCOPE_LINK;
}

void addr_put_link_local(struct nl *n, unsigned index, const uint8_t mac[6])
{
	struct ipaddr a = addr_link_local(mac);

	put(n, RTM_NEWADDR, index, &a)->ifa_prefixlen = 64;
}

void addr_put_del(struct nl *n, unsigned index, const struct ipaddr *a, uint8_t prefix)
{
	put(n, RTM_DELADDR, index, a)->ifa_prefixlen = prefix;
	nl_allow(n, EADDRNOTAVAIL);
}
