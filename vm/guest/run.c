/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands that the host runs inside. They get what a container's would: a session of their own,
 * the environment they are given, and no descriptor but their three. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/parcel.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "vm/guest/guest.h"

#define WORDS_MAX 4096

struct command {
	char *argv[WORDS_MAX], *env[256];
	unsigned n_argv, n_env;
};

static int read_words(const char *body, size_t len, struct command *c, struct err *e)
{
	size_t pos = 0;
	const char *word;
	char letter;

	while ((word = agent_word(body, len, &pos, &letter))) {
		if (letter == 'a' && c->n_argv + 1 < ARRAY_SIZE(c->argv))
			c->argv[c->n_argv++] = (char *)(uintptr_t)word;
		else if (letter == 'e' && c->n_env + 1 < ARRAY_SIZE(c->env))
			c->env[c->n_env++] = (char *)(uintptr_t)word;
		else
			return err_set(e, E2BIG, VZ_EXEC_FAILED, "execute: too many words");
	}
	if (!c->n_argv)
		return err_set(e, EINVAL, VZ_EXEC_FAILED, "execute: nothing to run");
	return 0;
}

/* An empty name asks for the login shell: bash where there is one. */
static void choose_shell(struct command *c)
{
	static char bash[] = "/bin/bash", sh[] = "/bin/sh", login[] = "-l";

	if (*c->argv[0])
		return;
	c->argv[0] = access(bash, X_OK) == 0 ? bash : sh;
	c->argv[1] = login;
	c->argv[2] = NULL;
}

/* ends[3]: the child's; ours are in c. */
static int make_pipes(struct child *c, int ends[3], struct err *e)
{
	int *ours[3] = { &c->in, &c->out, &c->err };

	for (int i = 0; i < 3; i++) {
		int p[2];

		if (*ours[i] >= 0 || ends[i] >= 0)
			continue;
		if (pipe2(p, O_CLOEXEC) < 0)
			return err_sys(e, "make a pipe");
		ends[i] = p[i == 0 ? 0 : 1];
		*ours[i] = p[i == 0 ? 1 : 0];
		(void)fcntl(*ours[i], F_SETFL, O_NONBLOCK);
	}
	return 0;
}

static int dup_of(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

/* Of the three those that the flags name are the terminal. */
static int make_terminal(const struct agent_exec *x, struct child *c, int ends[3], struct err *e)
{
	_fd_ int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC), slave = -1;
	int unlock = 0;

	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return err_sys(e, "open a terminal");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_sys(e, "open a terminal");
	if (x->flags & AGENT_LINES) {
		struct termios t;

		if (tcgetattr(slave, &t) == 0) {
			t.c_lflag &= ~(tcflag_t)ECHO;
			t.c_oflag &= ~(tcflag_t)OPOST;
			(void)tcsetattr(slave, TCSANOW, &t);
		}
	}
	for (int i = 0; i < 3; i++)
		if (x->flags & (AGENT_TTY_IN << i))
			ends[i] = dup_of(slave);
	if (x->flags & AGENT_TTY_IN)
		c->in = dup_of(master);
	if (x->flags & (AGENT_TTY_OUT | AGENT_TTY_ERR))
		c->out = dup_of(master);
	c->master = TAKE_FD(master);
	child_size(c, &x->size);
	return 0;
}

static void settle(const int ends[3])
{
	struct err ignored = ERR_INIT;

	(void)setsid();
	(void)!fs_write_at(AT_FDCWD, "/proc/self/oom_score_adj", "0", &ignored);
	for (int i = 0; i < 3; i++)
		if (dup2(ends[i] >= 0 ? ends[i] : open("/dev/null", O_RDWR | O_CLOEXEC), i) < 0)
			_exit(127);
	for (int i = 0; i < 3; i++)
		if (isatty(i)) {
			(void)ioctl(i, TIOCSCTTY, 0);
			break;
		}
	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL);
	{
		sigset_t none;

		(void)sigemptyset(&none);
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
	}
	(void)umask(022);
	if (chdir("/") < 0)
		_exit(127);
}

static _Noreturn void become(struct command *c, const int ends[3], int report)
{
	int eno;

	settle(ends);
	(void)execve(c->argv[0], c->argv, c->env);
	eno = errno;
	(void)!write(report, &eno, sizeof(eno));
	_exit(127);
}

static int launch(struct command *cmd, struct child *c, const int ends[3], struct err *e)
{
	int report[2], eno = 0;
	ssize_t n;

	if (pipe2(report, O_CLOEXEC) < 0)
		return err_sys(e, "make a pipe");
	c->pid = fork();
	if (c->pid == 0)
		become(cmd, ends, report[1]);
	(void)close(report[1]);
	if (c->pid < 0) {
		c->pid = 0;
		(void)close(report[0]);
		return err_sys(e, "fork");
	}
	do {
		n = read(report[0], &eno, sizeof(eno));
	} while (n < 0 && errno == EINTR);
	(void)close(report[0]);
	if (n != sizeof(eno))
		return 0;
	(void)waitpid(c->pid, NULL, 0);
	c->pid = 0;
	errno = eno;
	(void)err_sys(e, "execute %.200s", cmd->argv[0]);
	return err_exit(e, VZ_EXEC_FAILED);
}

int child_start(const struct agent_exec *x, const char *body, size_t len, struct child *ret,
		struct err *e)
{
	struct command *cmd = calloc(1, sizeof(*cmd));
	struct child c = CHILD_INIT;
	int ends[3] = { -1, -1, -1 };
	int r = cmd ? read_words(body, len, cmd, e) : err_set(e, ENOMEM, 0, "execute: out of memory");

	if (!r && x->flags & (AGENT_TTY_IN | AGENT_TTY_OUT | AGENT_TTY_ERR))
		r = make_terminal(x, &c, ends, e);
	if (!r)
		r = make_pipes(&c, ends, e);
	if (!r) {
		choose_shell(cmd);
		r = launch(cmd, &c, ends, e);
	}
	for (int i = 0; i < 3; i++)
		cleanup_fd(&ends[i]);
	free(cmd);
	if (r < 0) {
		child_drop(&c);
		return r;
	}
	*ret = c;
	return 0;
}

/* Nothing is executed, so the agent's own descriptors have to be closed. */
int child_files(const struct parcel_job *job, const char *body, size_t len, struct child *ret, struct err *e)
{
	const char *path = NULL, *name = NULL, *word;
	struct child c = CHILD_INIT;
	int ends[3] = { -1, -1, -1 }, r;
	size_t pos = 0;
	char letter;

	while ((word = agent_word(body, len, &pos, &letter)))
		*(letter == 'p' ? &path : &name) = word;
	if (!path || !name)
		return err_set(e, EPROTO, 0, "copy: bad request");
	r = make_pipes(&c, ends, e);
	if (!r)
		c.pid = fork();
	if (c.pid == 0 && !r) {
		settle(ends);
		(void)signal(SIGHUP, SIG_IGN);  /* the end of its stream ends it, without half a file left */
		if (close_range(3, ~0U, 0) < 0)
			_exit(127);
		_exit(parcel_serve(job, path, name));
	}
	if (c.pid < 0) {
		c.pid = 0;
		r = err_sys(e, "fork");
	}
	for (int i = 0; i < 3; i++)
		cleanup_fd(&ends[i]);
	if (r < 0) {
		child_drop(&c);
		return r;
	}
	*ret = c;
	return 0;
}

void child_size(const struct child *c, const struct agent_size *size)
{
	struct winsize ws = { .ws_row = size->rows, .ws_col = size->cols };

	if (c->master >= 0 && size->rows)
		(void)ioctl(c->master, TIOCSWINSZ, &ws);
}

void child_drop(struct child *c)
{
	if (c->pid > 0)
		(void)kill(-c->pid, SIGHUP);
	cleanup_fd(&c->in);
	cleanup_fd(&c->out);
	cleanup_fd(&c->err);
	cleanup_fd(&c->master);
	c->pid = 0;
}
