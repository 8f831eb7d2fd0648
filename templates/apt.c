/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host has many sources; only the distribution's own serve. They are told from others by
 * the component main and by the last part of the path, which is the family's name on every
 * mirror ("/debian", "/ubuntu", "/debian-security"). Only http and https are of use: the
 * template must be able to use the same mirror.
 */
#include "templates/apt.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "util/cleanup.h"
#include "util/str.h"
#include "util/sys-fs.h"

#define MAX_SOURCES 262144

struct source {
	char types[64], uris[512], suites[256], components[256];
	bool off;
};

static bool has_word(const char *list, const char *word)
{
	char one[256];

	while (str_word(&list, one, sizeof(one)) == 1)
		if (str_eq(one, word))
			return true;
	return false;
}

static bool has_security_suite(const char *list)
{
	char one[256];

	while (str_word(&list, one, sizeof(one)) == 1)
		if (str_ends(one, "-security") || str_ends(one, "/updates"))
			return true;
	return false;
}

static bool uri_ok(const char *uri)
{
	return (str_starts(uri, "http://") || str_starts(uri, "https://")) &&
	       str_is_word(uri, ":/._-~%+@") && strlen(uri) < APT_URI_LEN;
}

/* Last part of the path without closing slashes, in dst. */
static void last_part(const char *uri, char dst[APT_URI_LEN])
{
	size_t n = strlen(uri), start;

	while (n && uri[n - 1] == '/')
		n--;
	for (start = n; start && uri[start - 1] != '/'; start--)
		;
	(void)str_fmt(dst, APT_URI_LEN, "%.*s", (int)(n - start), uri + start);
}

static void take(const struct source *s, const char *family, struct apt_mirrors *m)
{
	const char *list = s->uris;
	char uri[APT_URI_LEN], last[APT_URI_LEN];
	bool security = has_security_suite(s->suites);

	if (s->off || !has_word(s->types, "deb") || !has_word(s->components, "main"))
		return;
	while (str_word(&list, uri, sizeof(uri)) == 1) {
		if (!uri_ok(uri))
			continue;
		last_part(uri, last);
		if (!str_starts(last, family))
			continue;
		if (security && !m->security[0])
			(void)str_fmt(m->security, sizeof(m->security), "%s", uri);
		if (!security && !m->main[0] && str_eq(last, family))
			(void)str_fmt(m->main, sizeof(m->main), "%s", uri);
	}
}

/* deb [option=value ...] uri suite component... */
static void one_line(const char *line, const char *family, struct apt_mirrors *m)
{
	struct source s = { 0 };

	line += strspn(line, " \t");
	if (!str_starts(line, "deb ") && !str_starts(line, "deb\t"))
		return;
	(void)str_fmt(s.types, sizeof(s.types), "deb");
	line += 3;
	line += strspn(line, " \t");
	if (*line == '[') {
		line += strcspn(line, "]");
		line += *line == ']';
	}
	if (str_word(&line, s.uris, sizeof(s.uris)) != 1 ||
	    str_word(&line, s.suites, sizeof(s.suites)) != 1 ||
	    str_fmt(s.components, sizeof(s.components), "%.*s", (int)strcspn(line, "#"), line) < 0)
		return;
	take(&s, family, m);
}

static void append(char *dst, size_t size, const char *text)
{
	size_t n = strlen(dst);

	(void)str_fmt(dst + n, size - n, " %s", text);
}

/* A field of a stanza; a folded line (key NULL) goes to the field before it. */
static char *field(struct source *s, const char *line, size_t *ret_size)
{
	static const struct {
		const char *key;
		size_t off, size;
	} rows[] = {
		{ "Types:", offsetof(struct source, types), sizeof(s->types) },
		{ "URIs:", offsetof(struct source, uris), sizeof(s->uris) },
		{ "Suites:", offsetof(struct source, suites), sizeof(s->suites) },
		{ "Components:", offsetof(struct source, components), sizeof(s->components) },
	};

	if (!strncasecmp(line, "Enabled:", 8))
		s->off = strstr(line, "no") != NULL;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strncasecmp(line, rows[i].key, strlen(rows[i].key))) {
			*ret_size = rows[i].size;
			return (char *)s + rows[i].off;
		}
	return NULL;
}

struct deb822 {
	struct source s;
	char *into;                     /* field that folded lines belong to */
	size_t size;
};

static void deb822_line(struct deb822 *st, const char *line, const char *family,
			struct apt_mirrors *m)
{
	if (line[0] == '#')
		return;
	if (!line[strspn(line, " \t")]) {       /* end of a stanza */
		take(&st->s, family, m);
		*st = (struct deb822){ 0 };
		return;
	}
	if (line[0] != ' ' && line[0] != '\t') {
		st->into = field(&st->s, line, &st->size);
		line += strcspn(line, ":");
		line += *line == ':';
	}
	if (st->into)
		append(st->into, st->size, line);
}

void apt_read_sources(const char *text, bool deb822, const char *family, struct apt_mirrors *m)
{
	struct deb822 st = { 0 };
	char line[1024];

	while (*text) {
		size_t n = strcspn(text, "\n");

		if (str_fmt(line, sizeof(line), "%.*s", (int)n, text) >= 0) {
			if (deb822)
				deb822_line(&st, line, family, m);
			else
				one_line(line, family, m);
		}
		text += n + (text[n] == '\n');
	}
	if (deb822)
		take(&st.s, family, m);
}

static void read_file(int dir, const char *name, const char *family, struct apt_mirrors *m)
{
	struct err ignored = ERR_INIT;  /* a source we cannot read is a source we do not use */
	_free_ char *text = NULL;

	if (fs_read_at(dir, name, MAX_SOURCES, &text, NULL, &ignored) == 0)
		apt_read_sources(text, str_ends(name, ".sources"), family, m);
}

static int is_source(const struct dirent *de)
{
	return str_ends(de->d_name, ".list") || str_ends(de->d_name, ".sources");
}

void apt_find_mirrors(const char *etc, const char *family, struct apt_mirrors *ret)
{
	_fd_ int apt = open(etc, O_RDONLY | O_DIRECTORY | O_CLOEXEC), dir = -1;
	struct apt_mirrors m = { 0 };
	struct dirent **list = NULL;
	int n;

	*ret = m;
	if (apt < 0)
		return;
	read_file(apt, "sources.list", family, &m);
	dir = openat(apt, "sources.list.d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	n = dir < 0 ? 0 : scandirat(apt, "sources.list.d", &list, is_source, alphasort);
	for (int i = 0; i < n; i++) {
		read_file(dir, list[i]->d_name, family, &m);
		free(list[i]);
	}
	free(list);
	*ret = m;
}
