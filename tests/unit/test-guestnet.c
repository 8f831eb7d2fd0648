/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests of netns/guestconf.h: the files inside that say a VE's name, links and passwords. */
#include "tests/unit/scratch.h"

#include <crypt.h>
#include <sys/stat.h>

#include "netns/guestconf.h"
#include "util/exits.h"

static struct ipaddr ip(const char *s)
{
	struct ipaddr a = { 0 };

	CHECK(parse_ip(s, &a) == 0);
	return a;
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
	SCRATCH(s);
	int root = s.fd;
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
	CHECK(contains(root, "etc/network/interfaces", "source-directory /etc/network/interfaces.d\n"));
	CHECK(contains(root, "etc/network/interfaces.d/berth", "replace 10.0.0.5/32 dev eth0"));
	CHECK(contains(root, "etc/network/interfaces.d/berth", "fd00::5/128 dev eth0 nodad"));
	g.hostname = "other";
	g.n_links = 0;
	CHECK(guest_write(&g, &e) == 0);
	CHECK(contains(root, "etc/hosts", "127.0.1.1\tother\n"));
	CHECK(!contains(root, "etc/hosts", "web"));
	CHECK(!contains(root, "etc/network/interfaces.d/berth", "10.0.0.5"));
}

TEST(guest_systemd)
{
	struct ipaddr a[] = { ip("10.0.0.5"), ip("fd00::5") };
	struct err e = ERR_INIT;
	SCRATCH(s);
	int root = s.fd;
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
		SCRATCH(s);
		int top = s.fd;
		struct guest_conf g = conf(-1, a, 0);

		CHECK(mkdirat(top, "root", 0755) == 0);
		put(top, "canary", "same");
		(void)str_fmt(canary, sizeof(canary), "%s/canary", s.path);
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
	}
}

/* A directory that leads out of the root: its files lie inside it or nowhere. */
TEST(guest_network_escape)
{
	struct ipaddr a[] = { ip("10.0.0.5") };
	struct err e = ERR_INIT;
	SCRATCH(s);
	int top = s.fd;
	struct guest_conf g = conf(-1, a, 1);

	CHECK(fs_mkdir_p(top, "root/etc", 0755, &e) == 0 && mkdirat(top, "netplan", 0755) == 0);
	g.root = openat(top, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mark(g.root, "usr/sbin/netplan");
	CHECK(symlinkat("../../netplan", g.root, "etc/netplan") == 0);
	CHECK(guest_write(&g, &e) < 0);
	CHECK(faccessat(top, "netplan/90-berth.yaml", F_OK, AT_SYMLINK_NOFOLLOW) < 0);
	(void)close(g.root);
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
	SCRATCH(s);
	int root = s.fd;
	struct guest_conf g = conf(root, a, 1);

	mark(root, "etc/network/interfaces");
	put(root, "etc/network/interfaces", before);
	for (int twice = 0; twice < 2; twice++) {
		CHECK(guest_write(&g, &e) == 0);
		CHECK(content_is(root, "etc/network/interfaces", after));
	}
}

/* Whatever a tenant puts in place of a file: nothing outside changes, nothing hangs. */
TEST(guest_hostile)
{
	static const char *const files[] = { "hostname", "hosts", "resolv.conf",
					     "network/interfaces" };
	struct err e = ERR_INIT;
	char canary[128], path[64];
	SCRATCH(s);
	int root = s.fd;
	struct guest_conf g = conf(root, NULL, 0);

	CHECK(fs_mkdir_p(root, "root/etc/network", 0755, &e) == 0);
	put(root, "canary", "same");
	(void)str_fmt(canary, sizeof(canary), "%s/canary", s.path);
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
}

TEST(guest_refused)
{
	struct err e = ERR_INIT;
	SCRATCH(s);
	int root = s.fd;
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
	SCRATCH(s);
	int root = s.fd;
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
}
