/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names and claims need no privilege. The link tests need root: they run in a
 * child with a network namespace of its own that plays the host, and are left out otherwise.
 */
#include "tests/unit/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netns/ipam.h"
#include "netns/netfilter.h"
#include "netns/network.h"
#include "netns/nf-rules.h"
#include "netns/services.h"
#include "util/exits.h"

static struct ipaddr ip(const char *s)
{
	struct ipaddr a = { 0 };

	CHECK(parse_ip(s, &a) == 0);
	return a;
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
	SCRATCH(s);
	int dir = s.fd;

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
}

TEST(damaged_claims)
{
	static const char *const damage[] = { "", "\n", "x", "0\n", "101x", "-1", "99999999999" };
	struct ipaddr a = ip("10.0.0.5");
	struct err e = ERR_INIT;
	SCRATCH(s);
	int dir = s.fd;

	for (size_t i = 0; i < ARRAY_SIZE(damage); i++) {
		(void)unlinkat(dir, "10.0.0.5", 0);     /* the claim of the round before */
		put(dir, "10.0.0.5", damage[i]);
		CHECK(ipam_owner(dir, &a) == 0);
		CHECK(ipam_claim(dir, &a, 101, &e) == 0);
		CHECK(ipam_owner(dir, &a) == 101);
	}
	CHECK(unlinkat(dir, "10.0.0.5", 0) == 0 && symlinkat("/etc/passwd", dir, "10.0.0.5") == 0);
	CHECK(ipam_claim(dir, &a, 101, &e) == 0 && ipam_owner(dir, &a) == 101);
	CHECK(access("/etc/passwd", F_OK) == 0);
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
