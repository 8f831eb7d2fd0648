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
#define NETWORKD_OURS "etc/systemd/network/10-berth-eth0.network"
#define HEAD "# Written by berth at every start.\n"
#define GATEWAY4 "169.254.0.1"

static const struct ipaddr *first_of(const struct guest_conf *g, uint8_t family)
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

static void add_ifupdown_routes(struct text *t, const struct guest_conf *g)
{
	const struct ipaddr *src = first_of(g, AF_INET);
	char text[IPADDR_STRLEN];

	if (src) {
		format_ip_host(src, text);
		text_addf(t, "\tup ip route replace " GATEWAY4 " dev eth0 scope link || true\n"
			  "\tup ip route replace default via " GATEWAY4
			  " dev eth0 onlink src %s || true\n", text);
	}
	src = first_of(g, AF_INET6);
	if (src && g->gateway6) {
		format_ip_host(src, text);
		text_addf(t, "\tup ip -6 route replace default via %s dev eth0 onlink src %s"
			  " || true\n", g->gateway6, text);
	}
}

/* Method manual and lines that cannot fail: networking.service succeeds at every boot. */
static int write_ifupdown_ours(const struct guest_conf *g, struct err *e)
{
	_text_ struct text t = TEXT_INIT;
	char text[IPADDR_STRLEN];

	text_addf(&t, HEAD "auto eth0\niface eth0 inet manual\n");
	for (size_t i = 0; i < g->n_addrs; i++) {
		bool v4 = g->addrs[i].family == AF_INET;

		format_ip_host(&g->addrs[i], text);
		text_addf(&t, "\tup ip addr replace %s/%s dev eth0%s || true\n", text,
			  v4 ? "32" : "128", v4 ? "" : " nodad");
	}
	add_ifupdown_routes(&t, g);
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

static void add_networkd_default(struct text *t, const char *gateway, const char *src)
{
	text_addf(t, "\n[Route]\nGateway=%s\nGatewayOnLink=yes\nPreferredSource=%s\n", gateway, src);
}

static int write_networkd(const struct guest_conf *g, struct err *e)
{
	const struct ipaddr *src4 = first_of(g, AF_INET), *src6 = first_of(g, AF_INET6);
	_text_ struct text t = TEXT_INIT;
	char text[IPADDR_STRLEN];
	int r = guest_mkdir(g, "etc/systemd/network", e);

	if (r < 0)
		return r;
	text_addf(&t, HEAD "[Match]\nName=eth0\n\n[Network]\nDHCP=no\nIPv6AcceptRA=no\n"
		  "LinkLocalAddressing=ipv6\nConfigureWithoutCarrier=yes\n");
	for (size_t i = 0; i < g->n_addrs; i++) {
		bool v4 = g->addrs[i].family == AF_INET;

		format_ip_host(&g->addrs[i], text);
		text_addf(&t, "\n[Address]\nAddress=%s/%s\nDuplicateAddressDetection=none\n", text,
			  v4 ? "32" : "128");
	}
	if (src4) {
		format_ip_host(src4, text);
		text_addf(&t, "\n[Route]\nDestination=" GATEWAY4 "/32\nScope=link\n");
		add_networkd_default(&t, GATEWAY4, text);
	}
	if (src6 && g->gateway6) {
		format_ip_host(src6, text);
		add_networkd_default(&t, g->gateway6, text);
	}
	return guest_put(g, NETWORKD_OURS, &t, NULL, e);
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
	struct ipaddr gw;

	if (g->gateway6 && (parse_ip(g->gateway6, &gw) < 0 || gw.family != AF_INET6))
		return err_set(e, EINVAL, VZ_BAD_IP, "gateway \"%s\": not an IPv6 address",
			       g->gateway6);
	for (size_t i = 0; i < ARRAY_SIZE(writers); i++)
		if (writers[i].detect(g))
			return writers[i].write(g, e) < 0
				       ? err_wrap(e, "write %s files", writers[i].name)
				       : 0;
	return 0;
}
