/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The crew of a rollout. A VE is worked on by a process of its own, because its start and stop
 * change namespaces and credentials; a pipe brings the verdict back. A crew that lost its leader
 * ends what it has in hand, and the next one finds that done.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>

#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/rollout.h"

#define CREW_MAX 64

struct verdict {
	int r;
	struct err e;
};

struct hand {
	pid_t pid;
	int fd;
	struct rollout_ve *ve;
};

struct crew {
	struct inst *in;
	struct rollout *r;
	const struct rollout_job *job;
	struct hand hand[CREW_MAX];
	size_t n, bad;
};

static void __attribute__((noreturn)) work(const struct crew *c, const struct rollout_ve *v,
					   int fd)
{
	struct verdict verdict = { 0, ERR_INIT };

	c->in->say = NULL;
	(void)close(c->r->lock);        /* the leader's alone: without him the next one may begin */
	verdict.r = c->job->work(c->in, c->r, v, &verdict.e);
	_exit(fs_write_all(fd, &verdict, sizeof(verdict)) < 0);
}

static int begin(struct crew *c, struct rollout_ve *v, struct err *e)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, "make a pipe to a worker");
	pid = fork();
	if (pid == 0)
		work(c, v, fds[1]);
	(void)close(fds[1]);
	if (pid < 0) {
		(void)err_sys(e, "start a worker");
		(void)close(fds[0]);
		return -e->eno;
	}
	c->hand[c->n++] = (struct hand){ pid, fds[0], v };
	return 0;
}

static void judge(struct crew *c, struct rollout_ve *v, const struct verdict *verdict)
{
	bool good = verdict->r >= 0;

	v->outcome = good ? c->job->good : c->job->bad;
	(void)str_fmt(v->why, sizeof(v->why), "%.255s", good ? "" : verdict->e.msg);
	c->bad += !good;
}

/* The verdict is written before the process ends, and small enough to come in one piece. */
static int end(struct crew *c, size_t i, struct err *e)
{
	struct verdict verdict = { -ECHILD, ERR_INIT };
	struct hand h = c->hand[i];

	if (read(h.fd, &verdict, sizeof(verdict)) != (ssize_t)sizeof(verdict))
		verdict.r = err_set(&verdict.e, ECHILD, 0, "VE %u: the worker died", h.ve->id);
	(void)close(h.fd);
	while (waitpid(h.pid, NULL, 0) < 0 && errno == EINTR)
		;
	c->hand[i] = c->hand[--c->n];
	judge(c, h.ve, &verdict);
	if (c->job->opts->tell)
		c->job->opts->tell(c->job->opts->arg, c->r, h.ve);
	return rollout_note(c->in, c->r, h.ve, e);
}

static int wait_for_one(struct crew *c, struct err *e)
{
	struct pollfd p[CREW_MAX];

	for (size_t i = 0; i < c->n; i++)
		p[i] = (struct pollfd){ .fd = c->hand[i].fd, .events = POLLIN };
	if (poll(p, c->n, -1) < 0)
		return errno == EINTR ? 0 : err_sys(e, "wait for a worker");
	for (size_t i = c->n; i-- > 0;) {
		int r = p[i].revents ? end(c, i, e) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

int rollout_each(struct inst *in, struct rollout *r, const struct rollout_job *job,
		 struct err *e)
{
	struct crew c = { .in = in, .r = r, .job = job };
	size_t i = job->first, most = r->parallel < CREW_MAX ? r->parallel : CREW_MAX;
	int res = 0;

	while (!res) {
		while (!res && c.n < most && i < job->end && c.bad <= job->max_bad) {
			if (r->ve[i].outcome == job->which)
				res = begin(&c, &r->ve[i], e);
			i++;
		}
		if (!c.n)
			break;
		if (!res)
			res = wait_for_one(&c, e);
	}
	while (c.n) {                   /* after a failure of our own */
		struct err late = ERR_INIT;

		if (end(&c, 0, &late) < 0)
			log_warn(&in->log, "%s", late.msg);
	}
	return res;
}
