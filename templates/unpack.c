/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Running berth-unpack. Its namespaces begin with it, so that it never shares one of the host. */
#include "templates/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "util/sys-proc.h"

#define TIMEOUT_MS (60 * 60 * 1000)
#define ARGS (9 + UNPACK_SOURCES_MAX + 1)

/* Between fork and exec: these descriptors pass, and the death of berth ends it. */
static int let_through(void *arg)
{
	const int *fds = arg;

	for (; *fds >= 0; fds++)
		if (fcntl(*fds, F_SETFD, 0) < 0)
			return -1;
	return prctl(PR_SET_PDEATHSIG, SIGKILL);
}

struct argv {
	const char *argv[ARGS + 1];
	char text[ARGS][24];
	size_t n;
};

static void add_number(struct argv *a, uint64_t v)
{
	(void)str_fmt(a->text[a->n], sizeof(a->text[0]), "%llu", (unsigned long long)v);
	a->argv[a->n] = a->text[a->n];
	a->n++;
}

static void add_text(struct argv *a, const char *text)
{
	a->argv[a->n++] = text ? text : "";
}

static int read_report(int fd, struct unpack_report *ret, struct err *e)
{
	struct unpack_report rep;

	if (fs_pread_all(fd, &rep, sizeof(rep), 0) < 0 || rep.magic != UNPACK_MAGIC)
		return err_set(e, EIO, VZ_BAD_TEMPLATE,
			       "unpack: the unpacker ended at once; the archive needs more than it is allowed");
	rep.msg[sizeof(rep.msg) - 1] = '\0';
	for (char *p = rep.msg; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	if (rep.eno) {
		bool known = rep.exit == VZ_NO_DISK_SPACE || rep.exit == VZ_SYSTEM ||
			     rep.exit == VZ_BAD_CONF;

		return err_set(e, rep.eno > 0 && rep.eno < 4096 ? rep.eno : EIO,
			       known ? rep.exit : VZ_BAD_TEMPLATE, "%s", rep.msg);
	}
	*ret = rep;
	return 0;
}

int unpack_run(const struct unpack *u, struct unpack_report *ret, struct err *e)
{
	_fd_ int report = memfd_create("report", MFD_CLOEXEC);
	_fd_ int spool = openat(u->scratch, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	const char kind[2] = { (char)u->kind, '\0' };
	int fds[4 + UNPACK_SOURCES_MAX + 1] = { report, spool, u->image, u->list };
	struct argv a = { .argv = { u->program, kind }, .n = 2 };
	struct run run = { .argv = a.argv, .in = -1, .out = -1, .cwd = -1,
			   .timeout_ms = TIMEOUT_MS, .setup = let_through, .arg = fds,
			   .namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
					 CLONE_NEWUTS | CLONE_NEWCGROUP };
	int r;

	if (report < 0 || spool < 0)
		return err_sys(e, "unpack: make a temporary file");
	if (!u->n_sources || u->n_sources > UNPACK_SOURCES_MAX)
		return err_set(e, EINVAL, VZ_BAD_TEMPLATE, "unpack: %zu layers, at most %u",
			       u->n_sources, UNPACK_SOURCES_MAX);
	add_number(&a, (uint64_t)u->before);
	add_number(&a, u->max_size);
	add_number(&a, u->max_files);
	add_number(&a, u->shift);
	add_text(&a, u->prefix);
	add_text(&a, u->drop);
	add_number(&a, (uint64_t)report);
	add_number(&a, (uint64_t)u->image);
	add_number(&a, (uint64_t)spool);
	add_number(&a, (uint64_t)u->list);
	for (size_t i = 0; i < u->n_sources; i++) {
		add_number(&a, (uint64_t)u->sources[i]);
		fds[4 + i] = u->sources[i];
	}
	fds[4 + u->n_sources] = -1;
	r = proc_run(&run, e);
	if (r < 0 || r == 126 || r == 127)
		return r < 0 ? r : -e->eno;
	return read_report(report, ret, e);
}
