/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The distribution's own network files. netlink has set addresses and routes before init runs,
 * so each form here must be happy to find them there: ifupdown replaces and never fails, and
 * networkd adopts what equals its file.
 */
#include "netns/guestfile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "util/exits.h"
#include "util/str.h"

#define IFUPDOWN_OURS "etc/network/interfaces.d/berth"
#define IFUPDOWN_MAIN "etc/network/interfaces"
#define IFUPDOWN_SOURCE "source /etc/network/interfaces.d/*\n"
#define NETWORKD_OURS "etc/systemd/network/10-berth-%s.network"
#define HEAD "# Written by berth at every start.\n"

static const struct ipaddr *first_of(const struct guest_link *g, uint8_t family)
{
	for (size_t i = 0; i < g->n_addrs; i++)
		if (g->addrs[i].family == family)
			return &g->addrs[i];
	return NULL;
}

static bool has_ifupdown(const struct guest_conf *g)
{
	return guest_has(g, "etc/network") || guest_has(g, "sbin/ifup") ||
	       guest_has(g, "usr/sbin/ifup");
}

static uint8_t prefix_of(const struct guest_link *l, const struct ipaddr *a)
{
	if (!l->routed)
		return a->prefix;
	return a->family == AF_INET ? 32 : 128;
}

static void add_ifupdown_route(struct text *t, const struct guest_link *l, unsigned v6)
{
	const struct ipaddr *src = first_of(l, v6 ? AF_INET6 : AF_INET);
	char from[IPADDR_STRLEN], gw[IPADDR_STRLEN];

	if (!src || !l->gateway[v6].family)
		return;
	format_ip_host(src, from);
	format_ip_host(&l->gateway[v6], gw);
	if (l->routed && !v6)
		text_addf(t, "\tup ip route replace %s dev %s scope link || true\n", gw, l->name);
	text_addf(t, "\tup ip%s route replace default via %s dev %s onlink src %s || true\n",
		  v6 ? " -6" : "", gw, l->name, from);
}

/* Method manual and lines that cannot fail: networking.service succeeds at every boot. */
static void add_ifupdown(struct text *t, const struct guest_link *l)
{
	char text[IPADDR_STRLEN];

	text_addf(t, "auto %s\niface %s inet manual\n", l->name, l->name);
	for (size_t i = 0; i < l->n_addrs; i++) {
		format_ip_host(&l->addrs[i], text);
		text_addf(t, "\tup ip addr replace %s/%u dev %s%s || true\n", text,
			  prefix_of(l, &l->addrs[i]), l->name,
			  l->addrs[i].family == AF_INET ? "" : " nodad");
	}
	add_ifupdown_route(t, l, 0);
	add_ifupdown_route(t, l, 1);
}

static int write_ifupdown_ours(const struct guest_conf *g, struct err *e)
{
	_text_ struct text t = TEXT_INIT;

	text_addf(&t, HEAD);
	for (size_t i = 0; i < g->n_links; i++)
		add_ifupdown(&t, &g->links[i]);
	return guest_put(g, IFUPDOWN_OURS, &t, NULL, e);
}

static bool sources_directory(const char *s)
{
	const char *line;
	size_t len;

	while ((line = line_next(&s, &len)))
		if (line_is(line, len, "source") || line_is(line, len, "source-directory"))
			if (memmem(line, len, "interfaces.d", 12))
				return true;
	return false;
}

static int write_ifupdown_main(const struct guest_conf *g, struct err *e)
{
	static const char fresh[] = "auto lo\niface lo inet loopback\n\n";
	_text_ struct text block = TEXT_INIT;
	char *old = NULL;
	struct stat st;
	bool done;
	int r = guest_read(g, IFUPDOWN_MAIN, &old, &st, e);

	if (r < 0)
		return r;
	done = sources_directory(old);
	free(old);
	if (done)
		return 0;
	text_addf(&block, IFUPDOWN_SOURCE);
	return guest_put_block(g, IFUPDOWN_MAIN, fresh, &block, e);
}

static int write_ifupdown(const struct guest_conf *g, struct err *e)
{
	int r = guest_mkdir(g, "etc/network/interfaces.d", e);

	if (r == 0)
		r = write_ifupdown_ours(g, e);
	return r < 0 ? r : write_ifupdown_main(g, e);
}

/* Installed everywhere with systemd but used only where it is enabled. */
static bool has_networkd(const struct guest_conf *g)
{
	static const char wants[] = "etc/systemd/system/multi-user.target.wants";
	char link[256];

	return guest_readlink(g, wants, "systemd-networkd.service", link, sizeof(link));
}

static void add_networkd_route(struct text *t, const struct guest_link *l, unsigned v6)
{
	const struct ipaddr *src = first_of(l, v6 ? AF_INET6 : AF_INET);
	char from[IPADDR_STRLEN], gw[IPADDR_STRLEN];

	if (!src || !l->gateway[v6].family)
		return;
	format_ip_host(src, from);
	format_ip_host(&l->gateway[v6], gw);
	if (l->routed && !v6)
		text_addf(t, "\n[Route]\nDestination=%s/32\nScope=link\n", gw);
	text_addf(t, "\n[Route]\nGateway=%s\nGatewayOnLink=yes\nPreferredSource=%s\n", gw, from);
}

/* KeepConfiguration: the rules and routes of further links, which netlink has set, stay. */
static int write_networkd_link(const struct guest_conf *g, const struct guest_link *l,
			       struct err *e)
{
	_text_ struct text t = TEXT_INIT;
	char text[IPADDR_STRLEN], path[80];

	text_addf(&t, HEAD "[Match]\nName=%s\n\n[Network]\nDHCP=no\nIPv6AcceptRA=no\n"
		  "LinkLocalAddressing=ipv6\nConfigureWithoutCarrier=yes\n%s", l->name,
		  l == g->links ? "" : "KeepConfiguration=static\n");
	for (size_t i = 0; i < l->n_addrs; i++) {
		format_ip_host(&l->addrs[i], text);
		text_addf(&t, "\n[Address]\nAddress=%s/%u\nDuplicateAddressDetection=none\n", text,
			  prefix_of(l, &l->addrs[i]));
	}
	add_networkd_route(&t, l, 0);
	add_networkd_route(&t, l, 1);
	(void)str_fmt(path, sizeof(path), NETWORKD_OURS, l->name);
	return guest_put(g, path, &t, NULL, e);
}

static int write_networkd(const struct guest_conf *g, struct err *e)
{
	int r = guest_mkdir(g, "etc/systemd/network", e);

	for (size_t i = 0; i < g->n_links && r == 0; i++)
		r = write_networkd_link(g, &g->links[i], e);
	return r;
}

static bool is_busybox(const struct guest_conf *g)
{
	return guest_has(g, "bin/busybox");
}

/* First match only: a guest has one network manager, and networkd leaves ifupdown's alone. */
static const struct {
	const char *name;
	bool (*detect)(const struct guest_conf *g);
	int (*write)(const struct guest_conf *g, struct err *e);
} writers[] = {
	{ "systemd-networkd", has_networkd, write_networkd },
	{ "ifupdown", has_ifupdown, write_ifupdown },
	{ "busybox", is_busybox, write_ifupdown },
};

int guest_write_network(const struct guest_conf *g, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(writers); i++)
		if (writers[i].detect(g))
			return writers[i].write(g, e) < 0
				       ? err_wrap(e, "write %s files", writers[i].name)
				       : 0;
	return 0;
}
