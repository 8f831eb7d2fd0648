/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values of other tools' configs: what each becomes, one key at a time. */
#include "tests/unit/harness.h"

#include <errno.h>

#include "util/str.h"
#include "ve/foreign.h"

static struct foreign f;

static int read_as(enum foreign_tool t, const char *text, size_t len)
{
	struct err e = ERR_INIT;
	int r;

	foreign_free(&f);
	f = (struct foreign){ 0 };
	r = foreign_read(t, text, len, &f, &e);
	CHECK((r < 0) == (e.msg[0] != '\0'));
	return r;
}

/* The only note that the text makes, as "fate now". */
static void check(enum foreign_tool t, const char *text, size_t len, const char *want)
{
	static const char *const fates[] = { "maps", "changes", "lost" };
	char got[200] = "nothing";

	CHECK(read_as(t, text, len) == 0);
	if (f.n_notes)
		(void)str_fmt(got, sizeof(got), "%s %s", fates[f.note[0].fate], f.note[0].now);
	CHECK_STR(got, want);
}

struct row {
	const char *text, *want;
};

static void check_rows(enum foreign_tool t, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check(t, rows[i].text, strlen(rows[i].text), rows[i].want);
	foreign_free(&f);
}

TEST(proxmox)
{
	static const struct row rows[] = {
		{ "cpulimit: 1\n", "maps cpulimit 100" },
		{ "cpulimit: 1.25\n", "maps cpulimit 125" },
		{ "cpulimit: 0.05\n", "maps cpulimit 5" },
		{ "cpulimit: 2.\n", "maps cpulimit 200" },
		{ "cpulimit: .5\n", "lost " },
		{ "cpulimit: x\n", "lost " },
		{ "memory: 512\n", "maps ram 512M" },
		{ "memory: 1\n", "lost " },             /* below what a VE can live on */
		{ "swap: 0\n", "maps swap 0" },
		{ "cores: 2\n", "maps cpus 2" },
		{ "rootfs: local:101/vm.raw,quota=1,size=8G\n", "maps diskspace 8G" },
		{ "rootfs: local:101/vm.raw\n", "lost " },
		{ "startup: order=1,up=30\n", "changes bootorder 999999" },
		{ "startup: 7\n", "changes bootorder 999993" },
		{ "onboot: 0\n", "maps onboot no" },
		{ "unprivileged: 0\n", "changes unprivileged" },
		{ "lxc.apparmor.profile: unconfined\n", "lost " },
		{ "#two%0A lines\n#%41\n", "maps description two  lines A" },
		{ "whatever: 1\n", "lost " },
		{ "[snap]\nmemory: 512\n", "lost " },
	};

	check_rows(FOREIGN_PCT, rows, ARRAY_SIZE(rows));
	CHECK(read_as(FOREIGN_PCT, "arch: amd64\nno colon\n", 0) == -EINVAL);
}

TEST(lxc)
{
	static const struct row rows[] = {
		{ "lxc.cgroup2.cpu.max = max\n", "maps cpulimit 0" },
		{ "lxc.cgroup2.cpu.max = 25000\n", "maps cpulimit 25" },
		{ "lxc.cgroup2.cpu.max = 300000 200000\n", "maps cpulimit 150" },
		{ "lxc.cgroup2.cpu.max = some\n", "lost " },
		{ "lxc.cgroup.memory.limit_in_bytes = 1G\n", "maps ram 1G" },
		{ "lxc.cgroup2.memory.max = max\n", "maps ram unlimited" },
		{ "lxc.cgroup.memory.memsw.limit_in_bytes = -1\n", "maps swap unlimited" },
		{ "lxc.cgroup.cpu.shares = 512\n", "changes cpuunits 500" },
		{ "lxc.cgroup2.cpu.weight = 1\n", "changes cpuunits 10" },
		{ "  lxc.utsname=web  \n", "maps hostname web" },
		{ "lxc.start.auto = 1\n", "maps onboot yes" },
		{ "lxc.net.0.type = macvlan\n", "lost " },
		{ "lxc.net.0.type = empty\n", "nothing" },
		{ "lxc.net.0.type = veth\n", "maps link eth0, routed" },
		{ "lxc.mount.entry = /a b none bind\n", "lost " },
	};

	check_rows(FOREIGN_LXC, rows, ARRAY_SIZE(rows));
	CHECK(read_as(FOREIGN_LXC, "lxc.utsname\n", 12) == -EINVAL);
	CHECK(read_as(FOREIGN_LXC, "PHYSPAGES=1\n", 0) == -EINVAL);
	/* Both together there, apart here. */
	CHECK(read_as(FOREIGN_LXC, "lxc.cgroup.memory.limit_in_bytes = 64M\n"
		      "lxc.cgroup.memory.memsw.limit_in_bytes = 96M\n", 0) == 0);
	CHECK(f.conf.ram == 64 << 20 && f.conf.swap == 32 << 20);
	foreign_free(&f);
}

TEST(incus)
{
#define C "instance/expanded_config/"
#define PAIR(key, value) key "\0" value "\0"
	static const struct {
		const char *text;
		size_t len;
		const char *want;
	} rows[] = {
#define ROW(key, value, want) { PAIR(C key, value), sizeof(PAIR(C key, value)) - 1, want }
		ROW("limits.memory", "512MiB", "maps ram 512M"),
		ROW("limits.memory", "512MB", "maps ram 500000K"),
		ROW("limits.memory", "1GiB", "maps ram 1G"),
		ROW("limits.memory", "50%", "lost "),
		ROW("limits.memory", "9999999999999999EiB", "lost "),
		ROW("limits.memory", "12XB", "lost "),
		ROW("limits.memory.swap", "false", "maps swap 0"),
		ROW("limits.memory.swap", "64MiB", "maps swap 64M"),
		ROW("limits.cpu", "2", "maps cpus 2"),
		ROW("limits.cpu", "0-1", "maps cpumask 0-1"),
		ROW("limits.cpu.allowance", "25ms/100ms", "maps cpulimit 25"),
		ROW("limits.cpu.allowance", "50%", "changes cpuunits 500"),
		ROW("limits.cpu.allowance", "half", "lost "),
		ROW("limits.disk.priority", "5", "lost "),
		ROW("boot.autostart", "true", "maps onboot yes"),
		ROW("security.privileged", "true", "changes unprivileged"),
		ROW("security.privileged", "false", "maps unprivileged"),
		ROW("volatile.uuid", "x", "lost "),
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check(FOREIGN_INCUS, rows[i].text, rows[i].len, rows[i].want);
	CHECK(read_as(FOREIGN_INCUS, PAIR("a", "b"), 4) == -EINVAL);
	/* A list that is cut ends where its last pair is whole. */
	CHECK(read_as(FOREIGN_INCUS, PAIR("instance/name", "web"), 14) == -EINVAL);
	foreign_free(&f);
}

TEST(openvz)
{
	static const struct row rows[] = {
		{ "PHYSPAGES=\"0:65536\"\n", "maps ram 256M" },
		{ "DISKSPACE=\"1048576:2097152\"\n", "maps diskspace 2G" },
		{ "KMEMSIZE=\"1:2\"\n", "changes kmemsize 1:2" },
		{ "CAPABILITY=\"NET_ADMIN:on\"\n", "changes capability NET_ADMIN:on" },
		{ "CPULIMIT=\"many\"\n", "lost " },
		{ "MEMGUARANTEE=\"100\"\n", "lost " },
		{ "IP_ADDRESS=\"10.0.0.5 fd00::5/64\"\n", "changes link eth0, routed, 10.0.0.5 fd00::5" },
		{ "IP_ADDRESS=\"\"\n", "nothing" },
	};

	check_rows(FOREIGN_OPENVZ, rows, ARRAY_SIZE(rows));
	CHECK(read_as(FOREIGN_OPENVZ, "nonsense\n", 9) == -EINVAL);
	/* The limit of before VSwap counts only where there is no other. */
	CHECK(read_as(FOREIGN_OPENVZ, "PRIVVMPAGES=\"1:16384\"\nPHYSPAGES=\"0:9223372036854775807\"\n", 0) == 0);
	CHECK(f.conf.ram == 64 << 20);
	CHECK(read_as(FOREIGN_OPENVZ, "PRIVVMPAGES=\"1:16384\"\nPHYSPAGES=\"0:32768\"\n", 0) == 0);
	CHECK(f.conf.ram == 128 << 20);
	foreign_free(&f);
}

TEST(links)
{
	static const char two[] = "net1: name=eth1,hwaddr=BC:24:11:00:00:02,ip=10.0.1.5/24\n"
				  "net0: name=ens3,bridge=nobridge0,ip=10.0.0.5/24,gw=10.0.0.1,ip6=fd00::5/64\n";

	CHECK(read_as(FOREIGN_PCT, two, 0) == 0);
	CHECK_STR(f.conf.netif, "ifname=eth1,mac=bc:24:11:00:00:02,ip=10.0.1.5");
	CHECK(f.n_notes == 2 && f.note[0].fate == FATE_CHANGES);
	CHECK(f.conf.ips.n == 2);
	foreign_free(&f);
}

/* A value with a comma in it begins no other sub-key of NETIF: it is lost, and the link is not. */
TEST(links_of_a_stranger)
{
	static const struct { enum foreign_tool tool; const char *text, *lost; } rows[] = {
		{ FOREIGN_LXC, "lxc.net.0.hwaddr = ,ip_filter=off\n", "lxc.net.0.hwaddr" },
		{ FOREIGN_LXC, "lxc.net.0.hwaddr = ,device=eno2\n", "lxc.net.0.hwaddr" },
		{ FOREIGN_LXC, "lxc.net.0.hwaddr = ,network=mgmt\n", "lxc.net.0.hwaddr" },
		{ FOREIGN_LXC, "lxc.net.0.name = e,mac_filter=no\n", "lxc.net.0.name" },
		{ FOREIGN_LXC, "lxc.net.0.name = lo\n", "lxc.net.0.name" },
		{ FOREIGN_LXC, "lxc.net.0.link = a,device=lo\n", "lxc.net.0.link" },
		{ FOREIGN_LXC, "lxc.net.0.link = lo;ifname=b\n", "lxc.net.0.link" },
		{ FOREIGN_LXC, "lxc.net.0.ipv4.gateway = fd00::1\n", "lxc.net.0.ipv4.gateway" },
		{ FOREIGN_LXC, "lxc.net.0.ipv4.address = auto\n", "lxc.net.0.ipv4.address" },
		{ FOREIGN_LXC, "lxc.net.0.ipv4.address = 224.0.0.1\n", "lxc.net.0.ipv4.address" },
		{ FOREIGN_PCT, "net0: hwaddr=;device=x\n", "net0 hwaddr" },
		{ FOREIGN_PCT, "net0: name=a;ifname=b\n", "net0 name" },
		{ FOREIGN_PCT, "net0: gw=10.0.0.1/24\n", "net0 gw" },
		{ FOREIGN_OPENVZ, "NETIF=\"ifname=eth0,device=lo\"\n", "NETIF eth0" },
		{ FOREIGN_OPENVZ, "IP_ADDRESS=\"auto\"\n", "IP_ADDRESS" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CHECK(read_as(rows[i].tool, rows[i].text, strlen(rows[i].text)) == 0);
		CHECK(f.n_notes == 2 && f.note[0].fate == FATE_LOST);
		CHECK_STR(f.note[0].key, rows[i].lost);
		CHECK(f.note[1].fate != FATE_LOST);
		CHECK_STR(f.conf.netif, "");
		CHECK(f.conf.ips.n == 0);
	}
	foreign_free(&f);
}

TEST(nic_of_incus)
{
#define D "instance/expanded_devices/e,mac_filter=no/"
	static const char text[] =
		PAIR(D "type", "nic") PAIR(D "network", "lo,device=x") PAIR(D "hwaddr", ",ip_filter=off")
		PAIR(D "ipv4.gateway", "1.2.3.4,x=y") PAIR(D "ipv4.address", "10.0.0.5")
		PAIR(D "ipv6.address", "auto");

	CHECK(read_as(FOREIGN_INCUS, text, sizeof(text) - 1) == 0);
	CHECK(f.n_notes == 5 && f.note[3].fate == FATE_LOST && f.note[4].fate == FATE_MAPS);
	CHECK_STR(f.conf.netif, "");
	CHECK(f.conf.ips.n == 1);
	foreign_free(&f);
}

/* lo stands for a bridge that is here: all that counts is that a link has its name. */
TEST(bridge_that_is_here)
{
	CHECK(read_as(FOREIGN_PCT, "net0: name=eth0,bridge=lo,ip=10.0.0.5/24,gw=10.0.0.1\n", 0) == 0);
	CHECK_STR(f.conf.netif, "ifname=eth0,bridge=lo,gw=10.0.0.1");
	CHECK(f.n_notes == 1 && f.note[0].fate == FATE_CHANGES);
	CHECK(strstr(f.note[0].why, "--network"));
	/* One of two of one name is lost, not both. */
	CHECK(read_as(FOREIGN_PCT, "net0: name=eth1\nnet1: name=eth1\nnet2: name=eth0\n", 0) == 0);
	CHECK(f.n_notes == 3 && f.note[2].fate == FATE_LOST);
	CHECK_STR(f.conf.netif, "ifname=eth1");
	foreign_free(&f);
}

TEST(whose_config_it_is)
{
	static const struct { const char *text; enum foreign_tool tool; } rows[] = {
		{ "# x\n\nONBOOT=\"yes\"\n", FOREIGN_OPENVZ },
		{ "arch: amd64\nmemory: 512\n", FOREIGN_PCT },
		{ "#description\narch: amd64\n[snap]\n", FOREIGN_PCT },
		{ "# x\nlxc.include = /a\n", FOREIGN_LXC },
		{ "name: c1\nconfig:\n  instance:\n    name: c1\n", FOREIGN_INCUS },
		{ "architecture: x86_64\nproperties:\n  os: Debian\n", FOREIGN_INCUS },
		{ "hello\n", FOREIGN_NONE },
		{ "", FOREIGN_NONE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK(foreign_guess(rows[i].text) == rows[i].tool);
}
