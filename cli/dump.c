/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables as data, for tests, completion and the manual's check; not for users. */
#include <stdlib.h>

#include "cli/columns.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "ve/ptypes.h"
#include "ve/ve.h"

static void print_step(void *arg, const char *verb, const char *step)
{
	(void)arg;
	out_printf("%s/%s\n", verb, step);
}

int cmd_dump_steps(struct cli *c, const struct args *a, struct err *e)
{
	(void)c;
	(void)a;
	(void)e;
	ve_each_step(print_step, NULL);
	return 0;
}

static void dump_opts(struct json_out *j, const struct opt *o)
{
	json_key(j, "options");
	json_array(j);
	for (; o && o->name; o++) {
		char letter[2] = { o->letter, '\0' };

		json_object(j);
		json_kstr(j, "name", o->name);
		json_kstr(j, "alias", o->alias);
		json_kstr(j, "letter", o->letter ? letter : NULL);
		json_kstr(j, "arg", o->arg);
		json_kstr(j, "help", o->help);
		json_end(j);
	}
	json_end(j);
}

static void dump_commands(struct json_out *j)
{
	size_t i;

	json_key(j, "commands");
	json_array(j);
	for (i = 0; i < n_commands; i++) {
		const struct command *cmd = &commands[i];

		json_object(j);
		json_kstr(j, "name", cmd->name);
		json_kstr(j, "alias", cmd->alias);
		json_kstr(j, "args", cmd->args);
		json_kstr(j, "help", cmd->help);
		json_kbool(j, "hidden", cmd->flags & CMD_HIDDEN);
		json_kbool(j, "root", cmd->flags & CMD_ROOT);
		json_kbool(j, "json", cmd->flags & CMD_JSON);
		json_kbool(j, "params", cmd->flags & CMD_PARAMS);
		json_kbool(j, "many", cmd->flags & CMD_MANY);
		dump_opts(j, cmd->opts);
		json_end(j);
	}
	json_end(j);
}

static const char *effect(const struct param *p)
{
	if (p->flags & P_STORED)
		return "none";
	if (p->flags & P_CREATE)
		return "create";
	return p->flags & P_RESTART ? "restart" : p->flags & P_LIVE ? "live" : "config";
}

static void dump_params(struct json_out *j)
{
	size_t i;

	json_key(j, "params");
	json_array(j);
	for (i = 0; i < n_params; i++) {
		const struct param *p = &params[i];

		json_object(j);
		json_kstr(j, "key", p->key);
		json_kstr(j, "option", p->opt);
		json_kstr(j, "alias", p->alias);
		json_kstr(j, "json", p->json);
		json_kstr(j, "arg", p->arg);
		json_kstr(j, "help", p->help);
		json_kstr(j, "type", p->type->name);
		json_kstr(j, "effect", effect(p));
		json_kbool(j, "hidden", p->flags & P_HIDDEN);
		json_kbool(j, "ct", p->flags & P_CT);
		json_kbool(j, "vm", p->flags & P_VM);
		json_kbool(j, "pool", p->flags & P_POOL);
		json_ku64(j, "min", p->min);
		json_ku64(j, "max", p->max);
		json_end(j);
	}
	json_end(j);
}

static void dump_columns(struct json_out *j)
{
	struct column *cols;
	size_t i, n;

	columns_make(&cols, &n);
	json_key(j, "columns");
	json_array(j);
	for (i = 0; i < n; i++) {
		json_object(j);
		json_kstr(j, "name", cols[i].name);
		json_kstr(j, "alias", cols[i].alias);
		json_kstr(j, "header", cols[i].header);
		json_kstr(j, "variants", cols[i].variants);
		json_end(j);
	}
	json_end(j);
	free(cols);
}

int cmd_dump_tables(struct cli *c, const struct args *a, struct err *e)
{
	struct json_out *j = json_new(true);

	(void)c;
	(void)a;
	json_object(j);
	dump_commands(j);
	dump_opts(j, global_command.opts);
	dump_params(j);
	dump_columns(j);
	json_end(j);
	return out_json(j, e);
}
