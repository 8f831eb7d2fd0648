/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/help.h"

#include <string.h>

#include "cli/options.h"
#include "util/str.h"
#include "ve/ptypes.h"

#define LEFT 30         /* columns of the option, before its help */
#define WIDTH 80

/* `left`, then `text` in the columns right of LEFT, broken at blanks. */
static void two_columns(FILE *f, const char *left, const char *text)
{
	int col = fprintf(f, "  %s", left);

	if (col >= LEFT)
		col = fprintf(f, "\n") - 1;
	(void)fprintf(f, "%*s", LEFT - col, "");
	col = LEFT;
	while (*text) {
		int n = (int)strcspn(text, " ");

		if (col > LEFT && col + 1 + n > WIDTH)
			col = fprintf(f, "\n%*s", LEFT, "") - 1;
		else if (col > LEFT)
			col += fprintf(f, " ");
		col += fprintf(f, "%.*s", n, text);
		text += n;
		text += strspn(text, " ");
	}
	(void)fprintf(f, "\n");
}

static void show_opt(FILE *f, const struct opt *o)
{
	char left[96], letter[8] = "";
	const char *open = "", *close = "";

	if (!o->help)
		return;
	if (o->letter)
		(void)str_fmt(letter, sizeof(letter), "-%c, ", o->letter);
	if (o->arg)
		open = o->kind == OPT_MAYBE ? "[=" : " ";
	if (o->kind == OPT_MAYBE)
		close = "]";
	(void)str_fmt(left, sizeof(left), "%s--%s%s%s%s", letter, o->name, open,
		      o->arg ? o->arg : "", close);
	two_columns(f, left, o->help);
}

/* What the row says beyond its help: the range, and when it takes effect. */
static void param_note(const struct param *p, char *dst, size_t size)
{
	char range[64] = "";
	const char *when = p->flags & P_RESTART ? " (at the next start)" :
			   p->flags & P_CREATE ? " (at creation)" : "";

	if (p->type == &ptype_number && p->max && p->max < U64_UNLIMITED)
		(void)str_fmt(range, sizeof(range), " (%llu to %llu)", (unsigned long long)p->min,
			      (unsigned long long)p->max);
	if (str_fmt(dst, size, "%s%s%s", p->help ? p->help : "", range, when) < 0)
		(void)str_fmt(dst, size, "%s", "");
}

static void show_params(FILE *f, bool pool)
{
	size_t i;

	(void)fprintf(f, "\nParameters:\n");
	for (i = 0; i < n_params; i++) {
		const struct param *p = &params[i];
		char left[96], text[512];

		if (!p->opt || p->flags & (P_HIDDEN | P_STORED) || !param_is_of(p, pool))
			continue;
		(void)str_fmt(left, sizeof(left), "--%s %s", p->opt, p->arg ? p->arg : "VALUE");
		param_note(p, text, sizeof(text));
		two_columns(f, left, text);
	}
	(void)fprintf(f, "\nSizes are numbers with a suffix b K M G T P.");
	if (pool) {
		(void)fprintf(f, "\n");
		return;
	}
	(void)fprintf(f, " Kept in the config for vzctl's clients,\nwithout effect:");
	for (i = 0; i < n_params; i++)
		if (params[i].opt && params[i].flags & P_STORED && !(params[i].flags & P_HIDDEN))
			(void)fprintf(f, " --%s", params[i].opt);
	(void)fprintf(f, ".\n");
}

int help_verb(const struct command *cmd)
{
	const struct opt *o;

	(void)fprintf(stdout, "Usage: berth %s%s%s\n\n%c%s.\n", cmd->name, *cmd->args ? " " : "",
		      cmd->args, cmd->help[0] - ('a' <= cmd->help[0] && cmd->help[0] <= 'z' ? 32 : 0),
		      cmd->help + 1);
	if (cmd->more)
		(void)fprintf(stdout, "%s\n", cmd->more);
	(void)fprintf(stdout, "\nOptions:\n");
	for (o = cmd->opts; o && o->name; o++)
		show_opt(stdout, o);
	for (o = common_opts; o->name; o++)
		if (!str_eq(o->name, "json") || cmd->flags & CMD_JSON)
			show_opt(stdout, o);
	if (cmd->flags & CMD_PARAMS)
		show_params(stdout, cmd->flags & CMD_POOL);
	if (cmd->examples)
		(void)fprintf(stdout, "\nExamples:\n%s", cmd->examples);
	return 0;
}

void help_global(FILE *f)
{
	const struct opt *o;
	size_t i;

	(void)fprintf(f, "Usage: berth [global options] VERB [arguments]\n\nVerbs:\n");
	for (i = 0; i < n_commands; i++)
		if (!(commands[i].flags & CMD_HIDDEN))
			two_columns(f, commands[i].name, commands[i].help);
	(void)fprintf(f, "\nGlobal options:\n");
	for (o = global_command.opts; o->name; o++)
		show_opt(f, o);
	for (o = common_opts; o->name; o++)
		show_opt(f, o);
	(void)fprintf(f, "\nID is a number or a name. \"berth VERB --help\" tells more.\n");
}

bool help_group(const char *first)
{
	size_t i, n = strlen(first);
	bool any = false;

	for (i = 0; i < n_commands; i++) {
		const struct command *cmd = &commands[i];

		if (!str_starts(cmd->name, first) || cmd->name[n] != ' ' ||
		    cmd->flags & CMD_HIDDEN)
			continue;
		if (!any)
			(void)fprintf(stdout, "Usage: berth %s VERB [arguments]\n\nVerbs:\n", first);
		two_columns(stdout, cmd->name, cmd->help);
		any = true;
	}
	if (any)
		(void)fprintf(stdout, "\n\"berth %s VERB --help\" tells more.\n", first);
	return any;
}

int cmd_help(struct cli *c, const struct args *a, struct err *e)
{
	const struct command *cmd;
	unsigned used;
	int r;

	(void)c;
	if (!a->n_words) {
		help_global(stdout);
		return 0;
	}
	r = command_find(a->words, a->n_words, &cmd, &used, e);
	if (r < 0)
		return a->n_words == 1 && help_group(a->words[0]) ? 0 : r;
	if (cmd->flags & CMD_HIDDEN) {
		help_global(stdout);
		return 0;
	}
	return help_verb(cmd);
}
