/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/vz.h"

#include <string.h>

#include "cli/commands.h"
#include "util/str.h"

static const struct {
	const char *name, *verb;
} names[] = {
	{ "vzctl", NULL },
	{ "vzlist", "list" },
	{ "vzmigrate", "migrate" },
	{ "vzpid", "_vzpid" },
	{ "vzps", "_vzps" },
	{ "vzubc", "_vzubc" },
	{ "vzcfgvalidate", "_vzcfgvalidate" },
	{ "vzsplit", "_vzsplit" },
	{ "vzmemcheck", "_vzmemcheck" },
	{ "vzcpucheck", "_vzcpucheck" },
	{ "vzcalc", "_vzcalc" },
	{ "vznetaddbr", "_vznetaddbr" },
	{ "vztmpl-dl", "_vztmpl-dl" },
};

bool vz_called_as(const char *argv0, const char **ret_name, const char **ret_verb)
{
	const char *slash = strrchr(argv0, '/'), *base = slash ? slash + 1 : argv0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (!str_eq(base, names[i].name))
			continue;
		*ret_name = names[i].name;
		*ret_verb = names[i].verb;
		return true;
	}
	return false;
}

void vz_usage(FILE *f)
{
	size_t i;

	(void)fprintf(f, "vzctl version " VZ_VERSION "\n"
		      "Usage: vzctl [--quiet] [--verbose] [--skiplock] VERB CTID|NAME [arguments]\n\n"
		      "vzctl create CTID [--ostemplate NAME] [--config NAME] [parameters]\n"
		      "vzctl set CTID [--save] [--force] [--setmode restart|ignore] [parameters]\n"
		      "vzctl set CTID --reset_ub\n");
	for (i = 0; i < n_commands; i++)
		if (!(commands[i].flags & CMD_HIDDEN) && commands[i].flags & (CMD_VE | CMD_MANY) &&
		    !str_eq(commands[i].name, "create") && !str_eq(commands[i].name, "set"))
			(void)fprintf(f, "vzctl %s %s\n", commands[i].name, commands[i].args);
	(void)fprintf(f, "\nParameters are those of \"berth set --help\". This is berth %s.\n", VERSION);
}
