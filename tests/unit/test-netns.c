/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names, claims and guest files need no privilege. The link tests need root: they run in a
 * child with a network namespace of its own that plays the host, and are left out otherwise.
 */
#include "tests/unit/harness.h"

#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/limits.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netns/guestconf.h"
#include "netns/ipam.h"
#include "netns/netfilter.h"
#include "netns/network.h"
#include "netns/nf-rules.h"
#include "netns/services.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"

static struct ipaddr ip(const char *s)
{
	struct ipaddr a = { 0 };

	CHECK(parse_ip(s, &a) == 0);
	return a;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	(void)f;
	return remove(path);
}

/* A scratch directory; the name is kept for removal. */
static char scratch[64];

static int scratch_open(void)
{
	(void)snprintf(scratch, sizeof(scratch), "/tmp/berth-test-XXXXXX");
	CHECK(mkdtemp(scratch) != NULL);
	return open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void scratch_close(int fd)
{
	(void)close(fd);
	(void)nftw(scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void put(int dir, const char *path, const char *text)
{
	int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(fd >= 0 && fs_write_all(fd, text, strlen(text)) == 0);
	(void)close(fd);
}

static bool contains(int dir, const char *path, const char *text)
{
	struct err e = ERR_INIT;
	char *s = NULL;
	size_t len;
	bool hit = fs_read_at(dir, path, 1 << 20, &s, &len, &e) == 0 && strstr(s, text);

	free(s);
	return hit;
}

TEST(host_names)
{
	static const struct { const char *tag; uint32_t id; unsigned index; const char *name; } t[] = {
		{ "", 101, 0, "veth101.0" },
		{ "b3f2", 101, 0, "b3f2.101.0" },
		{ "", 4294967295u, 0, "vethxffffffff.0" },
		{ "b3f2", 4294967295u, 15, "b3f2xffffffff.f" },
	};
	char name[IFNAMSIZ];

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		net_host_name(name, t[i].tag, t[i].id, t[i].index);
		CHECK_STR(name, t[i].name);
	}
}

TEST(macs_and_gateway)
{
	static const uint8_t mac[6] = { 0xfe, 0x11, 0x22, 0x33, 0x44, 0x55 };
	uint8_t h[6], g[6], h2[6], g2[6];
	struct ipaddr gw = net_gateway6(mac);
	char text[IPADDR_STRLEN];

	net_macs("", 101, 0, h, g);
	net_macs("", 101, 0, h2, g2);
	CHECK(!memcmp(h, h2, 6) && !memcmp(g, g2, 6) && memcmp(h, g, 6));
	CHECK((h[0] & 3) == 2 && (g[0] & 3) == 2);
	net_macs("", 102, 0, h2, g2);
	CHECK(memcmp(g, g2, 6));
	net_macs("b3f2", 101, 0, h2, g2);
	CHECK(memcmp(g, g2, 6));
	format_ip_host(&gw, text);
	CHECK_STR(text, "fe80::fc11:22ff:fe33:4455");
}

TEST(services)
{
	static const char *const bad[] = { "", ",", "ftp", "tcp", "tcp:", "tcp:0", "udp:65536", "tcp:1-2",
					   "none icmp", "icmp none" };
	struct services a, b, before;
	char many[1024] = "";

	CHECK(services_parse("udp:53,tcp:53 icmp", &a) == 0 && a.n == 4 && !a.all);
	CHECK(services_parse("icmp  tcp:53 udp:53 udp:53", &b) == 0 && b.n == 4);
	CHECK(services_id(&a) == services_id(&b));
	CHECK(services_parse("icmp tcp:53 udp:54", &b) == 0 && services_id(&a) != services_id(&b));
	CHECK(services_parse("none", &b) == 0 && b.n == 0 && !b.all);
	CHECK(services_parse("icmp all", &a) == 0 && a.all && services_id(&a) != services_id(&b));
	before = a;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK(services_parse(bad[i], &a) == -EINVAL);
	for (int i = 0; i <= SERVICES_MAX; i++)
		(void)str_fmt(many + strlen(many), sizeof(many) - strlen(many), "tcp:%d ", i + 1);
	CHECK(services_parse(many, &a) == -EINVAL);
	CHECK(memcmp(&a, &before, sizeof(a)) == 0);
}

TEST(claims)
{
	struct ipaddr a = ip("10.0.0.5"), b = ip("fd00::5/64");
	struct err e = ERR_INIT;
	int dir = scratch_open();

	CHECK(ipam_owner(dir, &a) == 0);
	CHECK(ipam_claim(dir, &a, 101, &e) == 0);
	CHECK(ipam_claim(dir, &a, 101, &e) == 0);
	CHECK(ipam_claim(dir, &b, 4294967295u, &e) == 0);
	CHECK(ipam_owner(dir, &a) == 101 && ipam_owner(dir, &b) == 4294967295);
	CHECK(ipam_claim(dir, &a, 102, &e) == -EADDRINUSE && e.exit == VZ_IP_IN_USE);
	CHECK(strstr(e.msg, "VE 101") != NULL);
	ipam_release(dir, &a, 102);
	CHECK(ipam_owner(dir, &a) == 101);
	ipam_release(dir, &a, 101);
	CHECK(ipam_claim(dir, &a, 102, &e) == 0);
	scratch_close(dir);
}

TEST(damaged_claims)
{
	static const char *const damage[] = { "", "\n", "x", "0\n", "101x", "-1", "99999999999" };
	struct ipaddr a = ip("10.0.0.5");
	struct err e = ERR_INIT;
	int dir = scratch_open();

	for (size_t i = 0; i < ARRAY_SIZE(damage); i++) {
		(void)unlinkat(dir, "10.0.0.5", 0);     /* the claim of the round before */
		put(dir, "10.0.0.5", damage[i]);
		CHECK(ipam_owner(dir, &a) == 0);
		CHECK(ipam_claim(dir, &a, 101, &e) == 0);
		CHECK(ipam_owner(dir, &a) == 101);
	}
	CHECK(unlinkat(dir, "10.0.0.5", 0) == 0 && symlinkat("/etc/passwd", dir, "10.0.0.5") == 0);
	CHECK(ipam_claim(dir, &a, 101, &e) == 0 && ipam_owner(dir, &a) == 101);
	scratch_close(dir);
	CHECK(access("/etc/passwd", F_OK) == 0);
}

TEST(hostnames)
{
	static const struct { const char *s; bool ok; } t[] = {
		{ "web", true }, { "a.b-c.example.com", true }, { "1", true }, { "", false },
		{ "-a", false }, { "a-", false }, { "a..b", false }, { ".a", false },
		{ "a.", false }, { "a_b", false }, { "a\nb", false }, { "a b", false },
		{ "\xc3\xa4", false }, { "a-.b", false },
		{ "1234567890123456789012345678901234567890123456789012345678901234", false },
		{ "12345678901234567890123456789012345678901234567890.2345678901234", true },
		{ "12345678901234567890123456789012345678901234567890.23456789012345", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		CHECK(guest_hostname_ok(t[i].s) == t[i].ok);
}

static struct guest_conf conf(int root, const struct ipaddr *addrs, size_t n)
{
	static struct guest_link link;

	link = (struct guest_link){ .name = "eth0", .addrs = addrs, .n_addrs = n, .routed = true,
				    .gateway = { ip("169.254.0.1"), ip("fe80::1") } };
	return (struct guest_conf){
		.root = root, .uid = getuid(), .gid = getgid(), .hostname = "web.example.com",
		.nameservers = "192.0.2.1 2001:db8::53", .searchdomain = "example.com",
		.links = &link, .n_links = 1,
	};
}

TEST(guest_ifupdown)
{
	struct ipaddr a[] = { ip("10.0.0.5"), ip("fd00::5") };
	struct err e = ERR_INIT;
	int root = scratch_open();
	struct guest_conf g = conf(root, a, 2);

	CHECK(mkdirat(root, "etc", 0755) == 0 && mkdirat(root, "etc/network", 0755) == 0);
	put(root, "etc/hosts", "127.0.0.1 localhost\n# mine\n");
	put(root, "etc/resolv.conf", "nameserver 1.1.1.1\noptions edns0\ndomain x\n");
	for (int i = 0; i < 2; i++)
		CHECK(guest_write(&g, &e) == 0);
	CHECK(contains(root, "etc/hostname", "web.example.com\n"));
	CHECK(contains(root, "etc/hosts", "127.0.0.1 localhost\n# mine\n# BEGIN"));
	CHECK(contains(root, "etc/hosts", "10.0.0.5\tweb.example.com web\n# END berth\n"));
	CHECK(contains(root, "etc/resolv.conf", "options edns0\nsearch example.com\n"
		       "nameserver 192.0.2.1\nnameserver 2001:db8::53\n"));
	CHECK(!contains(root, "etc/resolv.conf", "1.1.1.1"));
	CHECK(contains(root, "etc/network/interfaces", "source /etc/network/interfaces.d/*"));
	CHECK(contains(root, "etc/network/interfaces.d/berth", "replace 10.0.0.5/32 dev eth0"));
	CHECK(contains(root, "etc/network/interfaces.d/berth", "fd00::5/128 dev eth0 nodad"));
	g.hostname = "other";
	g.n_links = 0;
	CHECK(guest_write(&g, &e) == 0);
	CHECK(contains(root, "etc/hosts", "127.0.1.1\tother\n"));
	CHECK(!contains(root, "etc/hosts", "web"));
	CHECK(!contains(root, "etc/network/interfaces.d/berth", "10.0.0.5"));
	scratch_close(root);
}

TEST(guest_systemd)
{
	struct ipaddr a[] = { ip("10.0.0.5"), ip("fd00::5") };
	struct err e = ERR_INIT;
	int root = scratch_open();
	struct guest_conf g = conf(root, a, 2);

	CHECK(fs_mkdir_p(root, "etc/systemd/system/multi-user.target.wants", 0755, &e) == 0);
	CHECK(symlinkat("/lib/systemd/system/systemd-networkd.service", root,
			"etc/systemd/system/multi-user.target.wants/systemd-networkd.service") == 0);
	CHECK(symlinkat("../run/systemd/resolve/stub-resolv.conf", root, "etc/resolv.conf") == 0);
	CHECK(guest_write(&g, &e) == 0);
	CHECK(contains(root, "etc/systemd/network/10-berth-eth0.network", "GatewayOnLink=yes"));
	CHECK(contains(root, "etc/systemd/resolved.conf.d/berth.conf",
		       "DNS=192.0.2.1 2001:db8::53\nDomains=example.com\n"));
	CHECK(faccessat(root, "etc/network", F_OK, 0) < 0);
	scratch_close(root);
}

/* ---- network files of each distribution ---- */

#define WANTS "etc/systemd/system/multi-user.target.wants/"

static void make_dirs(int root, const char *path)
{
	struct err e = ERR_INIT;
	char dir[128];

	(void)snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path), path);
	CHECK(fs_mkdir_p(root, dir, 0755, &e) == 0);
}

static bool content_is(int root, const char *path, const char *want)
{
	struct err e = ERR_INIT;
	char *s = NULL;
	size_t len;
	bool same = fs_read_at(root, path, 65536, &s, &len, &e) == 0 && str_eq(s, want);

	if (!same)
		(void)fprintf(stderr, "%s is\n%s", path, s ? s : "not there");
	free(s);
	return same;
}

static const struct net_files {
	const char *marks[3];           /* one ending in .service is a link, as systemctl makes it */
	const char *path[2];            /* of the files of both links; [1] NULL: one file */
	mode_t mode;
	const char *want[2];
} net_files[] = {
	{ { "usr/sbin/netplan", "etc/netplan/50-cloud-init.yaml", WANTS "systemd-networkd.service" },
	  { "etc/netplan/90-berth.yaml" }, 0600,
	  { "# Written by berth at every start.\nnetwork:\n  version: 2\n  ethernets:\n"
	    "    eth0:\n      dhcp4: false\n      dhcp6: false\n      accept-ra: false\n"
	    "      addresses:\n        - \"10.0.0.5/32\"\n        - \"fd00::5/128\"\n"
	    "      routes:\n        - to: \"0.0.0.0/0\"\n          via: \"169.254.0.1\"\n"
	    "          on-link: true\n          from: \"10.0.0.5\"\n"
	    "        - to: \"::/0\"\n          via: \"fe80::1\"\n"
	    "          on-link: true\n          from: \"fd00::5\"\n"
	    "    eth1:\n      dhcp4: false\n      dhcp6: false\n      accept-ra: false\n"
	    "      addresses:\n        - \"10.7.0.9/24\"\n" } },
	{ { WANTS "systemd-networkd.service", "sbin/ifup" },
	  { "etc/systemd/network/10-berth-eth0.network", "etc/systemd/network/10-berth-eth1.network" },
	  0644,
	  { "# Written by berth at every start.\n[Match]\nName=eth0\n\n[Network]\nDHCP=no\n"
	    "IPv6AcceptRA=no\nLinkLocalAddressing=ipv6\nConfigureWithoutCarrier=yes\n\n"
	    "[Address]\nAddress=10.0.0.5/32\nDuplicateAddressDetection=none\n\n"
	    "[Address]\nAddress=fd00::5/128\nDuplicateAddressDetection=none\n\n"
	    "[Route]\nDestination=169.254.0.1/32\nScope=link\n\n"
	    "[Route]\nGateway=169.254.0.1\nGatewayOnLink=yes\nPreferredSource=10.0.0.5\n\n"
	    "[Route]\nGateway=fe80::1\nGatewayOnLink=yes\nPreferredSource=fd00::5\n",
	    "# Written by berth at every start.\n[Match]\nName=eth1\n\n[Network]\nDHCP=no\n"
	    "IPv6AcceptRA=no\nLinkLocalAddressing=ipv6\nConfigureWithoutCarrier=yes\n"
	    "KeepConfiguration=static\n\n"
	    "[Address]\nAddress=10.7.0.9/24\nDuplicateAddressDetection=none\n" } },
	{ { WANTS "NetworkManager.service", "etc/network/interfaces" },
	  { "etc/NetworkManager/system-connections/berth-eth0.nmconnection",
	    "etc/NetworkManager/system-connections/berth-eth1.nmconnection" }, 0600,
	  { "# Written by berth at every start.\n[connection]\nid=berth-eth0\ntype=ethernet\n"
	    "interface-name=eth0\nautoconnect-priority=999\n\n"
	    "[ipv4]\nmethod=manual\naddress1=10.0.0.5/32\ngateway=169.254.0.1\n\n"
	    "[ipv6]\nmethod=manual\nmay-fail=true\naddress1=fd00::5/128\ngateway=fe80::1\n",
	    "# Written by berth at every start.\n[connection]\nid=berth-eth1\ntype=ethernet\n"
	    "interface-name=eth1\nautoconnect-priority=999\n\n"
	    "[ipv4]\nmethod=manual\naddress1=10.7.0.9/24\nnever-default=true\n\n"
	    "[ipv6]\nmethod=link-local\nnever-default=true\n" } },
	{ { "etc/alpine-release", "bin/busybox", "sbin/ifup" }, { "etc/network/interfaces" }, 0644,
	  { "auto lo\niface lo inet loopback\n\n# BEGIN berth, rewritten at every start\n"
	    "auto eth0\niface eth0 inet manual\n"
	    "\tup ip addr replace 10.0.0.5/32 dev eth0 || true\n"
	    "\tup ip addr replace fd00::5/128 dev eth0 nodad || true\n"
	    "\tup ip route replace 169.254.0.1 dev eth0 scope link || true\n"
	    "\tup ip route replace default via 169.254.0.1 dev eth0 onlink src 10.0.0.5 || true\n"
	    "\tup ip -6 route replace default via fe80::1 dev eth0 onlink src fd00::5 || true\n"
	    "auto eth1\niface eth1 inet manual\n"
	    "\tup ip addr replace 10.7.0.9/24 dev eth1 || true\n# END berth\n" } },
	{ { "usr/sbin/ifup" }, { "etc/network/interfaces.d/berth" }, 0644,
	  { "# Written by berth at every start.\nauto eth0\niface eth0 inet manual\n"
	    "\tup ip addr replace 10.0.0.5/32 dev eth0 || true\n"
	    "\tup ip addr replace fd00::5/128 dev eth0 nodad || true\n"
	    "\tup ip route replace 169.254.0.1 dev eth0 scope link || true\n"
	    "\tup ip route replace default via 169.254.0.1 dev eth0 onlink src 10.0.0.5 || true\n"
	    "\tup ip -6 route replace default via fe80::1 dev eth0 onlink src fd00::5 || true\n"
	    "auto eth1\niface eth1 inet manual\n"
	    "\tup ip addr replace 10.7.0.9/24 dev eth1 || true\n" } },
};

static void mark(int root, const char *path)
{
	make_dirs(root, path);
	if (str_ends(path, ".service"))
		CHECK(symlinkat("/lib/systemd/system/x.service", root, path) == 0);
	else if (!str_ends(path, "network/interfaces"))
		put(root, path, "");
}

static void two_links(const struct ipaddr *a, struct guest_link ret[2])
{
	ret[0] = (struct guest_link){ .name = "eth0", .addrs = a, .n_addrs = 2, .routed = true,
				      .gateway = { ip("169.254.0.1"), ip("fe80::1") } };
	ret[1] = (struct guest_link){ .name = "eth1", .addrs = a + 2, .n_addrs = 1 };
}

static void check_files(int root, const struct net_files *f)
{
	struct stat st;

	for (unsigned k = 0; k < 2 && f->path[k]; k++) {
		CHECK(content_is(root, f->path[k], f->want[k]));
		CHECK(fstatat(root, f->path[k], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		      (st.st_mode & 07777) == f->mode);
	}
}

/* Twice: a start rewrites what the last one wrote. Then over links and FIFOs of a tenant. */
TEST(guest_network_files)
{
	struct ipaddr a[] = { ip("10.0.0.5"), ip("fd00::5"), ip("10.7.0.9/24") };
	struct guest_link links[2];
	struct err e = ERR_INIT;
	char canary[128];

	two_links(a, links);
	for (size_t i = 0; i < ARRAY_SIZE(net_files); i++) {
		const struct net_files *f = &net_files[i];
		int top = scratch_open();
		struct guest_conf g = conf(-1, a, 0);

		CHECK(mkdirat(top, "root", 0755) == 0);
		put(top, "canary", "same");
		(void)snprintf(canary, sizeof(canary), "%s/canary", scratch);
		g.root = openat(top, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		g.links = links;
		g.n_links = 2;
		for (unsigned k = 0; k < 3 && f->marks[k]; k++)
			mark(g.root, f->marks[k]);
		for (int twice = 0; twice < 2; twice++) {
			CHECK(guest_write(&g, &e) == 0);
			check_files(g.root, f);
		}
		for (unsigned k = 0; k < 2 && f->path[k]; k++) {
			CHECK(unlinkat(g.root, f->path[k], 0) == 0);
			CHECK(k ? mkfifoat(g.root, f->path[k], 0666) == 0 :
				  symlinkat(canary, g.root, f->path[k]) == 0);
		}
		CHECK(guest_write(&g, &e) == 0);
		CHECK(content_is(top, "canary", "same"));
		if (!str_eq(f->path[0], "etc/network/interfaces"))
			check_files(g.root, f);
		(void)close(g.root);
		scratch_close(top);
	}
}

/* A directory that leads out of the root: its files lie inside it or nowhere. */
TEST(guest_network_escape)
{
	struct ipaddr a[] = { ip("10.0.0.5") };
	struct err e = ERR_INIT;
	int top = scratch_open();
	struct guest_conf g = conf(-1, a, 1);

	CHECK(fs_mkdir_p(top, "root/etc", 0755, &e) == 0 && mkdirat(top, "netplan", 0755) == 0);
	g.root = openat(top, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mark(g.root, "usr/sbin/netplan");
	CHECK(symlinkat("../../netplan", g.root, "etc/netplan") == 0);
	CHECK(guest_write(&g, &e) < 0);
	CHECK(faccessat(top, "netplan/90-berth.yaml", F_OK, AT_SYMLINK_NOFOLLOW) < 0);
	(void)close(g.root);
	scratch_close(top);
}

/* An image made for another tool asks for DHCP on our link, which would hold up its boot. */
TEST(guest_interfaces_dhcp)
{
	static const char before[] =
		"auto lo\niface lo inet loopback\nauto eth0\niface eth0 inet dhcp\n\thostname x\n"
		"iface eth10 inet dhcp\n# mine\nsource /etc/network/interfaces.d/*\n";
	static const char after[] =
		"auto lo\niface lo inet loopback\nauto eth0\n#berth# iface eth0 inet dhcp\n"
		"#berth# \thostname x\n"
		"iface eth10 inet dhcp\n# mine\nsource /etc/network/interfaces.d/*\n";
	struct ipaddr a[] = { ip("10.0.0.5") };
	struct err e = ERR_INIT;
	int root = scratch_open();
	struct guest_conf g = conf(root, a, 1);

	mark(root, "etc/network/interfaces");
	put(root, "etc/network/interfaces", before);
	for (int twice = 0; twice < 2; twice++) {
		CHECK(guest_write(&g, &e) == 0);
		CHECK(content_is(root, "etc/network/interfaces", after));
	}
	scratch_close(root);
}

/* Whatever a tenant puts in place of a file: nothing outside changes, nothing hangs. */
TEST(guest_hostile)
{
	static const char *const files[] = { "hostname", "hosts", "resolv.conf",
					     "network/interfaces" };
	struct err e = ERR_INIT;
	char canary[128], path[64];
	int root = scratch_open();
	struct guest_conf g = conf(root, NULL, 0);

	CHECK(fs_mkdir_p(root, "root/etc/network", 0755, &e) == 0);
	put(root, "canary", "same");
	(void)snprintf(canary, sizeof(canary), "%s/canary", scratch);
	g.root = openat(root, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		(void)snprintf(path, sizeof(path), "root/etc/%s", files[i]);
		CHECK(symlinkat(i % 2 ? canary : "../../canary", root, path) == 0);
	}
	CHECK(guest_write(&g, &e) == 0);
	CHECK(contains(root, "canary", "same"));
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		(void)snprintf(path, sizeof(path), "root/etc/%s", files[i]);
		CHECK(unlinkat(root, path, 0) == 0 && mkfifoat(root, path, 0644) == 0);
	}
	CHECK(guest_write(&g, &e) == 0);
	CHECK(contains(root, "root/etc/hostname", "web"));
	CHECK(guest_set_password(&g, "root", "x", &e) < 0);
	CHECK(symlinkat("../../canary", root, "root/etc/passwd") == 0);
	CHECK(guest_set_password(&g, "root", "x", &e) < 0 && e.exit == VZ_PASSWD);
	CHECK(contains(root, "canary", "same"));
	(void)close(g.root);
	scratch_close(root);
}

TEST(guest_refused)
{
	struct err e = ERR_INIT;
	int root = scratch_open();
	struct guest_conf g = conf(root, NULL, 0);

	g.hostname = "a\nb";
	CHECK(guest_write(&g, &e) < 0 && e.exit == VZ_BAD_HOSTNAME);
	g.hostname = "a";
	g.nameservers = "1.2.3.4 evil";
	CHECK(guest_write(&g, &e) < 0 && e.exit == VZ_BAD_DNS);
	g.nameservers = "1.2.3.4";
	g.searchdomain = "a\nnameserver 6.6.6.6";
	CHECK(guest_write(&g, &e) < 0 && e.exit == VZ_BAD_SEARCH);
	g.searchdomain = NULL;
	scratch_close(root);
}

/* Does the guest's shadow hold this password for the user? */
static bool password_is(int root, const char *user, const char *password)
{
	struct err e = ERR_INIT;
	char *s = NULL, *p, want[64];
	size_t len;
	bool ok = false;

	if (fs_read_at(root, "etc/shadow", 65536, &s, &len, &e) < 0)
		return false;
	(void)snprintf(want, sizeof(want), "\n%s:", user);
	p = str_starts(s, want + 1) ? s + strlen(want + 1) : strstr(s, want);
	if (p) {
		p += *p == '\n' ? strlen(want) : 0;
		p[strcspn(p, ":")] = '\0';
		ok = str_eq(crypt(password, p), p);
	}
	free(s);
	return ok;
}

TEST(guest_passwords)
{
	static const char *const bad[] = { "", "A", "a:b", "a\nb", "-a", "a b", "a/b" };
	struct err e = ERR_INIT;
	int root = scratch_open();
	struct guest_conf g = conf(root, NULL, 0);
	struct stat st;

	CHECK(mkdirat(root, "etc", 0755) == 0 && mkdirat(root, "home", 0755) == 0);
	put(root, "etc/passwd", "root::0:0:root:/root:/bin/sh\nu:x:1000:1000::/:/bin/sh");
	put(root, "etc/group", "root:x:0:");
	put(root, "etc/shadow", "root:*:1:0:5:7:::\nu:!:1:0:99999:7:::\n");
	CHECK(fchmodat(root, "etc/shadow", 0640, 0) == 0);
	CHECK(guest_set_password(&g, "root", "secret: %n$y", &e) == 0);
	CHECK(password_is(root, "root", "secret: %n$y") && !password_is(root, "root", "other"));
	CHECK(contains(root, "etc/shadow", "root:$6$") && contains(root, "etc/shadow", ":0:5:7:::"));
	CHECK(contains(root, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\nu:x:1000:"));
	CHECK(fstatat(root, "etc/shadow", &st, 0) == 0 && (st.st_mode & 0777) == 0640);
	put(root, "etc/login.defs", "#ENCRYPT_METHOD MD5\nENCRYPT_METHOD YESCRYPT\n");
	CHECK(guest_set_password(&g, "u", "two", &e) == 0);
	CHECK(contains(root, "etc/shadow", "\nu:$y$") && password_is(root, "u", "two"));
	if (geteuid() == 0) {           /* gives the home directory away */
		CHECK(guest_set_password(&g, "new", "three", &e) == 0);
		CHECK(contains(root, "etc/passwd", "\nnew:x:1001:1001::/home/new:/bin/sh\n"));
		CHECK(contains(root, "etc/group", "root:x:0:\nnew:x:1001:\n"));
		CHECK(password_is(root, "new", "three"));
		CHECK(fstatat(root, "home/new", &st, 0) == 0 && st.st_uid == 1001);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK(guest_set_password(&g, bad[i], "x", &e) < 0 && e.exit == VZ_PASSWD);
	CHECK(guest_set_password(&g, "root", "", &e) < 0);
	CHECK(guest_set_password(&g, "root", "a\nroot::0:0", &e) < 0);
	scratch_close(root);
}

/* ---- links, as root, in a namespace of our own ---- */

struct ve {
	int ns;
	struct net_spec spec;
	struct ipaddr addrs[2];
};

static int new_ns(int host)
{
	int fd;

	CHECK(unshare(CLONE_NEWNET) == 0);
	fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	CHECK(setns(host, CLONE_NEWNET) == 0);
	return fd;
}

static void ve_init(struct ve *v, int host, uint32_t id, const char *v4, const char *v6)
{
	static const struct services all = { .all = true };
	struct net_spec *s = &v->spec;

	*s = (struct net_spec){ .veid = id, .table = "berth-test", .guest_name = "eth0",
				.services = &all, .flags = NET_DEFAULT4 | NET_DEFAULT6 };
	v->ns = new_ns(host);
	v->addrs[0] = ip(v4);
	v->addrs[1] = ip(v6);
	s->addrs = v->addrs;
	s->n_addrs = 2;
	net_host_name(s->host_name, "", id, 0);
	net_macs("", id, 0, s->host_mac, s->guest_mac);
}

/* A UDP socket inside ns, bound to the address (any when NULL) and port 4000. */
static int udp(int host, int ns, const struct ipaddr *a, uint8_t family)
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(4000) };
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons(4000) };
	int fd, on = 1;

	CHECK(setns(ns, CLONE_NEWNET) == 0);
	fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (a && family == AF_INET)
		a4.sin_addr = a->v4;
	if (a && family == AF_INET6)
		a6.sin6_addr = a->v6;
	CHECK(bind(fd, family == AF_INET ? (void *)&a4 : (void *)&a6,
		   family == AF_INET ? sizeof(a4) : sizeof(a6)) == 0);
	CHECK(setns(host, CLONE_NEWNET) == 0);
	return fd;
}

static bool arrives(int from, int to, const struct ipaddr *dst)
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(4000) };
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons(4000) };
	struct pollfd p = { .fd = to, .events = POLLIN };
	bool v4 = dst->family == AF_INET;
	char c;

	a4.sin_addr = dst->v4;
	a6.sin6_addr = dst->v6;
	if (sendto(from, "x", 1, 0, v4 ? (void *)&a4 : (void *)&a6, v4 ? sizeof(a4) : sizeof(a6)) < 0)
		return false;
	return poll(&p, 1, 300) == 1 && recv(to, &c, 1, 0) == 1;
}

static bool reach(int host, const struct ve *from, const struct ipaddr *src, int to_ns,
		  const struct ipaddr *dst)
{
	int a = udp(host, from->ns, src, dst->family), b = udp(host, to_ns, NULL, dst->family);
	bool ok = arrives(a, b, dst);

	(void)close(a);
	(void)close(b);
	return ok;
}

static void check_traffic(int host, struct ve *a, struct ve *b)
{
	struct ipaddr gw = ip("169.254.0.1"), spoof4 = ip("10.9.0.77"), spoof6 = ip("fd09::77");
	struct net_spec as = a->spec;
	struct err e = ERR_INIT;
	struct net_counters c = { 0 };

	CHECK(reach(host, a, &a->addrs[0], host, &gw));
	CHECK(reach(host, a, &a->addrs[0], b->ns, &b->addrs[0]));
	CHECK(net_read_counters(a->spec.host_name, &c) == 0 && c.tx_packets >= 2);
	CHECK(!net_is_host_addr(&a->addrs[0]) && net_is_host_addr(&gw));

	/* An address the filter does not know: put there as its owner could, then legally. */
	CHECK(net_addr_add(&as, a->ns, &spoof4, &e) == 0);
	nf_addr_del(&as, &spoof4);
	CHECK(!reach(host, a, &spoof4, host, &gw));
	CHECK(!reach(host, a, &spoof4, b->ns, &b->addrs[0]));
	CHECK(net_addr_add(&as, a->ns, &spoof4, &e) == 0);
	CHECK(reach(host, a, &spoof4, host, &gw));
	CHECK(net_addr_add(&b->spec, b->ns, &spoof4, &e) == -EADDRINUSE && e.exit == VZ_IP_IN_USE);
	CHECK(net_addr_del(&as, a->ns, &spoof4, &e) == 0);
	CHECK(net_addr_add(&as, a->ns, &gw, &e) == -EADDRINUSE);

	CHECK(net_addr_add(&as, a->ns, &spoof6, &e) == 0);
	CHECK(net_addr_del(&as, a->ns, &spoof6, &e) == 0);
	CHECK(reach(host, a, &a->addrs[0], host, &gw));
}

static void check_links(void)
{
	int host, before, after;
	struct err e = ERR_INIT;
	struct ve a, b;

	CHECK(unshare(CLONE_NEWNET) == 0);
	host = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ve_init(&a, host, 101, "10.9.0.101", "fd09::101");
	ve_init(&b, host, 102, "10.9.0.102", "fd09::102");
	before = dup(0);
	(void)close(before);
	CHECK(net_up(&a.spec, a.ns, &e) == 0);
	CHECK(net_up(&b.spec, b.ns, &e) == 0);
	CHECK(nf_ensure(a.spec.table, NF_ROUTED, &e) == 0);
	check_traffic(host, &a, &b);
	CHECK(net_up(&a.spec, a.ns, &e) == 0);  /* over what an earlier run left */
	check_traffic(host, &a, &b);
	CHECK(net_up(&a.spec, -1, &e) < 0 && e.exit == VZ_VETH);
	CHECK(if_nametoindex(a.spec.host_name) == 0);
	CHECK(net_down(&a.spec) == 0);
	CHECK(net_down(&b.spec) == 0);
	CHECK(net_down(&b.spec) == 0);
	CHECK(if_nametoindex(b.spec.host_name) == 0);
	nf_remove_table(a.spec.table);
	nf_remove_table(a.spec.table);
	after = dup(0);
	CHECK(before == after);
	(void)close(after);
}

TEST(links)
{
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		printf("# links: needs root, left out\n");
		return;
	}
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		test_bad = 0;
		check_links();
		(void)fflush(stdout);
		_exit(test_bad ? 1 : 0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
