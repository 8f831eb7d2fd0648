/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The berth command: global options, the verb, its arguments, what the verb needs, the verb;
 * then the error, once, and the exit number.
 */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/help.h"
#include "cli/ids.h"
#include "cli/options.h"
#include "cli/out.h"
#include "cli/vz.h"
#include "runtime/seal.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-caller.h"
#include "ve/recover.h"

static void do_nothing(int sig)
{
	(void)sig;
}

/* Nothing a caller left behind may change what we do. */
static int prepare_process(struct err *e)
{
	/* A handler rather than SIG_IGN: exec resets it, so programs inside a VE get the default. */
	struct sigaction sa = { .sa_handler = do_nothing, .sa_flags = SA_RESTART };
	sigset_t none;
	int fd;

	/* A missing 0, 1 or 2 would be filled by the next open, say of a VE's disk. */
	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return err_sys(e, "open /dev/null");
		if (fd <= STDERR_FILENO && fcntl(fd, F_SETFD, 0) < 0)
			return err_sys(e, "keep /dev/null open");
	} while (fd <= STDERR_FILENO);
	(void)close(fd);
	(void)umask(022);
	/* A limit on the size of files that cannot be lifted is an error like others (SIGXFSZ). */
	if (sigaction(SIGPIPE, &sa, NULL) < 0 || sigaction(SIGXFSZ, &sa, NULL) < 0)
		return err_sys(e, "handle SIGPIPE");
	/* Ignored, it would take the exit statuses of our children away (wait(2)). */
	if (signal(SIGCHLD, SIG_DFL) == SIG_ERR || sigemptyset(&none) < 0 ||
	    sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		return err_sys(e, "reset the signals");
	return 0;
}

static int open_instance(struct cli *c, const struct command *cmd, const struct args *a, struct err *e)
{
	int r;

	if (geteuid() != 0)
		return err_set(e, EPERM, VZ_PERMISSION, "must be run as root");
	r = caller_leave(e);
	if (r >= 0 && (cmd->flags & CMD_STARTS || a->start) && !a->dry_run)
		r = caller_check(e);    /* here already: a restart must not end half-way */
	if (r < 0)
		return r;
	if (cmd->flags & CMD_ENTERS || a->start) {
		r = seal_self(c->argv, e);
		if (r < 0)
			return r;
	}
	c->in.log = (struct log){ STDERR_FILENO, c->quiet ? 0 : c->verbose ? 2 : 1 };
	r = inst_open(&c->in, c->root, cmd->flags & CMD_CGROUPS ? INST_CGROUPS : 0, e);
	if (r < 0)
		return r;
	c->opened = true;
	c->in.say = out_say;
	c->in.say_arg = c;
	recover_stale(&c->in);
	return 0;
}

static int too_few(const struct command *cmd, struct err *e)
{
	return err_set(e, EINVAL, VZ_FEW_PARAMS, "%s: too few arguments (usage: berth %s %s)",
		       cmd->name, cmd->name, cmd->args);
}

/* Turn the leading words into ids, as the row says; the other words stay. */
static int take_ids(struct cli *c, const struct command *cmd, struct args *a, struct err *e)
{
	unsigned i, n = cmd->flags & CMD_VE && a->n_words ? 1 : a->n_words;
	int r = 0;

	if (!(cmd->flags & (CMD_VE | CMD_MANY)))
		return 0;
	if (cmd->flags & CMD_MANY && a->all) {
		if (n)
			return err_set(e, EINVAL, VZ_BAD_OPTION, "%s: --all and IDs exclude each other",
				       cmd->name);
		return ids_add_all(c, a, e);
	}
	for (i = 0; i < n && r >= 0; i++) {
		r = cmd->flags & CMD_NEW ? ids_new(a, a->words[i], e) :
					   ids_add(c, a, a->words[i], e);
		if (r == -ENOENT && cmd->flags & CMD_ANY)
			r = err_set(e, ENOENT, VZ_BAD_VALUE, "Bad CT ID %.60s", a->words[i]);
	}
	if (r < 0)
		return r;
	if (cmd->flags & CMD_VE && n && a->n_ids != 1)
		return err_set(e, EINVAL, VZ_BAD_OPTION, "%s: takes one VE, not a range", cmd->name);
	/* The NULL behind the last word too: exec3 hands the array on as an argv. */
	memmove(a->words, a->words + n, (a->n_words - n + 1) * sizeof(*a->words));
	a->n_words -= n;
	return 0;
}

static int check_words(const struct command *cmd, const struct args *a, struct err *e)
{
	bool many = cmd->flags & CMD_NEW && (a->count || a->from);
	unsigned ids = cmd->flags & CMD_VE ? 1 : 0, max = cmd->max_words;

	if ((!many && a->n_words < ids + cmd->min_words) ||
	    (cmd->flags & CMD_MANY && !a->n_words && !a->all))
		return too_few(cmd, e);
	if (!(cmd->flags & CMD_MANY) && max != ~0U && a->n_words > ids + max)
		return err_set(e, EINVAL, VZ_BAD_OPTION, "%s: unexpected argument \"%.60s\"",
			       cmd->name, a->words[ids + max]);
	return 0;
}

static int run_verb(struct cli *c, const struct command *cmd, struct args *a, struct err *e)
{
	int r;

	c->json |= a->json;
	if (a->help)
		return help_verb(cmd);
	r = check_words(cmd, a, e);
	if (r >= 0 && cmd->flags & CMD_ROOT)
		r = open_instance(c, cmd, a, e);
	if (r >= 0)
		r = take_ids(c, cmd, a, e);
	if (r >= 0) {
		r = cmd->run(c, a, e);
		if (c->opened)
			audit_verb(c, cmd, a, r >= 0 ? r : e->exit ? e->exit : VZ_SYSTEM);
	}
	if (c->opened)
		inst_close(&c->in);
	return r;
}

/* What --version, --help and the --dump options ask for, or the words after the options. */
static int find_verb(struct args *g, const struct command **ret, unsigned *ret_used,
		     struct err *e)
{
	const char *word = !g->n_words && !g->help && !g->dump_steps && !g->dump_tables ? "_overview" :
			   g->dump_steps ? "--dump-steps" :
			   g->dump_tables ? "--dump-tables" : g->help ? "help" : NULL;

	*ret_used = 0;
	if (word)
		return command_find(&word, 1, ret, &(unsigned){ 0 }, e);
	return command_find(g->words, g->n_words, ret, ret_used, e);
}

static int run_command(struct cli *c, const struct command *cmd, int argc, char **argv,
		       struct err *e)
{
	struct args a = { 0 };
	int r = opt_parse(cmd, argc, argv, &a, e);

	if (r >= 0)
		r = run_verb(c, cmd, &a, e);
	args_done(&a);
	return r;
}

/* The whole command line is the verb's: vzlist, vzpid, ... */
static int run_as(struct cli *c, const char *verb, int argc, char **argv, struct err *e)
{
	const struct command *cmd;
	unsigned used;
	int r = command_find(&verb, 1, &cmd, &used, e);

	return r < 0 ? r : run_command(c, cmd, argc - 1, argv + 1, e);
}

static int show_version(const struct cli *c)
{
	out_printf("%s version %s\n", c->vz ? "vzctl" : "berth", c->vz ? VZ_VERSION : VERSION);
	return 0;
}

/* berth network --help */
static bool asks_of_group(const struct args *g)
{
	return g->n_words == 2 && (str_eq(g->words[1], "--help") || str_eq(g->words[1], "-h")) &&
	       help_group(g->words[0]);
}

static int run(struct cli *c, int argc, char **argv, struct args *g, struct err *e)
{
	const struct command *cmd;
	unsigned used;
	int r;

	if (argc < 2 && (c->vz || geteuid() != 0)) {
		if (c->vz)
			vz_usage(stderr);
		else
			help_global(stderr);
		return VZ_BAD_OPTION;
	}
	r = opt_parse(&global_command, argc - 1, argv + 1, g, e);
	if (r < 0)
		return r;
	if (g->root)
		c->root = g->root;
	c->quiet = g->quiet;
	c->json = g->json;
	c->verbose = (unsigned)g->verbose;
	if (g->version)
		return show_version(c);
	if (c->vz && g->help) {
		vz_usage(stdout);
		return 0;
	}
	r = find_verb(g, &cmd, &used, e);
	if (r < 0)
		return asks_of_group(g) ? 0 : r;
	used = g->n_words ? used + (unsigned)argc - g->n_words : (unsigned)argc;
	return run_command(c, cmd, argc - (int)used, argv + used, e);
}

int main(int argc, char **argv)
{
	const char *env = getenv("BERTH_ROOT"), *name = "berth", *verb = NULL;
	struct cli c = { .root = env ? env : "", .argv = argv };
	struct args g = { 0 };
	struct err e = ERR_INIT, oute = ERR_INIT;
	int r = prepare_process(&e);

	c.vz = argc > 0 && vz_called_as(argv[0], &name, &verb);
	out_name(name);
	if (r >= 0)
		r = verb ? run_as(&c, verb, argc, argv, &e) : run(&c, argc, argv, &g, &e);
	args_done(&g);
	if (r < 0)
		out_error(e.msg);
	if (r < 0)
		r = e.exit ? e.exit : VZ_SYSTEM;
	/* A reader that went away (list | head) is its own business; a full disk is not. */
	if (out_finish(&oute) < 0 && oute.eno != EPIPE) {
		out_error(oute.msg);
		r = r ? r : VZ_SYSTEM;
	}
	return r;
}
