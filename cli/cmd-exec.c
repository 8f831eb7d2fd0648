/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands inside a VE: exec, exec2, exec3, enter, runscript, and the console. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/options.h"
#include "cli/out.h"
#include "cli/xalloc.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/ve.h"

/*
 * The VE's bash where it has one, else its sh: decided inside, by a shell that then becomes the
 * other one. The command is an argument of that shell, never part of its text.
 */
#define BASH_OR_SH "[ -x /bin/bash ] && exec /bin/bash \"$@\"; exec /bin/sh \"$@\""

static int run_inside(struct cli *c, uint32_t id, const char *const *argv, int in, struct err *e)
{
	struct exec_opts o = {
		.argv = argv, .in = in, .out = STDOUT_FILENO, .err = STDERR_FILENO,
		.term = getenv("TERM"),
	};

	return ve_exec(&c->in, id, &o, e);
}

/* The words joined with blanks; the caller frees it. */
static char *joined(const struct args *a)
{
	size_t len = 1;
	unsigned i;
	char *text, *p;

	for (i = 0; i < a->n_words; i++)
		len += strlen(a->words[i]) + 1;
	text = p = xcalloc(len, 1);
	for (i = 0; i < a->n_words; i++) {
		size_t n = strlen(a->words[i]);

		if (i)
			*p++ = ' ';
		memcpy(p, a->words[i], n);
		p += n;
	}
	return text;
}

static int run_shell(struct cli *c, uint32_t id, const char *command, int in, struct err *e)
{
	const char *argv[] = { "/bin/sh", "-c", BASH_OR_SH, "sh", "-c", command, NULL };

	/* Without a command the shell reads its script from standard input. */
	if (!command)
		argv[4] = NULL;
	return run_inside(c, id, argv, in, e);
}

static int run_words(struct cli *c, const struct args *a, struct err *e)
{
	_free_ char *command = NULL;

	if (a->n_words != 1 || !str_eq(a->words[0], "-"))
		command = joined(a);
	return run_shell(c, a->ids[0], command, STDIN_FILENO, e);
}

int cmd_exec2(struct cli *c, const struct args *a, struct err *e)
{
	return run_words(c, a, e);
}

int cmd_exec(struct cli *c, const struct args *a, struct err *e)
{
	int r = run_words(c, a, e);

	return r > 0 ? VZ_EXEC_FAILED : r;
}

int cmd_exec3(struct cli *c, const struct args *a, struct err *e)
{
	return run_inside(c, a->ids[0], a->words, STDIN_FILENO, e);
}

int cmd_enter(struct cli *c, const struct args *a, struct err *e)
{
	bool tty = isatty(STDIN_FILENO) && !c->quiet;
	int r;

	if (a->n_words)
		return run_words(c, a, e);
	if (tty) {
		out_printf("entered into CT %u\n", a->ids[0]);
		out_flush();
	}
	r = run_inside(c, a->ids[0], NULL, STDIN_FILENO, e);
	if (tty && r >= 0)
		out_printf("exited from CT %u\n", a->ids[0]);
	return r;
}

/* vzctl's optional number of a terminal is accepted: a VE has one console. */
int cmd_console(struct cli *c, const struct args *a, struct err *e)
{
	uint32_t tty;

	if (a->n_words && parse_u32(a->words[0], 1, 12, &tty) < 0)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "console: \"%.20s\" is not a terminal number",
			       a->words[0]);
	return ve_console(&c->in, a->ids[0], STDIN_FILENO, STDOUT_FILENO, e);
}

static int open_script(const char *path, int *ret, struct err *e)
{
	_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return err_sys(e, "open %s", path);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "look at %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, EINVAL, VZ_BAD_VALUE, "%s: not a file", path);
	*ret = TAKE_FD(fd);
	return 0;
}

static int is_running(struct cli *c, uint32_t id, bool *ret, struct err *e)
{
	struct ve_state state = VE_STATE_INIT;
	int r = state_load(&c->in, id, &state, NULL, e);

	if (r >= 0)
		*ret = state.phase == PH_RUNNING;
	return r;
}

int cmd_runscript(struct cli *c, const struct args *a, struct err *e)
{
	struct start_opts start = { .wait_ms = 0 };
	struct stop_opts stop = { 0 };
	struct err ignored = ERR_INIT;
	_fd_ int fd = -1;
	bool running;
	int r = open_script(a->words[0], &fd, e), stopped;

	if (r >= 0)
		r = is_running(c, a->ids[0], &running, e);
	if (r >= 0 && !running)
		r = ve_start(&c->in, a->ids[0], &start, e);
	if (r < 0)
		return r;
	r = run_shell(c, a->ids[0], NULL, fd, e);
	if (running)
		return r;
	/* A failure of the script says more than one of the stop after it. */
	stopped = ve_stop(&c->in, a->ids[0], &stop, r < 0 ? &ignored : e);
	return r < 0 || stopped >= 0 ? r : stopped;
}
