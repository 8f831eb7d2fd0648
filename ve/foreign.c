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
	if (str_fmt(l->key, sizeof(l->key), "%s", key) < 0)
		return NULL;
	f->n_links++;
	return l;
}

/* Addresses for a link: on a bridge they keep their prefix, a routed one has none. */
static int take_ips(const struct foreign_link *l, bool keep, char *dst, size_t size)
{
	char word[IPADDR_STRLEN], one[IPADDR_STRLEN];
	const char *s = l->ips;
	struct ipaddr a;
	size_t n = 0;
	int r;

	dst[0] = '\0';
	while ((r = str_word(&s, word, sizeof(word))) > 0) {
		if (parse_ip(word, &a) < 0)
			return -EINVAL;
		if (keep)
			format_ip(&a, one);
		else
			format_ip_host(&a, one);
		r = str_fmt(dst + n, size - n, "%s%s", n ? " " : "", one);
		if (r < 0)
			return r;
		n += (size_t)r;
	}
	return r;
}

static bool bridge_is_here(const struct foreign *f, const struct foreign_link *l)
{
	return *l->bridge && !f->other_net && if_nametoindex(l->bridge);
}

/* ip=..., once for each, as NETIF has the addresses of links other than the first. */
static int add_ips(const char *ips, char *dst, size_t size)
{
	char word[IPADDR_STRLEN];
	size_t n = strlen(dst);
	int r;

	while ((r = str_word(&ips, word, sizeof(word))) > 0) {
		r = str_fmt(dst + n, size - n, ",%s=%s", strchr(word, ':') ? "ip6" : "ip", word);
		if (r < 0)
			return r;
		n += (size_t)r;
	}
	return r;
}

/* The link as an entry of NETIF. */
static int entry_of(const struct foreign_link *l, const char *name, bool bridged, const char *ips,
		    char *dst, size_t size)
{
	int n = str_fmt(dst, size, "ifname=%s%s%s%s%s%s%s%s%s", name, bridged ? ",bridge=" : "",
			bridged ? l->bridge : "", *l->mac ? ",mac=" : "", l->mac,
			bridged && *l->gw[0] ? ",gw=" : "", bridged ? l->gw[0] : "",
			bridged && *l->gw[1] ? ",gw6=" : "", bridged ? l->gw[1] : "");

	return n < 0 || str_eq(name, NETIF_FIRST) ? n : add_ips(ips, dst, size);
}

/* "link eth0, bridge br0, 10.0.0.5/24" */
static void show(const struct foreign_link *l, const char *name, bool bridged, const char *ips,
		 char *dst, size_t size)
{
	(void)str_fmt(dst, size, "link %s%s%s%s%s%s%s", name, bridged ? ", bridge " : "",
		      bridged ? l->bridge : ", routed", *l->mac ? ", mac " : "", l->mac,
		      *ips ? ", " : "", ips);
}

/* eth0 is there without being named. */
static bool append(char netif[NETIF_LEN], const char *entry)
{
	size_t n = strlen(netif);

	return str_eq(entry, "ifname=" NETIF_FIRST) ||
	       str_fmt(netif + n, NETIF_LEN - n, "%s%s", n ? ";" : "", entry) >= 0;
}

static int put_link(struct foreign *f, const struct foreign_link *l, bool first, char *netif,
		    struct err *e)
{
	const char *name = first ? NETIF_FIRST : l->name;
	bool bridged = bridge_is_here(f, l), renamed = *l->name && !str_eq(name, l->name);
	struct netif_list try;
	char ips[512], entry[1024], now[700], was[700], why[160] = "";
	const char *want = "";

	show(l, *l->name ? l->name : name, *l->bridge, l->ips, was, sizeof(was));
	if (take_ips(l, bridged || f->other_net, ips, sizeof(ips)) < 0 ||
	    entry_of(l, name, bridged, ips, entry, sizeof(entry)) < 0 ||
	    netif_parse(entry, &try, &want) < 0)
		return lost(f, l->key, was, *want ? want : "no link that can be made here", e);
	if (!append(netif, entry))
		return lost(f, l->key, was, "more links than a config holds", e);
	if (first && *ips) {
		struct err ignored = ERR_INIT;  /* every one has been parsed */

		(void)!param_parse(param_by_key("IP_ADDRESS"), ips, false, &f->conf, &ignored);
	}
	if (*l->bridge && !bridged)
		(void)str_fmt(why, sizeof(why), f->other_net ? "--network is in place of bridge %s" :
			      "this host has no bridge %s", l->bridge);
	else if (renamed)
		(void)str_fmt(why, sizeof(why), "the first link is called " NETIF_FIRST);
	show(l, name, bridged, ips, now, sizeof(now));
	return foreign_note(f, *why ? FATE_CHANGES : FATE_MAPS, l->key, was, now, why, e);
}

/* eth0 if there is one, else the first by its key. */
static unsigned first_link(const struct foreign *f)
{
	unsigned first = 0;

	for (unsigned i = 0; i < f->n_links; i++) {
		if (str_eq(f->link[i].name, NETIF_FIRST))
			return i;
		if (strcmp(f->link[i].key, f->link[first].key) < 0)
			first = i;
	}
	return first;
}

int foreign_links(struct foreign *f, struct err *e)
{
	unsigned first = first_link(f);
	char netif[NETIF_LEN] = "";
	int r = 0;

	if (f->n_links)
		r = put_link(f, &f->link[first], true, netif, e);
	for (unsigned i = 0; i < f->n_links && !r; i++)
		if (i != first)
			r = put_link(f, &f->link[i], false, netif, e);
	if (!r && *netif)
		r = param_parse(param_by_key("NETIF"), netif, true, &f->conf, e);
	return r < 0 ? r : 0;
}
