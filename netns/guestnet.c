/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The distribution's own network files, as a table: by what a guest is recognised, which file is
 * ours there, in which syntax. netlink has set addresses and routes before init runs, so each
 * form must be happy to find them there (netns/guestsyntax.h).
 *
 * A file that is ours alone is replaced whole at every start; in one that is shared a marked
 * block is ours, and stanzas about our links that came with an image are commented out.
 */
#include "netns/guestfile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netns/guestsyntax.h"
#include "util/cleanup.h"
#include "util/str.h"

#define INTERFACES "etc/network/interfaces"
#define HEAD "# Written by berth at every start.\n"
#define WANTS "etc/systemd/system/multi-user.target.wants/"
#define OFF "#berth# "
#define MAX_MARKS 4

enum form {
	PER_LINK,               /* the file's name has the link's */
	ONE_FILE,               /* all links */
	BLOCK,                  /* all links, as a block of a file that others write too */
};

/* First match only: a guest has one network manager. netplan drives others, so it comes first. */
static const struct writer {
	const char *name;
	const char *marks[MAX_MARKS];   /* the guest is one of these when it has any of them ... */
	const char *and_has;            /* ... and this; NULL: no more is asked for */
	const char *dir, *file;         /* in the file's name % stands for the link's */
	enum form form;
	mode_t mode;                    /* netplan and NetworkManager want theirs unread by others */
	const char *head;               /* before the first link; of any but BLOCK */
	void (*link)(struct text *t, const struct guest_link *l, bool first);
} writers[] = {
	{ "netplan", { "usr/sbin/netplan", "usr/lib/netplan/generate", "usr/libexec/netplan/generate" },
	  "etc/netplan", "etc/netplan", "etc/netplan/90-berth.yaml", ONE_FILE, 0600,
	  "network:\n  version: 2\n  ethernets:\n", syntax_netplan },
	{ "systemd-networkd", { WANTS "systemd-networkd.service" }, NULL,
	  "etc/systemd/network", "etc/systemd/network/10-berth-%.network", PER_LINK, 0644, "",
	  syntax_networkd },
	{ "NetworkManager", { WANTS "NetworkManager.service" }, NULL,
	  "etc/NetworkManager/system-connections",
	  "etc/NetworkManager/system-connections/berth-%.nmconnection", PER_LINK, 0600, "",
	  syntax_keyfile },
	/* Its ifupdown knows "source" only since 3.13. */
	{ "Alpine", { "etc/alpine-release" }, NULL, "etc/network", INTERFACES, BLOCK, 0644, "",
	  syntax_ifupdown },
	{ "ifupdown", { "etc/network", "sbin/ifup", "usr/sbin/ifup", "bin/busybox" }, NULL,
	  "etc/network/interfaces.d", "etc/network/interfaces.d/berth", ONE_FILE, 0644, "",
	  syntax_ifupdown },
};

static bool matches(const struct writer *w, const struct guest_conf *g)
{
	if (w->and_has && !guest_has(g, w->and_has))
		return false;
	for (unsigned i = 0; i < MAX_MARKS && w->marks[i]; i++)
		if (guest_has(g, w->marks[i]))
			return true;
	return false;
}

static int put(const struct guest_conf *g, const struct writer *w, const char *path,
	       const struct text *t, struct err *e)
{
	struct stat st = { .st_mode = w->mode, .st_uid = g->uid, .st_gid = g->gid };

	return guest_put(g, path, t, &st, e);
}

static int write_per_link(const struct guest_conf *g, const struct writer *w, struct err *e)
{
	size_t at = (size_t)(strchr(w->file, '%') - w->file);
	char path[160];
	int r = 0;

	for (size_t i = 0; i < g->n_links && r == 0; i++) {
		_text_ struct text t = TEXT_INIT;

		text_addf(&t, HEAD "%s", w->head);
		w->link(&t, &g->links[i], i == 0);
		(void)str_fmt(path, sizeof(path), "%.*s%s%s", (int)at, w->file, g->links[i].name,
			      w->file + at + 1);
		r = put(g, w, path, &t, e);
	}
	return r;
}

static void add_links(struct text *t, const struct guest_conf *g, const struct writer *w)
{
	for (size_t i = 0; i < g->n_links; i++)
		w->link(t, &g->links[i], i == 0);
}

static int write_one(const struct guest_conf *g, const struct writer *w, struct err *e)
{
	_text_ struct text t = TEXT_INIT;

	text_addf(&t, HEAD "%s", g->n_links ? w->head : "");
	add_links(&t, g, w);
	return put(g, w, w->file, &t, e);
}

/* ---- interfaces(5): the file that others write, too ---- */

static bool begins_stanza(const char *line, size_t len)
{
	static const char *const words[] = { "iface", "auto", "mapping", "source",
					     "source-directory", "no-auto-down", "no-scripts" };

	if (len >= 6 && memcmp(line, "allow-", 6) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (line_is(line, len, words[i]))
			return true;
	return false;
}

/* "iface eth0 inet dhcp", as images for other tools have it, of a link that is ours. */
static bool is_our_iface(const struct guest_conf *g, const char *line, size_t len)
{
	size_t skip = strlen("iface");

	if (!line_is(line, len, "iface"))
		return false;
	while (skip < len && (line[skip] == ' ' || line[skip] == '\t'))
		skip++;
	for (size_t i = 0; i < g->n_links; i++)
		if (line_is(line + skip, len - skip, g->links[i].name))
			return true;
	return false;
}

/* Lines between our own block's marks are never touched: the block is replaced whole. */
static bool comment_out(const struct guest_conf *g, const char *s, struct text *out)
{
	bool in = false, ours = false, any = false;
	const char *line;
	size_t len;

	while ((line = line_next(&s, &len))) {
		if (guest_block_mark(line, len))
			ours = !ours;
		if (begins_stanza(line, len) || guest_block_mark(line, len))
			in = !ours && is_our_iface(g, line, len);
		if (in && len && *line != '#') {
			text_addf(out, OFF);
			any = true;
		}
		text_add(out, line, len);
		text_add(out, "\n", 1);
	}
	return any;
}

static int clear_interfaces(const struct guest_conf *g, struct err *e)
{
	_text_ struct text out = TEXT_INIT;
	_free_ char *old = NULL;
	struct stat st;
	int r = guest_read(g, INTERFACES, &old, &st, e);

	if (r <= 0 || !comment_out(g, old, &out))
		return r < 0 ? r : 0;
	return guest_put(g, INTERFACES, &out, &st, e);
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

static int put_interfaces(const struct guest_conf *g, const struct text *block, struct err *e)
{
	static const char fresh[] = "auto lo\niface lo inet loopback\n\n";

	return guest_put_block(g, INTERFACES, fresh, block, e);
}

/* That the main file reads ours. */
static int source_ours(const struct guest_conf *g, struct err *e)
{
	_text_ struct text block = TEXT_INIT;
	_free_ char *old = NULL;
	struct stat st;
	int r = guest_read(g, INTERFACES, &old, &st, e);

	if (r < 0 || sources_directory(old))
		return r < 0 ? r : 0;
	/* busybox knows no wildcard; ifupdown knows this since 0.7.44 of 2013 */
	text_addf(&block, "source-directory /etc/network/interfaces.d\n");
	return put_interfaces(g, &block, e);
}

static int write_block(const struct guest_conf *g, const struct writer *w, struct err *e)
{
	_text_ struct text block = TEXT_INIT;

	add_links(&block, g, w);
	return put_interfaces(g, &block, e);
}

/* ---- all ---- */

static int write_by(const struct guest_conf *g, const struct writer *w, struct err *e)
{
	int r = guest_mkdir(g, w->dir, e);

	if (r == 0 && w->link == syntax_ifupdown)
		r = clear_interfaces(g, e);
	if (r < 0)
		return r;
	switch (w->form) {
	case PER_LINK:
		return write_per_link(g, w, e);
	case BLOCK:
		return write_block(g, w, e);
	case ONE_FILE:
		break;
	}
	r = write_one(g, w, e);
	return r == 0 && w->link == syntax_ifupdown ? source_ours(g, e) : r;
}

int guest_write_network(const struct guest_conf *g, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(writers); i++)
		if (matches(&writers[i], g))
			return write_by(g, &writers[i], e) < 0 ?
				       err_wrap(e, "write %s files", writers[i].name) : 1;
	return 0;
}
