/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LXC: /var/lib/lxc/NAME/config, with the keys of today and those before 2.1. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/str.h"
#include "ve/foreign.h"

typedef int take_fn(struct foreign *f, const struct foreign_row *row, const char *key,
		    const char *value, struct err *e);
static take_fn take_net, take_old_net, take_quota, take_weight, take_shares, take_max, take_memsw,
	take_name;

#define MOUNTS "VEs have the mounts that they need; others are lost"
#define SAFE "the same for all VEs"
#define SHARES "relative to VEs of this host, whose default is 1000"

/* clang-format off */
static const struct foreign_row rows[] = {
	{ "lxc.uts.name", "HOSTNAME", NULL, NULL },
	{ "lxc.utsname", "HOSTNAME", NULL, NULL },
	{ "lxc.net.*", NULL, take_net, NULL },
	{ "lxc.network.*", NULL, take_old_net, NULL },
	{ "lxc.start.auto", "ONBOOT", NULL, NULL },
	{ "lxc.start.order", "BOOTORDER", NULL, NULL },
	{ "lxc.cgroup.memory.limit_in_bytes", "PHYSPAGES", take_max, NULL },
	{ "lxc.cgroup2.memory.max", "PHYSPAGES", take_max, NULL },
	{ "lxc.cgroup2.memory.high", "RAM_SOFT", take_max, NULL },
	{ "lxc.cgroup.memory.soft_limit_in_bytes", "RAM_SOFT", take_max, NULL },
	{ "lxc.cgroup.memory.memsw.limit_in_bytes", "SWAPPAGES", take_memsw, NULL },
	{ "lxc.cgroup2.memory.swap.max", "SWAPPAGES", take_max, NULL },
	{ "lxc.cgroup.pids.max", "NUMPROC", take_max, NULL },
	{ "lxc.cgroup2.pids.max", "NUMPROC", take_max, NULL },
	{ "lxc.cgroup2.cpu.max", "CPULIMIT", take_quota, NULL },
	{ "lxc.cgroup.cpu.shares", "CPUUNITS", take_shares, SHARES },
	{ "lxc.cgroup2.cpu.weight", "CPUUNITS", take_weight, SHARES },
	{ "lxc.cgroup.cpuset.cpus", "CPUMASK", NULL, NULL },
	{ "lxc.cgroup2.cpuset.cpus", "CPUMASK", NULL, NULL },
	{ "lxc.cgroup.cpuset.mems", "NODEMASK", NULL, NULL },
	{ "lxc.cgroup2.cpuset.mems", "NODEMASK", NULL, NULL },
	{ "lxc.cgroup*", NULL, NULL, "no limit that Berth knows" },
	{ "lxc.pty.max", "NUMPTY", NULL, NULL },
	{ "lxc.prlimit.nofile", "NUMFILE", NULL, NULL },
	{ "lxc.rootfs*", NULL, foreign_once, "where it was on the other host" },
	{ "lxc.idmap", NULL, take_name, NULL },
	{ "lxc.id_map", NULL, take_name, NULL },
	{ "lxc.arch", NULL, foreign_once, "its root says it" },
	{ "lxc.include", NULL, NULL, "a file of the other host; what it says is not known here" },
	{ "lxc.mount*", NULL, NULL, MOUNTS },
	{ "lxc.apparmor*", NULL, NULL, SAFE },
	{ "lxc.aa_*", NULL, NULL, SAFE },
	{ "lxc.selinux*", NULL, NULL, SAFE },
	{ "lxc.seccomp*", NULL, NULL, SAFE },
	{ "lxc.cap.*", NULL, NULL, SAFE },
	{ "lxc.tty*", NULL, NULL, "terminals are made as they are asked for" },
	{ "lxc.pts", NULL, NULL, "terminals are made as they are asked for" },
	{ "lxc.hook*", NULL, NULL, "a script of the other host; see hooks in berth(8)" },
	{ "lxc.group", NULL, NULL, "nothing here does that" },
	{ "lxc.environment", NULL, NULL, "what is in init's environment is the same for all VEs" },
};
/* clang-format on */

/* ---- values ---- */

static int take_name(struct foreign *f, const struct foreign_row *row, const char *key,
		     const char *value, struct err *e)
{
	(void)row;
	return foreign_note(f, FATE_CHANGES, key, value, "a range of its own",
			    "ids inside stay what they are", e);
}

/* No limit has three spellings there. */
static int take_max(struct foreign *f, const struct foreign_row *row, const char *key,
		    const char *value, struct err *e)
{
	bool none = str_eq(value, "max") || str_eq(value, "-1");

	return foreign_set(f, row, key, value, none ? "unlimited" : value, e);
}

/* "QUOTA PERIOD" in microseconds, or max. */
static int take_quota(struct foreign *f, const struct foreign_row *row, const char *key,
		      const char *value, struct err *e)
{
	char quota[24], period[24], text[24];
	const char *s = value;
	uint64_t q, p;

	if (str_word(&s, quota, sizeof(quota)) <= 0 || str_eq(quota, "max"))
		return foreign_set(f, row, key, value, "0", e);
	if (str_word(&s, period, sizeof(period)) <= 0)
		(void)str_fmt(period, sizeof(period), "100000");
	if (parse_u64(quota, 1000, UINT32_MAX, &q) < 0 || parse_u64(period, 1000, 1000000, &p) < 0)
		return foreign_note(f, FATE_LOST, key, value, NULL, "not QUOTA PERIOD", e);
	(void)str_fmt(text, sizeof(text), "%llu", (unsigned long long)(q * 100 + p - 1) / p);
	return foreign_set(f, row, key, value, text, e);
}

static int scaled(struct foreign *f, const struct foreign_row *row, const char *key,
		  const char *value, uint64_t usual, struct err *e)
{
	char text[24];
	uint64_t n;

	if (parse_u64(value, 1, 1000000, &n) < 0)
		return foreign_note(f, FATE_LOST, key, value, NULL, "not a number", e);
	n = n * 1000 / usual;
	(void)str_fmt(text, sizeof(text), "%llu", (unsigned long long)(n < 8 ? 8 : n));
	return foreign_set(f, row, key, value, text, e);
}

static int take_shares(struct foreign *f, const struct foreign_row *row, const char *key,
		       const char *value, struct err *e)
{
	return scaled(f, row, key, value, 1024, e);
}

static int take_weight(struct foreign *f, const struct foreign_row *row, const char *key,
		       const char *value, struct err *e)
{
	return scaled(f, row, key, value, 100, e);
}

/* Memory and swap together there, swap alone here; the one for memory stands before it. */
static int take_memsw(struct foreign *f, const struct foreign_row *row, const char *key,
		      const char *value, struct err *e)
{
	char text[24];
	uint64_t both;

	if (parse_size(value, 1, false, &both) < 0 || both >= U64_UNLIMITED)
		return foreign_set(f, row, key, value, "unlimited", e);
	(void)str_fmt(text, sizeof(text), "%llu",
		      (unsigned long long)(both > f->conf.ram ? both - f->conf.ram : 0));
	return foreign_set(f, row, key, value, text, e);
}

/* ---- links ---- */

/* "ADDRESS BROADCAST" */
static int take_addr(struct foreign *f, struct foreign_link *l, const char *key, const char *value,
		     struct err *e)
{
	char word[64];
	const char *pos = value;
	int r = str_word(&pos, word, sizeof(word));

	return r == 0 ? 0 : foreign_link_ips(f, l, key, r < 0 ? value : word, e);
}

static int net_key(struct foreign *f, struct foreign_link *l, const char *what, const char *key,
		   const char *value, struct err *e)
{
	static const char *const subs[][2] = {
		{ "link", "bridge" }, { "name", "ifname" }, { "hwaddr", "mac" },
		{ "ipv4.gateway", "gw" }, { "ipv6.gateway", "gw6" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(subs); i++)
		if (str_eq(what, subs[i][0]))
			return foreign_link_set(f, l, subs[i][1], key, value, e);
	if (str_eq(what, "ipv4.address") || str_eq(what, "ipv6.address") || str_eq(what, "ipv4") ||
	    str_eq(what, "ipv6"))
		return take_addr(f, l, key, value, e);
	if (str_eq(what, "type") || str_eq(what, "flags") || str_eq(what, "veth.mode"))
		return 0;
	return foreign_note(f, FATE_LOST, key, value, NULL, "nothing here does that", e);
}

static bool is_veth(const char *what, const char *value)
{
	return !str_eq(what, "type") || str_eq(value, "veth") || str_eq(value, "empty") ||
	       str_eq(value, "none");
}

static int net_of(struct foreign *f, const char *link, const char *what, const char *key,
		  const char *value, struct err *e)
{
	struct foreign_link *l;

	if (!is_veth(what, value))
		return foreign_note(f, FATE_LOST, key, value, NULL, "every link is a veth here", e);
	/* No link is what a VE without addresses has. */
	if (str_eq(what, "type") && !str_eq(value, "veth"))
		return 0;
	l = foreign_link(f, link);
	if (!l)
		return foreign_note(f, FATE_LOST, key, value, NULL, "more links than a VE can have", e);
	return net_key(f, l, what, key, value, e);
}

/* lxc.net.0.ipv4.address */
static int take_net(struct foreign *f, const struct foreign_row *row, const char *key,
		    const char *value, struct err *e)
{
	const char *number = key + strlen("lxc.net."), *dot = strchr(number, '.');
	char link[24];

	(void)row;
	if (!dot || str_fmt(link, sizeof(link), "net.%.*s", (int)(dot - number), number) < 0)
		return foreign_note(f, FATE_LOST, key, value, NULL, "no link's", e);
	return net_of(f, link, dot + 1, key, value, e);
}

/* Before 2.1 a line lxc.network.type began the next link. */
static int take_old_net(struct foreign *f, const struct foreign_row *row, const char *key,
			const char *value, struct err *e)
{
	const char *what = key + strlen("lxc.network.");
	unsigned n = f->n_links;
	char link[24];

	(void)row;
	(void)str_fmt(link, sizeof(link), "network.%u", str_eq(what, "type") || !n ? n : n - 1);
	return net_of(f, link, what, key, value, e);
}

/* ---- all of it ---- */

static int take_line(struct foreign *f, const char *text, const char *line, size_t len,
		     struct err *e)
{
	char key[64], value[2048];
	const char *eq = memchr(line, '=', len), *v;
	size_t k = eq ? (size_t)(eq - line) : 0, n;

	while (k && (line[k - 1] == ' ' || line[k - 1] == '\t'))
		k--;
	if (!k || k >= sizeof(key) || len >= sizeof(value) || !str_starts(line, "lxc."))
		return foreign_bad_line(text, line, "lxc.KEY = VALUE", e);
	(void)str_fmt(key, sizeof(key), "%.*s", (int)k, line);
	v = eq + 1 + strspn(eq + 1, " \t");
	n = v < line + len ? (size_t)(line + len - v) : 0;
	while (n && (v[n - 1] == ' ' || v[n - 1] == '\t'))
		n--;
	(void)str_fmt(value, sizeof(value), "%.*s", (int)n, n ? v : "");
	return foreign_take(f, foreign_find(rows, ARRAY_SIZE(rows), key), key, value, e);
}

int foreign_lxc(struct foreign *f, const char *text, size_t len, struct err *e)
{
	int r = 0;

	(void)len;
	for (const char *p = text; !r && *p;) {
		size_t n = strcspn(p, "\r\n"), blank = strspn(p, " \t");

		if (blank < n && p[blank] != '#')
			r = take_line(f, text, p + blank, n - blank, e);
		p += n;
		p += strspn(p, "\r\n");
	}
	return r;
}
