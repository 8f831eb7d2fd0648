/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * berth _complete WORD...: what can stand in place of the last word, one a line. The words are
 * those of the command line behind "berth", the last one as far as it is typed. The tables tell
 * verbs, options and values; directories of the instance tell VEs, templates, plans. The scripts
 * of contrib/completion only pass the words on, so a new row needs nothing here.
 */
#include "cli/cli.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/columns.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/out.h"
#include "util/cleanup.h"
#include "util/str.h"
#include "ve/ptypes.h"
#include "ve/registry.h"

struct completion {
	struct cli *c;
	const char *typed;              /* of the last word */
	const char *behind;             /* put behind what is offered */
	const struct command *cmd;
	unsigned words;                 /* between the verb and the last word, options aside */
};

/* Where what a placeholder of the tables stands for is listed: names without head and tail. */
static const struct {
	const char *arg;
	bool lib;                       /* below lib, else below etc */
	const char *dir, *head, *tail;
} places[] = {
	{ "TEMPLATE", true, "template/channels", "", "" },
	{ "NAME|DIGEST", true, "template/channels", "", "" },
	{ "CHANNEL|DIGEST", true, "template/channels", "", "" },
	{ "PLAN", false, "conf", "ve-", ".conf-sample" },
	{ "FENCE", false, "fences", "", ".conf" },
	{ "NETWORK", false, "networks", "", ".conf" },
	{ "POOL", false, "pools", "", ".conf" },
};

static void offer(const struct completion *w, const char *word)
{
	if (word && str_starts(word, w->typed))
		out_printf("%s%s\n", word, w->behind);
}

static void offer_dir(const struct completion *w, int dfd, const char *path, const char *head,
		      const char *tail)
{
	int fd = openat(dfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	char name[256];

	while (d && (entry = readdir(d))) {
		size_t n = strlen(entry->d_name), cut = strlen(head) + strlen(tail);

		if (*entry->d_name == '.' || n <= cut || !str_starts(entry->d_name, head) ||
		    !str_ends(entry->d_name, tail))
			continue;
		(void)str_fmt(name, sizeof(name), "%.*s", (int)(n - cut),
			      entry->d_name + strlen(head));
		offer(w, name);
	}
	if (d)
		(void)closedir(d);
	else if (fd >= 0)
		(void)close(fd);
}

static void offer_ids(const struct completion *w)
{
	struct err ignored = ERR_INIT;
	_free_ uint32_t *ids = NULL;
	size_t i, n = 0;
	char text[12];

	if (!w->c->opened || reg_list(&w->c->in, &ids, &n, &ignored) < 0)
		return;
	for (i = 0; i < n; i++) {
		(void)str_fmt(text, sizeof(text), "%u", ids[i]);
		offer(w, text);
	}
	offer_dir(w, w->c->in.etc, "names", "", "");
}

/* "yes|no" are values as they stand. */
static void offer_choice(const struct completion *w, const char *arg)
{
	char word[32];
	size_t n;

	for (; *arg; arg += n + (arg[n] == '|')) {
		n = strcspn(arg, "|");
		if (str_fmt(word, sizeof(word), "%.*s", (int)n, arg) > 0 && *word >= 'a')
			offer(w, word);
	}
}

static void offer_columns(const struct completion *w)
{
	struct column *cols;
	size_t i, n;

	columns_make(&cols, &n);
	for (i = 0; i < n; i++)
		offer(w, cols[i].name);
	free(cols);
}

/* What a placeholder of a usage line or an option stands for; nothing for free text. */
static void offer_arg(const struct completion *w, const char *arg)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(places); i++)
		if (str_starts(arg, places[i].arg)) {
			if (w->c->opened)
				offer_dir(w, places[i].lib ? w->c->in.lib : w->c->in.etc,
					  places[i].dir, places[i].head, places[i].tail);
			return;
		}
	if (strstr(arg, "COLUMN"))
		offer_columns(w);
	else
		offer_choice(w, arg);
}

static void offer_options(const struct completion *w, const struct command *cmd)
{
	struct spelling sp;
	unsigned pos = 0;
	char text[80];

	while (opt_next(cmd, &pos, &sp)) {
		bool shown = sp.opt ? sp.opt->help && sp.name == sp.opt->name :
				      sp.name == sp.param->opt && !(sp.param->flags & P_STORED);

		if (shown && str_fmt(text, sizeof(text), "--%s", sp.name) > 0)
			offer(w, text);
	}
}

/* Verbs of two words stand one after the other in the table. */
static void offer_verbs(const struct completion *w)
{
	const char *name, *before = "";
	char word[32];
	size_t i, n;

	for (i = 0; i < n_commands; i++) {
		name = commands[i].name;
		n = strcspn(name, " ");
		if (commands[i].flags & CMD_HIDDEN ||
		    (!strncmp(name, before, n) && strcspn(before, " ") == n))
			continue;
		if (str_fmt(word, sizeof(word), "%.*s", (int)n, name) > 0)
			offer(w, word);
		before = name;
	}
}

/* The second words of the verbs that begin with `first`. */
static void offer_second(const struct completion *w, const char *first)
{
	size_t i, n = strlen(first);

	for (i = 0; i < n_commands; i++)
		if (str_starts(commands[i].name, first) && commands[i].name[n] == ' ')
			offer(w, commands[i].name + n + 1);
}

/* What the value of option `word` may be, or NULL when it takes none. */
static const char *value_of(const struct command *cmd, const char *word)
{
	struct spelling sp;
	unsigned pos = 0;

	while (opt_next(cmd, &pos, &sp)) {
		char letter[3] = { '-', sp.opt ? sp.opt->letter : '\0', '\0' };
		const char *arg = sp.opt ? sp.opt->arg : sp.param->arg ? sp.param->arg : "VALUE";

		if (!arg || (sp.opt && sp.opt->kind == OPT_MAYBE))
			continue;
		if ((str_starts(word, "--") && str_eq(word + 2, sp.name)) ||
		    (letter[1] && str_eq(word, letter)))
			return arg;
	}
	return NULL;
}

/* Words that are neither options nor their values. */
static unsigned count_words(const struct command *cmd, const char *const *words, unsigned n)
{
	unsigned i, plain = 0;

	for (i = 0; i < n; i++) {
		if (words[i][0] != '-')
			plain++;
		else if (value_of(cmd, words[i]))
			i++;
	}
	return plain;
}

/* One of the two is in a VE. A shell may have made three words of ID:PATH. */
static void offer_sides(const struct completion *w, const char *const *words, unsigned n)
{
	struct completion inside = *w;

	for (unsigned i = 0; i < n; i++)
		if (strchr(words[i], ':'))
			return;
	inside.behind = ":";
	offer_ids(&inside);
}

static void offer_words(const struct completion *w, const char *const *words, unsigned n)
{
	const struct command *cmd = w->cmd;

	if (str_eq(cmd->name, "cp"))
		offer_sides(w, words, n);
	else if (cmd->flags & CMD_MANY || (cmd->flags & CMD_VE && !w->words) ||
	    str_starts(cmd->args, "[ID"))
		offer_ids(w);
	else if (str_eq(cmd->name, "help"))
		offer_verbs(w);
	else if (!w->words)
		offer_arg(w, cmd->args);
}

static void behind_verb(struct completion *w, const char *const *words, unsigned n)
{
	const char *arg = n ? value_of(w->cmd, words[n - 1]) : NULL;

	w->words = count_words(w->cmd, words, n);
	if (arg)
		offer_arg(w, arg);
	else if (*w->typed == '-')
		offer_options(w, w->cmd);
	else
		offer_words(w, words, n);
}

/* Options that stand before the verb; --root says where to look for VEs. */
static unsigned skip_global(struct cli *c, const char *const *words, unsigned n)
{
	unsigned i;

	for (i = 0; i < n && words[i][0] == '-'; i++) {
		if (!str_eq(words[i], "--root"))
			continue;
		if (++i < n)
			c->root = words[i];
	}
	return i;
}

int cmd_complete(struct cli *c, const struct args *a, struct err *e)
{
	unsigned n = a->n_words ? a->n_words - 1 : 0, at = skip_global(c, a->words, n), used;
	struct completion w = { .c = c, .typed = a->n_words ? a->words[n] : "", .behind = "" };

	if (at < n && geteuid() == 0) {
		c->opened = inst_open(&c->in, c->root, 0, e) >= 0;
		err_clear(e);
	}
	if (at >= n && *w.typed == '-') {
		offer_options(&w, &global_command);
	} else if (at >= n) {
		offer_verbs(&w);
	} else if (command_find(a->words + at, n - at, &w.cmd, &used, e) < 0) {
		err_clear(e);
		offer_second(&w, a->words[at]);
	} else {
		behind_verb(&w, a->words + at + used, n - at - used);
	}
	return 0;
}
