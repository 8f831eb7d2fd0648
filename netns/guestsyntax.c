/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/guestsyntax.h"

#include <sys/socket.h>

#include "util/parse.h"
#include "util/str.h"

static const uint8_t families[] = { AF_INET, AF_INET6 };

/* The default route of a family, as text; false: it leads elsewhere. */
struct route {
	char gw[IPADDR_STRLEN], from[IPADDR_STRLEN];
	bool v6;
};

static bool route_of(const struct guest_link *l, unsigned v6, struct route *ret)
{
	const struct ipaddr *src = NULL;

	for (size_t i = 0; i < l->n_addrs && !src; i++)
		if (l->addrs[i].family == families[v6])
			src = &l->addrs[i];
	if (!src || !l->gateway[v6].family)
		return false;
	format_ip_host(src, ret->from);
	format_ip_host(&l->gateway[v6], ret->gw);
	ret->v6 = v6;
	return true;
}

/* "10.0.0.5/32" */
static const char *address(const struct guest_link *l, size_t i, char dst[IPADDR_STRLEN + 4])
{
	const struct ipaddr *a = &l->addrs[i];
	unsigned whole = a->family == AF_INET ? 32 : 128;
	char host[IPADDR_STRLEN];

	format_ip_host(a, host);
	(void)str_fmt(dst, IPADDR_STRLEN + 4, "%s/%u", host, l->routed ? whole : a->prefix);
	return dst;
}

void syntax_ifupdown(struct text *t, const struct guest_link *l, bool first)
{
	char a[IPADDR_STRLEN + 4];
	struct route r;

	(void)first;
	text_addf(t, "auto %s\niface %s inet manual\n", l->name, l->name);
	for (size_t i = 0; i < l->n_addrs; i++)
		text_addf(t, "\tup ip addr replace %s dev %s%s || true\n", address(l, i, a), l->name,
			  l->addrs[i].family == AF_INET ? "" : " nodad");
	for (unsigned v6 = 0; v6 < 2; v6++) {
		if (!route_of(l, v6, &r))
			continue;
		if (l->routed && !v6)
			text_addf(t, "\tup ip route replace %s dev %s scope link || true\n", r.gw,
				  l->name);
		text_addf(t, "\tup ip%s route replace default via %s dev %s onlink src %s || true\n",
			  v6 ? " -6" : "", r.gw, l->name, r.from);
	}
}

/* "to: default" is younger (0.103) than what Ubuntu 20.04 has. */
static void netplan_routes(struct text *t, const struct guest_link *l)
{
	bool head = false;
	struct route r;

	for (unsigned v6 = 0; v6 < 2; v6++) {
		if (!route_of(l, v6, &r))
			continue;
		text_addf(t, "%s        - to: \"%s\"\n          via: \"%s\"\n"
			  "          on-link: true\n          from: \"%s\"\n",
			  head ? "" : "      routes:\n", v6 ? "::/0" : "0.0.0.0/0", r.gw, r.from);
		head = true;
	}
}

void syntax_netplan(struct text *t, const struct guest_link *l, bool first)
{
	char a[IPADDR_STRLEN + 4];

	(void)first;
	text_addf(t, "    %s:\n      dhcp4: false\n      dhcp6: false\n      accept-ra: false\n",
		  l->name);
	for (size_t i = 0; i < l->n_addrs; i++)
		text_addf(t, "%s        - \"%s\"\n", i ? "" : "      addresses:\n", address(l, i, a));
	netplan_routes(t, l);
}

/* KeepConfiguration: the rules and routes of further links, which netlink has set, stay. */
void syntax_networkd(struct text *t, const struct guest_link *l, bool first)
{
	char a[IPADDR_STRLEN + 4];
	struct route r;

	text_addf(t, "[Match]\nName=%s\n\n[Network]\nDHCP=no\nIPv6AcceptRA=no\n"
		  "LinkLocalAddressing=ipv6\nConfigureWithoutCarrier=yes\n%s", l->name,
		  first ? "" : "KeepConfiguration=static\n");
	for (size_t i = 0; i < l->n_addrs; i++)
		text_addf(t, "\n[Address]\nAddress=%s\nDuplicateAddressDetection=none\n",
			  address(l, i, a));
	for (unsigned v6 = 0; v6 < 2; v6++) {
		if (!route_of(l, v6, &r))
			continue;
		if (l->routed && !v6)
			text_addf(t, "\n[Route]\nDestination=%s/32\nScope=link\n", r.gw);
		text_addf(t, "\n[Route]\nGateway=%s\nGatewayOnLink=yes\nPreferredSource=%s\n", r.gw,
			  r.from);
	}
}

/* NetworkManager adds the route to a gateway that no prefix covers by itself. */
static void keyfile_family(struct text *t, const struct guest_link *l, unsigned v6)
{
	char a[IPADDR_STRLEN + 4];
	unsigned n = 0;
	struct route r;

	for (size_t i = 0; i < l->n_addrs; i++) {
		if (l->addrs[i].family != families[v6])
			continue;
		if (!n)
			text_addf(t, "\n[%s]\nmethod=manual\n%s", v6 ? "ipv6" : "ipv4",
				  v6 ? "may-fail=true\n" : "");
		text_addf(t, "address%u=%s\n", ++n, address(l, i, a));
	}
	if (!n)
		text_addf(t, "\n[%s]\nmethod=%s\n", v6 ? "ipv6" : "ipv4",
			  v6 ? "link-local" : "disabled");
	if (route_of(l, v6, &r))
		text_addf(t, "gateway=%s\n", r.gw);
	else
		text_addf(t, "never-default=true\n");
}

/* Without a uuid NetworkManager makes one of the file's name, which stays the same. */
void syntax_keyfile(struct text *t, const struct guest_link *l, bool first)
{
	(void)first;
	text_addf(t, "[connection]\nid=berth-%s\ntype=ethernet\ninterface-name=%s\n"
		  "autoconnect-priority=999\n", l->name, l->name);
	keyfile_family(t, l, 0);
	keyfile_family(t, l, 1);
}
