/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cp: files into and out of a running VE. */
#include "cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "cli/options.h"
#include "cli/out.h"
#include "util/exits.h"
#include "util/parcel.h"
#include "util/parse.h"
#include "util/str.h"
#include "util/sys-proc.h"
#include "ve/files.h"
#include "ve/registry.h"

#define FIRST_US 1000000        /* what is done by then shows no progress */
#define EACH_US 200000

int take_owner(struct args *a, const char *value, struct err *e)
{
	const char *colon = strchr(value, ':');
	char uid[16];

	/* -1 is what chown(2) takes for "leave it". */
	if (str_fmt(uid, sizeof(uid), "%.*s", colon ? (int)(colon - value) : 15, value) < 0 ||
	    parse_u32(uid, 0, UINT32_MAX - 1, &a->uid) < 0 ||
	    (colon && parse_u32(colon + 1, 0, UINT32_MAX - 1, &a->gid) < 0))
		return err_set(e, EINVAL, VZ_BAD_VALUE, "--owner: \"%.40s\" is not UID or UID:GID", value);
	if (!colon)
		a->gid = a->uid;
	a->owned = true;
	return 0;
}

/* The path inside, or NULL when the word names a file of the host: "./a:b" does. */
static const char *path_inside(const char *word)
{
	const char *colon = strchr(word, ':'), *slash = strchr(word, '/');

	if (!colon || colon == word || (slash && slash < colon))
		return NULL;
	return colon[1] ? colon + 1 : "/";
}

static int id_of(struct cli *c, const char *word, uint32_t *ret, struct err *e)
{
	char id[300];

	if (str_fmt(id, sizeof(id), "%.*s", (int)strcspn(word, ":"), word) < 0)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "cp: \"%.60s\" is no VE", word);
	return reg_resolve(&c->in, id, ret, e);
}

/* What a copy is called in a directory: the last part of its path; "" is all that is in it. */
static void name_of(const char *path, char dst[NAME_MAX + 1])
{
	size_t end = strlen(path), begin;

	while (end && path[end - 1] == '/')
		end--;
	for (begin = end; begin && path[begin - 1] != '/'; begin--)
		;
	if (!parcel_name_ok(path + begin, end - begin) ||
	    str_fmt(dst, NAME_MAX + 1, "%.*s", (int)(end - begin), path + begin) < 0)
		*dst = '\0';
}

static int check_words(const char *const *words, const char *from, const char *to, struct err *e)
{
	if (!from == !to)
		return err_set(e, EINVAL, VZ_BAD_VALUE, from ?
			       "cp: two VEs; copy out of the one, then into the other" :
			       "cp: want ID:PATH as source or as destination");
	for (unsigned i = 0; i < 2; i++)
		if (!*words[i])
			return err_set(e, EINVAL, VZ_BAD_VALUE, "cp: an empty path");
	return 0;
}

/* ---- what is told ---- */

struct shown {
	struct progress line;
	uint64_t next_us;
};

static void show(void *arg, const struct parcel_count *n)
{
	uint64_t now = proc_now_us();
	struct shown *s = arg;
	char text[100];

	if (now < s->next_us)
		return;
	s->next_us = now + EACH_US;
	(void)str_fmt(text, sizeof(text), "%llu.%llu MiB, %llu files", (unsigned long long)(n->bytes >> 20),
		      (unsigned long long)((n->bytes & 1048575) * 10 >> 20), (unsigned long long)n->files);
	progress_line(&s->line, text);
}

static int tell(struct cli *c, const char *const *words, const struct parcel_count *n, struct err *e)
{
	struct json_out *j;

	if (!c->json) {
		if (n->left)
			out_warn(c, "%llu left out: no files, directories or links, other filesystems, "
				 "links that lead out of what was copied, names that changed meanwhile", (unsigned long long)n->left);
		return 0;
	}
	j = json_new(true);
	json_object(j);
	json_kstr(j, "source", words[0]);
	json_kstr(j, "destination", words[1]);
	json_ku64(j, "files", n->files);
	json_ku64(j, "directories", n->dirs);
	json_ku64(j, "links", n->links);
	json_ku64(j, "left_out", n->left);
	json_ku64(j, "bytes", n->bytes);
	json_end(j);
	return out_json(j, e);
}

int cmd_cp(struct cli *c, const struct args *a, struct err *e)
{
	const char *from = path_inside(a->words[0]), *to = path_inside(a->words[1]);
	struct shown s = { .next_us = proc_now_us() + FIRST_US };
	struct files_opts o = {
		.out = from, .here = a->words[from ? 1 : 0], .there = from ? from : to,
		.recursive = a->recursive || a->archive, .keep = a->archive, .owned = a->owned, .uid = a->uid,
		.gid = a->gid, .max_size = a->max_size, .timeout_s = a->timeout, .tell = show, .arg = &s,
	};
	struct parcel_count n = { 0 };
	char name[NAME_MAX + 1];
	uint32_t id;
	int r = check_words(a->words, from, to, e);

	if (!r)
		r = id_of(c, a->words[from ? 0 : 1], &id, e);
	if (r < 0)
		return r;
	name_of(from ? from : a->words[0], name);
	o.name = str_eq(a->words[0], "-") ? "" : name;
	if (c->json && str_eq(a->words[1], "-"))
		return err_set(e, EINVAL, VZ_BAD_OPTION, "cp: -j and standard output as destination exclude each other");
	progress_init(&s.line, c);
	s.line.plain = false;
	r = ve_files(&c->in, id, &o, &n, e);
	progress_done(&s.line);
	return r < 0 ? r : tell(c, a->words, &n, e);
}
