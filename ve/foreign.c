/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/foreign.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "util/exits.h"
#include "util/str.h"
#include "ve/netif.h"

static const struct {
	const char *word;
	int (*read)(struct foreign *f, const char *text, size_t len, struct err *e);
} tools[_FOREIGN_MAX] = {
	[FOREIGN_OPENVZ] = { "openvz", foreign_openvz },
	[FOREIGN_PCT] = { "pct", foreign_pct },
	[FOREIGN_LXC] = { "lxc", foreign_lxc },
	[FOREIGN_INCUS] = { "incus", foreign_incus },
};

const char *foreign_word(enum foreign_tool t)
{
	return tools[t].word;
}

enum foreign_tool foreign_by_word(const char *word)
{
	for (size_t i = FOREIGN_NONE + 1; i < _FOREIGN_MAX; i++)
		if (str_eq(word, tools[i].word))
			return (enum foreign_tool)i;
	return FOREIGN_NONE;
}

/* ---- whose is it ---- */

/* The line after its blanks, if it is no comment and not empty. */
static const char *meaning(const char *line)
{
	line += strspn(line, " \t");
	return *line && *line != '#' && *line != '\n' && *line != '\r' ? line : NULL;
}

static enum foreign_tool guess_line(const char *line)
{
	size_t up = strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
	size_t low = strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789_-");

	if (up && line[up] == '=')
		return FOREIGN_OPENVZ;
	if (str_starts(line, "lxc."))
		return strchr(line, '=') ? FOREIGN_LXC : FOREIGN_NONE;
	if (low && line[low] == ':')
		return line[low + 1] == ' ' ? FOREIGN_PCT : FOREIGN_INCUS;
	return FOREIGN_NONE;
}

/*
 * pct.conf is flat "key: value"; YAML of Incus has nested maps, so a line that is indented or
 * ends in its colon. Both begin alike, hence the look at all of it.
 */
enum foreign_tool foreign_guess(const char *text)
{
	enum foreign_tool first = FOREIGN_NONE;
	bool nested = false;

	for (const char *p = text; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
		const char *line = meaning(p);
		enum foreign_tool t = line ? guess_line(line) : FOREIGN_NONE;

		if (line && !first && t)
			first = t;
		nested |= line && (line != p || t == FOREIGN_INCUS);
	}
	return first == FOREIGN_PCT && nested ? FOREIGN_INCUS : first;
}

int foreign_read(enum foreign_tool t, const char *text, size_t len, struct foreign *f, struct err *e)
{
	int r = tools[t].read(f, text, len, e);

	if (!r)
		r = foreign_links(f, e);
	return r < 0 ? err_wrap(e, "read the config (%s)", tools[t].word) : 0;
}

void foreign_free(struct foreign *f)
{
	free(f->note);
	f->note = NULL;
	f->n_notes = 0;
}

/* ---- notes ---- */

static void cut(char *dst, size_t size, const char *text)
{
	size_t len = strlen(text);

	if (len < size) {
		memcpy(dst, text, len + 1);
		return;
	}
	memcpy(dst, text, size - 4);
	memcpy(dst + size - 4, "...", 4);
}

int foreign_note(struct foreign *f, enum foreign_fate fate, const char *key, const char *was,
		 const char *now, const char *why, struct err *e)
{
	struct foreign_note *n;

	if (f->n_notes == FOREIGN_NOTES_MAX)
		return err_set(e, E2BIG, VZ_BAD_CONF, "more than %d keys", FOREIGN_NOTES_MAX);
	if (!f->note)
		f->note = calloc(FOREIGN_NOTES_MAX, sizeof(*f->note));
	if (!f->note)
		return err_set(e, ENOMEM, 0, "read a config: out of memory");
	n = &f->note[f->n_notes++];
	n->fate = fate;
	cut(n->key, sizeof(n->key), key);
	cut(n->was, sizeof(n->was), was);
	cut(n->now, sizeof(n->now), now ? now : "");
	cut(n->why, sizeof(n->why), why ? why : "");
	return 0;
}

static int lost(struct foreign *f, const char *key, const char *was, const char *why, struct err *e)
{
	return foreign_note(f, FATE_LOST, key, was, NULL, why, e);
}

int foreign_set(struct foreign *f, const struct foreign_row *row, const char *key,
		const char *value, const char *text, struct err *e)
{
	const struct param *p = param_by_key(row->to);
	struct err why = ERR_INIT;
	char now[4200], val[4096];

	if (param_parse(p, text, false, &f->conf, &why) < 0)
		return lost(f, key, value, why.msg, e);
	if (param_show(p, &f->conf, val, sizeof(val)) < 0)
		val[0] = '\0';
	(void)str_fmt(now, sizeof(now), "%s %s", param_word(p), val);
	return foreign_note(f, row->why ? FATE_CHANGES : FATE_MAPS, key, value, now, row->why, e);
}

/* ---- rows ---- */

const struct foreign_row *foreign_find(const struct foreign_row *rows, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(rows[i].from);
		bool any = rows[i].from[len - 1] == '*';

		if (any ? strncmp(key, rows[i].from, len - 1) == 0 : str_eq(key, rows[i].from))
			return &rows[i];
	}
	return NULL;
}

int foreign_take(struct foreign *f, const struct foreign_row *row, const char *key,
		 const char *value, struct err *e)
{
	if (!row)
		return lost(f, key, value, "nothing here does that", e);
	if (row->fn)
		return row->fn(f, row, key, value, e);
	if (!row->to)
		return lost(f, key, value, row->why, e);
	return foreign_set(f, row, key, value, value, e);
}

int foreign_bad_line(const char *text, const char *at, const char *want, struct err *e)
{
	unsigned line = 1;

	for (; text < at; text++)
		line += *text == '\n';
	return err_set(e, EINVAL, VZ_BAD_CONF, "line %u is not %s", line, want);
}

int foreign_once(struct foreign *f, const struct foreign_row *row, const char *key,
		 const char *value, struct err *e)
{
	(void)key, (void)value;
	for (size_t i = 0; i < f->n_notes; i++)
		if (str_eq(f->note[i].key, row->from))
			return 0;
	return lost(f, row->from, "", row->why, e);
}

/* ---- links ---- */

struct foreign_link *foreign_link(struct foreign *f, const char *key)
{
	struct foreign_link *l;

	for (unsigned i = 0; i < f->n_links; i++)
		if (str_eq(f->link[i].key, key))
			return &f->link[i];
	if (f->n_links == NET_MAX_LINKS)
		return NULL;
	l = &f->link[f->n_links];
	*l = (struct foreign_link){ .netif.index = NETIF_NO_INDEX };
	if (str_fmt(l->key, sizeof(l->key), "%s", key) < 0)
		return NULL;
	f->n_links++;
	return l;
}

static int unlike(struct foreign *f, const char *key, const char *was, const char *want,
		  struct err *e)
{
	char why[160];

	(void)str_fmt(why, sizeof(why), "want %s", want);
	return lost(f, key, was, why, e);
}

int foreign_link_set(struct foreign *f, struct foreign_link *l, const char *sub, const char *key,
		     const char *value, struct err *e)
{
	const char *want;

	return !*value || netif_take_one(&l->netif, sub, value, &want) == 0
		       ? 0 : unlike(f, key, value, want, e);
}

static int take_ip(struct foreign *f, struct foreign_link *l, const char *key, const char *word,
		   struct err *e)
{
	const char *want = "IPv4 or IPv6 addresses";
	struct ipaddr a;

	/* parse_ip first: "auto" is no address of theirs */
	return parse_ip(word, &a) == 0 &&
	       netif_take_one(&l->netif, a.family == AF_INET ? "ip" : "ip6", word, &want) == 0
		       ? 0 : unlike(f, key, word, want, e);
}

int foreign_link_ips(struct foreign *f, struct foreign_link *l, const char *key, const char *value,
		     struct err *e)
{
	char word[IPADDR_STRLEN];
	int r, done = 0;

	while (!done && (r = str_word(&value, word, sizeof(word))) != 0)
		done = r < 0 ? unlike(f, key, value, "IPv4 or IPv6 addresses", e)
			     : take_ip(f, l, key, word, e);
	return done;
}

static bool bridge_is_here(const struct foreign *f, const char *bridge)
{
	return *bridge && !f->other_net && if_nametoindex(bridge);
}

/* On a bridge addresses keep their prefix, a routed one has none. */
static void strip_prefixes(struct ip_list *ips)
{
	for (unsigned i = 0; i < ips->n; i++)
		ips->a[i].prefix = ips->a[i].family == AF_INET ? 32 : 128;
}

/* "link eth0, bridge br0, 10.0.0.5/24" */
static void show(const struct netif *l, char *dst, size_t size)
{
	char mac[MAC_STRLEN] = "", one[IPADDR_STRLEN];
	int n;

	if (l->has_mac)
		format_mac(l->mac, mac);
	n = str_fmt(dst, size, "link %s%s%s%s%s", *l->ifname ? l->ifname : "without a name",
		    *l->bridge ? ", bridge " : ", routed", l->bridge, *mac ? ", mac " : "", mac);
	for (unsigned i = 0; i < l->ips.n && n >= 0; i++) {
		size_t len = strlen(dst);

		format_ip(&l->ips.a[i], one);
		n = str_fmt(dst + len, size - len, "%s%s", i ? " " : ", ", one);
	}
}

/* What this host makes of it. */
static void fit(const struct foreign *f, const struct netif *was, bool first, struct netif *ret)
{
	bool bridged = bridge_is_here(f, was->bridge);

	*ret = *was;
	if (first) {
		(void)str_fmt(ret->ifname, sizeof(ret->ifname), NETIF_FIRST);
		ret->index = 0;
	}
	if (bridged)
		return;
	ret->bridge[0] = '\0';
	ret->gw[0].family = ret->gw[1].family = 0;
	if (!f->other_net)
		strip_prefixes(&ret->ips);
}

/* "" when nothing is different here. */
static void why_other(const struct foreign *f, const struct netif *was, const struct netif *now,
		      char *dst, size_t size)
{
	dst[0] = '\0';
	if (*now->bridge)
		(void)str_fmt(dst, size, "it joins this host's bridge %s, as the config names it; "
			      "--network says another", now->bridge);
	else if (*was->bridge)
		(void)str_fmt(dst, size, f->other_net ? "--network is in place of bridge %s" :
			      "this host has no bridge %s", was->bridge);
	else if (*was->ifname && !str_eq(was->ifname, now->ifname))
		(void)str_fmt(dst, size, "the first link is called " NETIF_FIRST);
}

/* The addresses of eth0 have a key of their own. */
static void first_ips(struct ve_conf *c, struct netif *n)
{
	if (!n->ips.n)
		return;
	c->ips = n->ips;
	conf_mark(c, param_by_key("IP_ADDRESS"), true);
	n->ips.n = 0;
}

static const char *add_link(struct netif_list *all, const struct netif *n)
{
	char text[NETIF_LEN];

	if (!*n->ifname)
		return "no link that can be made here";
	if (netif_find(all, n->ifname))
		return "two links of one name";
	all->a[all->n++] = *n;
	if (netif_format(all, text, sizeof(text)) == 0)
		return NULL;
	all->n--;
	return "more links than a config holds";
}

static int put_link(struct foreign *f, const struct foreign_link *l, bool first,
		    struct netif_list *all, struct err *e)
{
	char now[700], was[700], why[200];
	const char *bad;
	struct netif n;

	show(&l->netif, was, sizeof(was));
	fit(f, &l->netif, first, &n);
	show(&n, now, sizeof(now));
	why_other(f, &l->netif, &n, why, sizeof(why));
	if (first)
		first_ips(&f->conf, &n);
	bad = add_link(all, &n);
	if (bad)
		return lost(f, l->key, was, bad, e);
	return foreign_note(f, *why ? FATE_CHANGES : FATE_MAPS, l->key, was, now, why, e);
}

/* eth0 if there is one, else the first by its key. */
static unsigned first_link(const struct foreign *f)
{
	unsigned first = 0;

	for (unsigned i = 0; i < f->n_links; i++) {
		if (str_eq(f->link[i].netif.ifname, NETIF_FIRST))
			return i;
		if (strcmp(f->link[i].key, f->link[first].key) < 0)
			first = i;
	}
	return first;
}

/* A bare eth0 is there without being named. */
static int set_links(struct ve_conf *c, struct netif_list *all, struct err *e)
{
	static const char bare[] = "ifname=" NETIF_FIRST ";";
	char netif[NETIF_LEN];
	const char *want;

	if (netif_number(all, &want) < 0)
		return err_set(e, EINVAL, VZ_BAD_CONF, "links: want %s", want);
	if (netif_format(all, netif, sizeof(netif)) < 0)
		return err_set(e, E2BIG, VZ_BAD_CONF, "links: more than a config holds");
	if (!*netif || str_eq(netif, "ifname=" NETIF_FIRST))
		return 0;
	return param_parse(param_by_key("NETIF"),
			   str_starts(netif, bare) ? netif + strlen(bare) : netif, true, c, e);
}

int foreign_links(struct foreign *f, struct err *e)
{
	unsigned first = first_link(f);
	struct netif_list all = { 0 };
	int r = 0;

	if (f->n_links)
		r = put_link(f, &f->link[first], true, &all, e);
	for (unsigned i = 0; i < f->n_links && !r; i++)
		if (i != first)
			r = put_link(f, &f->link[i], false, &all, e);
	return r < 0 ? r : set_links(&f->conf, &all, e);
}
