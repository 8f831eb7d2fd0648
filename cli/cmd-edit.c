/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * edit: a VE's config in the caller's editor. The file that is edited is a copy; what comes back
 * is checked and set as a whole, and kept where it cannot be, so that no typing is lost.
 */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/options.h"
#include "cli/xalloc.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/edit.h"

#define MAX_WORDS 16
#define TEXT_MAX (1 << 20)

static const char *editor(void)
{
	const char *name = getenv("VISUAL");

	if (!name || !*name)
		name = getenv("EDITOR");
	/* Debian's choice of the administrator, as sensible-editor(1) has it. */
	return name && *name ? name : access("/usr/bin/editor", X_OK) == 0 ? "/usr/bin/editor" : "vi";
}

/* "code --wait" is a program and its argument; no shell reads it. */
static _Noreturn void become_editor(char *words, const char *path)
{
	char *argv[MAX_WORDS + 2];
	int n = 0;

	for (char *p = words; *p && n < MAX_WORDS;) {
		size_t len = strcspn(p, " ");

		if (len)
			argv[n++] = p;
		p += len;
		if (*p)
			*p++ = '\0';
	}
	argv[n++] = xstrdup(path);
	argv[n] = NULL;
	(void)execvp(argv[0], argv);
	_exit(127);
}

static int run_editor(const char *path, struct err *e)
{
	const char *name = editor();
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return err_sys(e, "start %s", name);
	if (!pid)
		become_editor(xstrdup(name), path);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, "wait for %s", name);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return err_set(e, ECANCELED, VZ_SYSTEM, "edit: %s ended with %d, nothing changed", name,
			       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return 0;
}

static int make_copy(uint32_t id, const char *text, char dst[64], struct err *e)
{
	_fd_ int fd = -1;
	int r;

	(void)str_fmt(dst, 64, "/tmp/berth-%u-XXXXXX.conf", id);
	fd = mkostemps(dst, 5, O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "make %s", dst);
	r = fs_write_all(fd, text, strlen(text));
	if (r < 0) {
		(void)unlink(dst);
		return err_set(e, -r, VZ_SYSTEM, "write %s: %s", dst, strerror(-r));
	}
	return 0;
}

static int give_back(struct cli *c, uint32_t id, const char *old, const char *path, struct err *e)
{
	_free_ struct set_report *rep = xcalloc(1, sizeof(*rep));
	_free_ char *text = NULL;
	struct err why = ERR_INIT;
	size_t len;
	int r = fs_read_at(AT_FDCWD, path, TEXT_MAX, &text, &len, e);

	if (r < 0)
		return r;
	if (str_eq(old, text)) {
		inst_say(&c->in, "No changes in CT configuration");
		return 0;
	}
	r = ve_edit(&c->in, id, old, text, rep, &why);
	if (r < 0)
		return err_set(e, why.eno, why.exit, "%s (what you wrote is in %s)", why.msg, path);
	set_report_text(c, rep);
	inst_say(&c->in, "CT configuration saved to %s/etc/berth/conf/%u.conf", c->in.root, id);
	return 0;
}

int cmd_edit(struct cli *c, const struct args *a, struct err *e)
{
	_free_ char *old = NULL;
	uint32_t id = a->ids[0];
	char path[64];
	int r = ve_conf_text(&c->in, id, &old, e);

	if (r >= 0)
		r = make_copy(id, old, path, e);
	if (r < 0)
		return r;
	r = run_editor(path, e);
	if (r >= 0)
		r = give_back(c, id, old, path, e);
	if (r >= 0 || e->eno == ECANCELED)
		(void)unlink(path);
	return r;
}
