/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From words to a row of the command table, or to the nearest one. */
#include <errno.h>
#include <string.h>

#include "cli/commands.h"
#include "util/exits.h"
#include "util/str.h"

/* True when the row's name is "a b", or "a" when b is NULL. */
static bool named(const char *name, const char *a, const char *b)
{
	size_t n = strlen(a);

	if (strncmp(name, a, n) != 0)
		return false;
	return b ? name[n] == ' ' && str_eq(name + n + 1, b) : !name[n];
}

/* Verbs of two words share their first: say which second words there are. */
static int unknown_second(const char *first, const char *second, struct err *e)
{
	char list[256] = "";
	size_t i, n = strlen(first);
	int used = 0;

	for (i = 0; i < n_commands; i++) {
		if (!str_starts(commands[i].name, first) || commands[i].name[n] != ' ')
			continue;
		used += str_fmt(list + used, sizeof(list) - (size_t)used, "%s%s", used ? ", " : "",
				commands[i].name + n + 1);
	}
	if (!used)
		return 0;
	if (second)
		return err_set(e, EINVAL, VZ_BAD_OPTION, "unknown command \"%s %.40s\": there are %s",
			       first, second, list);
	return err_set(e, EINVAL, VZ_FEW_PARAMS, "%s: which of %s?", first, list);
}

static int unknown_verb(const char *word, struct err *e)
{
	const char *best = NULL;
	unsigned d, best_d = 3;
	size_t i;

	for (i = 0; i < n_commands; i++) {
		if (commands[i].flags & CMD_HIDDEN)
			continue;
		d = str_distance(word, commands[i].name);
		if (d < best_d) {
			best_d = d;
			best = commands[i].name;
		}
	}
	if (best)
		return err_set(e, EINVAL, VZ_BAD_OPTION,
			       "unknown command \"%.40s\": did you mean \"%s\"?", word, best);
	return err_set(e, EINVAL, VZ_BAD_OPTION,
		       "unknown command \"%.40s\" (\"berth help\" lists them)", word);
}

int command_find(const char *const *words, unsigned n, const struct command **ret,
		 unsigned *ret_used, struct err *e)
{
	const char *second = n > 1 ? words[1] : NULL;
	size_t i;
	int r;

	for (i = 0; i < n_commands; i++) {
		const struct command *c = &commands[i];
		bool two = second && named(c->name, words[0], second);

		if (two || named(c->name, words[0], NULL) ||
		    (c->alias && str_eq(c->alias, words[0]))) {
			*ret = c;
			*ret_used = two ? 2 : 1;
			return 0;
		}
	}
	r = unknown_second(words[0], second, e);
	return r < 0 ? r : unknown_verb(words[0], e);
}
