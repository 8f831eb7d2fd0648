/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OpenVZ 6 and 7, and vzdump's vps.conf: the keys are those that ours began with, so most rows
 * of the parameter table read them. Here are only those that mean something else today.
 */
#include <errno.h>
#include <string.h>

#include "util/exits.h"
#include "util/str.h"
#include "ve/conf.h"
#include "ve/foreign.h"
#include "ve/netif.h"

#define OLD_HOST "where it was on the other host"
#define PER_PROCESS "for the whole VE there, for each process here"

static int per_file(struct foreign *f, const struct foreign_row *row, const char *key,
		    const char *value, struct err *e);
static int take_netif(struct foreign *f, const struct foreign_row *row, const char *key,
		      const char *value, struct err *e);
static int take_venet(struct foreign *f, const struct foreign_row *row, const char *key,
		      const char *value, struct err *e);
static int take_privvm(struct foreign *f, const struct foreign_row *row, const char *key,
		       const char *value, struct err *e);

/* clang-format off */
static const struct foreign_row rows[] = {
	{ "VE_ROOT", NULL, NULL, OLD_HOST },
	{ "VE_PRIVATE", NULL, NULL, OLD_HOST },
	{ "VE_LAYOUT", NULL, NULL, "its disk is an image here" },
	{ "OSTEMPLATE", NULL, NULL, "its own root is what it gets" },
	{ "ORIGIN_SAMPLE", NULL, NULL, "a plan of the other host" },
	{ "TEMPLATE_VERSION", NULL, NULL, "of the other host" },
	{ "LOCAL_UID", NULL, NULL, "it gets a range of ids of its own" },
	{ "LOCAL_GID", NULL, NULL, "it gets a range of ids of its own" },
	{ "KERNEL", NULL, NULL, "of the other host" },
	{ "POOL", NULL, NULL, "of the other host" },
	{ "UUID", NULL, NULL, "it gets a number" },
	{ "VEID", NULL, NULL, "it gets a number" },
	{ "DISK", NULL, NULL, "only its root is taken" },
	{ "BINDMOUNT", NULL, NULL, "directories of the host are not mounted in VEs" },
	{ "PCI", NULL, NULL, "devices of the host are not given to VEs" },
	{ "NETDEV", NULL, NULL, "a link of the other host; --netdev_add gives it one of this" },
	{ "NUMFILE", "NUMFILE", per_file, PER_PROCESS },
	{ "LOCKEDPAGES", "LOCKEDPAGES", per_file, PER_PROCESS },
	{ "NUMSIGINFO", "NUMSIGINFO", per_file, "for the whole VE there, for each user of it here" },
	{ "SHMPAGES", "SHMPAGES", per_file, "the size of /dev/shm here" },
	{ "PRIVVMPAGES", "PRIVVMPAGES", take_privvm, "kept, without effect" },
	{ "IP_ADDRESS", NULL, take_venet, NULL },
	{ "NETIF", NULL, take_netif, NULL },
};
/* clang-format on */

/* As the file has it: pages, barrier:limit. */
static int per_file(struct foreign *f, const struct foreign_row *row, const char *key,
		    const char *value, struct err *e)
{
	const struct param *p = param_by_key(row->to);
	const char *why_not = p->flags & P_STORED ? "kept, without effect" : row->why;
	struct err why = ERR_INIT;
	char now[4200], val[4096];

	if (param_parse(p, value, true, &f->conf, &why) < 0)
		return foreign_note(f, FATE_LOST, key, value, NULL, why.msg, e);
	if (param_show(p, &f->conf, val, sizeof(val)) < 0)
		val[0] = '\0';
	(void)str_fmt(now, sizeof(now), "%s %s", param_word(p), val);
	return foreign_note(f, why_not ? FATE_CHANGES : FATE_MAPS, key, value, now, why_not, e);
}

static int take_privvm(struct foreign *f, const struct foreign_row *row, const char *key,
		       const char *value, struct err *e)
{
	const char *limit = strrchr(value, ':');
	uint64_t pages;

	if (parse_u64(limit ? limit + 1 : value, 1, U64_UNLIMITED / 4096 - 1, &pages) == 0)
		f->privvm = pages * 4096;
	return per_file(f, row, key, value, e);
}

/* What has no key of ours is lost, but says so. */
static int take(struct foreign *f, const struct conf_line *l, struct err *e)
{
	const struct foreign_row *row = foreign_find(rows, ARRAY_SIZE(rows), l->key);
	const struct foreign_row same = { l->key, l->key, NULL, NULL };

	if (row || !param_by_key(l->key))
		return foreign_take(f, row, l->key, l->value, e);
	return per_file(f, &same, l->key, l->value, e);
}

/* ---- links ---- */

/* Addresses of venet0 are routed by the host: what our first link does. */
static int take_venet(struct foreign *f, const struct foreign_row *row, const char *key,
		      const char *value, struct err *e)
{
	struct foreign_link *l;

	(void)row;
	if (!*value)
		return 0;
	l = foreign_link(f, "IP_ADDRESS");
	if (!l)
		return foreign_note(f, FATE_LOST, key, value, NULL, "more links than a VE can have", e);
	(void)str_fmt(l->netif.ifname, sizeof(l->netif.ifname), "venet0");
	return foreign_link_ips(f, l, key, value, e);
}

/* Of a link only what says nothing about the host that it was on. */
static void put_link(const struct netif *n, struct netif *to)
{
	(void)str_fmt(to->ifname, sizeof(to->ifname), "%s", n->ifname);
	(void)str_fmt(to->bridge, sizeof(to->bridge), "%s", n->bridge);
	memcpy(to->mac, n->mac, sizeof(to->mac));
	to->has_mac = n->has_mac;
	to->ips = n->ips;
	memcpy(to->gw, n->gw, sizeof(to->gw));
	to->index = n->index;
}

static int put_netif(struct foreign *f, const struct netif *n, struct err *e)
{
	const char *of_host = *n->network ? n->network : *n->device ? n->device : n->other;
	struct foreign_link *l;
	char key[24];
	int r = 0;

	(void)str_fmt(key, sizeof(key), "NETIF %s", n->ifname);
	l = foreign_link(f, key);
	if (!l)
		return foreign_note(f, FATE_LOST, key, n->ifname, NULL, "more links than a VE can have", e);
	put_link(n, &l->netif);
	if (n->mac_open || n->ip_open)
		r = foreign_note(f, FATE_CHANGES, key, "filters off", "filters on",
				 "they are on for every VE; --mac_filter and --ip_filter say otherwise", e);
	if (r < 0 || !*of_host)
		return r;
	return foreign_note(f, FATE_LOST, key, of_host, NULL,
			    "a network, or a setting of a link, of the other host", e);
}

static int take_netif(struct foreign *f, const struct foreign_row *row, const char *key,
		      const char *value, struct err *e)
{
	struct netif_list list = { 0 };
	const char *want = "links";
	int r = 0;

	(void)row;
	if (netif_parse(value, &list, &want) < 0)
		return foreign_note(f, FATE_LOST, key, value, NULL, want, e);
	for (unsigned i = 0; i < list.n && !r; i++)
		r = put_netif(f, &list.a[i], e);
	return r;
}

/* ---- all of it ---- */

/*
 * Before VSwap the limit was on address space. Without any on memory it is the only number that
 * says how large the VE was meant to be.
 */
static int memory_of_privvm(struct foreign *f, struct err *e)
{
	const struct foreign_row row = { "PRIVVMPAGES", "PHYSPAGES", NULL,
					 "a limit of address space there, of memory here" };
	char text[24], was[48];

	if (!f->privvm || (conf_has(&f->conf, param_by_key("PHYSPAGES")) &&
			   f->conf.ram < U64_UNLIMITED))
		return 0;
	(void)str_fmt(text, sizeof(text), "%llu", (unsigned long long)f->privvm);
	(void)str_fmt(was, sizeof(was), "%llu pages", (unsigned long long)f->privvm / 4096);
	return foreign_set(f, &row, row.from, was, text, e);
}

int foreign_openvz(struct foreign *f, const char *text, size_t len, struct err *e)
{
	struct conf_line line = { 0 };
	const char *pos = text;
	int r;

	(void)len;
	while ((r = conf_next(&pos, &line)) != 0) {
		if (r < 0)
			return err_set(e, EINVAL, VZ_BAD_CONF, "line %u is not KEY=\"value\"", line.number);
		r = line.key[0] ? take(f, &line, e) : 0;
		if (r < 0)
			return r;
	}
	return memory_of_privvm(f, e);
}
