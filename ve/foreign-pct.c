/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proxmox VE's containers: /etc/pve/lxc/ID.conf, and pct.conf in a vzdump. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "util/str.h"
#include "ve/foreign.h"

typedef int take_fn(struct foreign *f, const struct foreign_row *row, const char *key,
		    const char *value, struct err *e);
static take_fn take_mib, take_cores, take_units, take_rootfs, take_mount, take_net, take_startup,
	take_features, take_priv;

#define HOST "of the other host"
#define LOOKS "the guest's own files say it"

/* clang-format off */
static const struct foreign_row rows[] = {
	{ "hostname", "HOSTNAME", NULL, NULL },
	{ "description", "DESCRIPTION", NULL, NULL },
	{ "memory", "PHYSPAGES", take_mib, NULL },
	{ "swap", "SWAPPAGES", take_mib, NULL },
	{ "cores", "CPUS", NULL, NULL },
	{ "cpulimit", "CPULIMIT", take_cores, NULL },
	{ "cpuunits", "CPUUNITS", take_units, NULL },
	{ "rootfs", "DISKSPACE", take_rootfs, NULL },
	{ "mp*", NULL, take_mount, NULL },
	{ "net*", NULL, take_net, NULL },
	{ "onboot", "ONBOOT", NULL, NULL },
	{ "startup", "BOOTORDER", take_startup, NULL },
	{ "nameserver", "NAMESERVER", NULL, NULL },
	{ "searchdomain", "SEARCHDOMAIN", NULL, NULL },
	{ "features", NULL, take_features, NULL },
	{ "unprivileged", NULL, take_priv, NULL },
	{ "tty", NULL, NULL, "terminals are made as they are asked for" },
	{ "arch", NULL, NULL, "its root says it" },
	{ "ostype", NULL, NULL, "its root says it" },
	{ "unused*", NULL, NULL, "a volume that nothing used" },
	{ "dev*", NULL, NULL, "devices of the host are not given to VEs" },
	{ "tags", NULL, NULL, HOST },
	{ "lock", NULL, NULL, HOST },
	{ "parent", NULL, NULL, "snapshots are not taken along" },
	{ "template", NULL, NULL, HOST },
	{ "hookscript", NULL, NULL, "a script of the other host" },
	{ "timezone", NULL, NULL, LOOKS },
	{ "console", NULL, NULL, "there always is one" },
	{ "cmode", NULL, NULL, "berth console is a terminal, berth enter a shell" },
	{ "debug", NULL, NULL, HOST },
	{ "protection", NULL, NULL, "nothing here does that" },
	{ "lxc.*", NULL, NULL, "a setting of LXC, past Proxmox" },
	{ "lxc*", NULL, NULL, "a setting of LXC, past Proxmox" },
};
/* clang-format on */

/* ---- values ---- */

static int take_mib(struct foreign *f, const struct foreign_row *row, const char *key,
		    const char *value, struct err *e)
{
	char text[40];

	return foreign_set(f, row, key, value,
			   str_fmt(text, sizeof(text), "%sM", value) < 0 ? value : text, e);
}

/* 1.5 CPUs are 150 percent of one. */
static int take_cores(struct foreign *f, const struct foreign_row *row, const char *key,
		      const char *value, struct err *e)
{
	char whole[8], part[3] = "00", text[24];
	const char *dot = strchr(value, '.');
	uint64_t w = 0, p = 0;

	for (unsigned i = 0; dot && i < 2 && dot[1 + i]; i++)
		part[i] = dot[1 + i];
	if (str_fmt(whole, sizeof(whole), "%.*s", dot ? (int)(dot - value) : 100, value) < 0 ||
	    parse_u64(whole, 0, 8192, &w) < 0 || parse_u64(part + (*part == '0'), 0, 99, &p) < 0)
		return foreign_note(f, FATE_LOST, key, value, NULL, "no number of CPUs", e);
	(void)str_fmt(text, sizeof(text), "%" PRIu64, w * 100 + p);
	return foreign_set(f, row, key, value, text, e);
}

static int take_units(struct foreign *f, const struct foreign_row *row, const char *key,
		      const char *value, struct err *e)
{
	const struct foreign_row shares = { row->from, row->to, NULL,
					    "relative to VEs of this host, whose default is 1000" };

	return foreign_set(f, &shares, key, value, value, e);
}

/* Next of "name=value,flag": 1, or 0 at the end. A part without a name has key "". */
static int next_part(const char **pos, char key[32], char value[256])
{
	char part[300];
	size_t n = strcspn(*pos, ","), k;

	if (!**pos)
		return 0;
	if (str_fmt(part, sizeof(part), "%.*s", (int)(n < 290 ? n : 290), *pos) < 0)
		part[0] = '\0';
	*pos += n + ((*pos)[n] == ',');
	k = strcspn(part, "=");
	if (!part[k] || k >= 32)
		k = 0;
	(void)str_fmt(key, 32, "%.*s", (int)k, part);
	if (str_fmt(value, 256, "%s", k ? part + k + 1 : part) < 0)
		value[0] = '\0';
	return 1;
}

/* The value of one name, or "". */
static const char *part_of(const char *text, const char *name, char value[256])
{
	char key[32];

	while (next_part(&text, key, value))
		if (str_eq(key, name))
			return value;
	return value[0] = '\0', value;
}

static int take_rootfs(struct foreign *f, const struct foreign_row *row, const char *key,
		       const char *value, struct err *e)
{
	char size[256];

	if (!*part_of(value, "size", size))
		return foreign_note(f, FATE_LOST, key, value, NULL, "no size; it gets the plan's", e);
	return foreign_set(f, row, key, value, size, e);
}

static int take_mount(struct foreign *f, const struct foreign_row *row, const char *key,
		      const char *value, struct err *e)
{
	char backup[256], at[256], now[300];

	(void)row;
	if (!f->has_root || !str_eq(part_of(value, "backup", backup), "1"))
		return foreign_note(f, FATE_LOST, key, value, NULL,
				    "a volume beside the root, which is not in the archive", e);
	(void)str_fmt(now, sizeof(now), "files in %s", part_of(value, "mp", at));
	return foreign_note(f, FATE_CHANGES, key, value, now, "its files become part of the root", e);
}

static int take_startup(struct foreign *f, const struct foreign_row *row, const char *key,
			const char *value, struct err *e)
{
	struct foreign_row order = *row;
	char text[256], after[16];
	uint64_t n;

	part_of(value, "order", text);
	if (!*text && *value >= '0' && *value <= '9')
		(void)str_fmt(text, sizeof(text), "%.200s", value);
	if (parse_u64(text, 0, 1000000, &n) < 0)
		return foreign_note(f, FATE_LOST, key, value, NULL, "no order in it", e);
	order.why = "the lowest started first there, the highest here";
	(void)str_fmt(after, sizeof(after), "%llu", 1000000ULL - (unsigned long long)n);
	return foreign_set(f, &order, key, value, after, e);
}

static int take_features(struct foreign *f, const struct foreign_row *row, const char *key,
			 const char *value, struct err *e)
{
	(void)row;
	return foreign_note(f, FATE_LOST, key, value, NULL,
			    "nesting, keyctl, fuse and mounts are the same for all VEs", e);
}

static int take_priv(struct foreign *f, const struct foreign_row *row, const char *key,
		     const char *value, struct err *e)
{
	(void)row;
	if (str_eq(value, "1"))
		return foreign_note(f, FATE_MAPS, key, value, "always", NULL, e);
	return foreign_note(f, FATE_CHANGES, key, value, "unprivileged", "every VE is", e);
}

/* ---- links ---- */

/* Megabytes a second, in both directions. */
static int take_rate(struct foreign *f, const char *key, const char *value, struct err *e)
{
	static const struct foreign_row in = { "rate", "NETRATE_IN", NULL, NULL };
	static const struct foreign_row out = { "rate", "NETRATE_OUT", NULL, NULL };
	char text[32], at[40];
	uint64_t mb;
	int r;

	(void)str_fmt(at, sizeof(at), "%s rate", key);
	if (parse_u64(value, 1, 100000, &mb) < 0)
		return foreign_note(f, FATE_LOST, at, value, NULL, "no whole number of megabytes", e);
	(void)str_fmt(text, sizeof(text), "%llumbit", (unsigned long long)mb * 8);
	r = foreign_set(f, &in, at, value, text, e);
	return r < 0 ? r : foreign_set(f, &out, at, value, text, e);
}

static int take_addr(struct foreign *f, struct foreign_link *l, const char *value, struct err *e)
{
	if (str_eq(value, "manual"))
		return 0;
	if (str_eq(value, "dhcp") || str_eq(value, "auto"))
		return foreign_note(f, FATE_LOST, l->key, value, NULL,
				    "addresses are given out by the host: add --ipadd", e);
	return foreign_link_ips(f, l, l->key, value, e);
}

static int no_part(struct foreign *f, const char *at, const char *key, const char *value,
		   struct err *e)
{
	return foreign_note(f, FATE_LOST, at, value, NULL, str_eq(key, "tag") ?
			    "a VLAN is its network's: berth network create --vlan" :
			    str_eq(key, "firewall") ? "of the other host; spoof filters are always on" :
						      "nothing here does that", e);
}

static int net_part(struct foreign *f, struct foreign_link *l, const char *key, const char *value,
		    struct err *e)
{
	static const char *const subs[][2] = {
		{ "name", "ifname" }, { "bridge", "bridge" }, { "hwaddr", "mac" },
		{ "gw", "gw" }, { "gw6", "gw6" },
	};
	char at[64];

	(void)str_fmt(at, sizeof(at), "%s %s", l->key, key);
	for (size_t i = 0; i < ARRAY_SIZE(subs); i++)
		if (str_eq(key, subs[i][0]))
			return foreign_link_set(f, l, subs[i][1], at, value, e);
	if (str_eq(key, "ip") || str_eq(key, "ip6"))
		return take_addr(f, l, value, e);
	if (str_eq(key, "rate"))
		return take_rate(f, l->key, value, e);
	return str_eq(key, "type") ? 0 : no_part(f, at, key, value, e);
}

static int take_net(struct foreign *f, const struct foreign_row *row, const char *key,
		    const char *value, struct err *e)
{
	struct foreign_link *l = foreign_link(f, key);
	char k[32], v[256];
	int r = 0;

	(void)row;
	if (!l)
		return foreign_note(f, FATE_LOST, key, value, NULL, "more links than a VE can have", e);
	while (!r && next_part(&value, k, v))
		r = net_part(f, l, k, v, e);
	return r;
}

/* ---- all of it ---- */

static int take_line(struct foreign *f, const char *text, const char *line, size_t len,
		     struct err *e)
{
	char key[64], value[2048];
	const char *colon = memchr(line, ':', len);
	size_t k = colon ? (size_t)(colon - line) : 0, skip;

	if (!k || k >= sizeof(key) || len - k >= sizeof(value))
		return foreign_bad_line(text, line, "KEY: VALUE", e);
	(void)str_fmt(key, sizeof(key), "%.*s", (int)k, line);
	skip = k + 1 + strspn(colon + 1, " \t");
	(void)str_fmt(value, sizeof(value), "%.*s", skip < len ? (int)(len - skip) : 0, line + skip);
	return foreign_take(f, foreign_find(rows, ARRAY_SIZE(rows), key), key, value, e);
}

static int hex(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *p = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

	return p ? (int)(p - digits) : -1;
}

/* A comment at the top is a line of the description, as in a URL: %3A is a colon. */
static void add_line(char text[1024], const char *line, size_t len)
{
	size_t n = strlen(text);

	if (n && n < 1023)
		text[n++] = ' ';
	for (size_t i = 0; i < len && n < 1023; i++, n++) {
		bool coded = line[i] == '%' && i + 2 < len && hex(line[i + 1]) >= 0 && hex(line[i + 2]) >= 0;
		int c = coded ? hex(line[i + 1]) * 16 + hex(line[i + 2]) : line[i];

		i += coded ? 2 : 0;
		text[n] = (char)((c & 0xff) < 0x20 || c == 0x7f ? ' ' : c);
	}
	text[n] = '\0';
}

static int take_description(struct foreign *f, const char **pos, struct err *e)
{
	static const struct foreign_row row = { "(comment)", "DESCRIPTION", NULL, NULL };
	char text[1024] = "";

	while (**pos == '#') {
		size_t n = strcspn(*pos, "\r\n");

		add_line(text, *pos + 1, n - 1);
		*pos += n;
		*pos += strspn(*pos, "\r\n");
	}
	return *text ? foreign_set(f, &row, row.from, text, text, e) : 0;
}

/* A section is a snapshot, or what is not in force yet. */
int foreign_pct(struct foreign *f, const char *text, size_t len, struct err *e)
{
	const char *p = text;
	int r = take_description(f, &p, e);

	(void)len;
	while (!r && *p) {
		size_t n = strcspn(p, "\r\n");

		if (*p == '[')
			return foreign_note(f, FATE_LOST, "snapshots", "", NULL,
					    "snapshots and pending changes are not taken along", e);
		if (n && *p != '#')
			r = take_line(f, text, p, n, e);
		p += n;
		p += strspn(p, "\r\n");
	}
	return r;
}
