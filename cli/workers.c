/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Work on many VEs at once. Workers are processes, because the lifecycle forks, changes
 * credentials and enters namespaces, which are properties of a thread or a process.
 *
 * One pipe carries numbers to the workers, another one results back; both are read and written
 * in units below PIPE_BUF, so several readers and writers never see half of one (pipe(7)).
 * The numbers' pipe is filled by the parent between results; a worker that dies is noticed
 * because its result is missing when the result pipe ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/ids.h"
#include "cli/out.h"
#include "cli/xalloc.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/sys-fs.h"
#include "util/sys-proc.h"

#define MAX_WORKERS 32

struct crew {
	int todo[2], done[2];
	pid_t pid[MAX_WORKERS];
	unsigned n, asked;
};
#define CREW_INIT { { -1, -1 }, { -1, -1 }, { 0 }, 0, 0 }

static void crew_close(struct crew *w)
{
	cleanup_fd(&w->todo[0]);
	cleanup_fd(&w->todo[1]);
	cleanup_fd(&w->done[0]);
	cleanup_fd(&w->done[1]);
}

static struct id_result one(struct cli *c, const struct args *a, uint32_t id, id_work *work)
{
	struct id_result res = { id, 0, 0, ERR_INIT };
	uint64_t start = proc_now_us();

	res.r = work(c, a, id, &res.e);
	res.usec = proc_now_us() - start;
	return res;
}

static _Noreturn void worker(struct cli *c, const struct args *a, id_work *work, struct crew *w)
{
	uint32_t id;

	cleanup_fd(&w->todo[1]);
	cleanup_fd(&w->done[0]);
	while (read(w->todo[0], &id, sizeof(id)) == (ssize_t)sizeof(id)) {
		struct id_result res;

		c->worker_of = id;
		res = one(c, a, id, work);
		(void)fflush(stdout);
		if (fs_write_all(w->done[1], &res, sizeof(res)) < 0)
			_exit(1);
	}
	_exit(0);
}

static size_t crew_size(unsigned asked, size_t jobs)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	/* A start waits for the kernel more than it computes: more workers than CPUs. */
	size_t want = asked ? asked : cpus > 0 ? 4 * (size_t)cpus : 4;

	if (want > MAX_WORKERS)
		want = MAX_WORKERS;
	return want < jobs ? want : jobs;
}

static int crew_start(struct cli *c, const struct args *a, id_work *work, struct crew *w,
		      struct err *e)
{
	size_t want = crew_size(w->asked, a->n_ids);

	if (pipe2(w->todo, O_CLOEXEC) < 0 || pipe2(w->done, O_CLOEXEC) < 0)
		return err_sys(e, "make a pipe to the workers");
	(void)fflush(NULL);
	for (; w->n < want; w->n++) {
		pid_t pid = fork();

		if (pid < 0 && w->n == 0)
			return err_sys(e, "start a worker");
		if (pid < 0)
			break;
		if (pid == 0)
			worker(c, a, work, w);
		w->pid[w->n] = pid;
	}
	cleanup_fd(&w->todo[0]);
	cleanup_fd(&w->done[1]);
	return 0;
}

static void report(const struct id_result *res)
{
	char text[600], id[16];

	if (res->r >= 0)
		return;
	/* Most texts name the VE already. */
	(void)snprintf(id, sizeof(id), "%u", res->id);
	(void)snprintf(text, sizeof(text), "CT %s: %s", id, res->e.msg);
	out_error(strstr(res->e.msg, id) ? res->e.msg : text);
}

static void keep(struct id_result *all, size_t n, const struct id_result *res)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (all[i].id == res->id)
			all[i] = *res;
}

/* Hand out the numbers and collect the results; both ends can block, so poll tells which. */
static void crew_feed(struct crew *w, const struct args *a, struct id_result *all)
{
	size_t next = 0;
	struct id_result res;

	while (w->done[0] >= 0) {
		struct pollfd p[2] = { { w->done[0], POLLIN, 0 }, { w->todo[1], POLLOUT, 0 } };

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return;
		if (p[0].revents && read(w->done[0], &res, sizeof(res)) == (ssize_t)sizeof(res)) {
			report(&res);
			keep(all, a->n_ids, &res);
		} else if (p[0].revents) {
			cleanup_fd(&w->done[0]);
		}
		if (p[1].revents & POLLERR)
			cleanup_fd(&w->todo[1]);
		else if (p[1].revents && next < a->n_ids &&
			 fs_write_all(w->todo[1], &a->ids[next], sizeof(a->ids[next])) == 0)
			next++;
		if (next == a->n_ids)
			cleanup_fd(&w->todo[1]);
	}
}

int ids_run(struct cli *c, const struct args *a, id_work *work, unsigned crew,
	    struct id_result *all, struct err *e)
{
	struct crew w = CREW_INIT;
	size_t i;
	int r;

	w.asked = crew;
	for (i = 0; i < a->n_ids; i++) {
		all[i].id = a->ids[i];
		all[i].r = err_set(&all[i].e, ECHILD, VZ_SYSTEM, "the worker ended before it was done");
	}
	r = crew_start(c, a, work, &w, e);
	if (r >= 0)
		crew_feed(&w, a, all);
	crew_close(&w);
	for (i = 0; i < w.n; i++)
		(void)waitpid(w.pid[i], NULL, 0);
	return r;
}

static int results_json(const struct id_result *all, size_t n, struct err *e)
{
	struct json_out *j = json_new(n != 0);
	size_t i;

	json_array(j);
	for (i = 0; i < n; i++) {
		bool ok = all[i].r >= 0;

		json_object(j);
		json_ku64(j, "ctid", all[i].id);
		json_kbool(j, "ok", ok);
		json_ku64(j, "exit", ok ? 0 : (uint64_t)(all[i].e.exit ? all[i].e.exit : VZ_SYSTEM));
		json_kstr(j, "error", ok ? NULL : all[i].e.msg);
		json_ku64(j, "usec", all[i].usec);
		json_end(j);
	}
	json_end(j);
	return out_json(j, e);
}

/* The failure of one VE is the command's own; of several, say how many and keep the number. */
static int verdict(const struct id_result *all, size_t n, struct err *e)
{
	const struct id_result *first = NULL;
	size_t i, failed = 0;

	for (i = n; i-- > 0;) {
		if (all[i].r >= 0)
			continue;
		failed++;
		first = &all[i];
	}
	if (!first)
		return 0;
	if (n > 1)
		return err_set(e, first->e.eno, first->e.exit, "%zu of %zu failed", failed, n);
	*e = first->e;
	return first->r;
}

int ids_report(struct cli *c, const struct id_result *all, size_t n, struct err *e)
{
	int r = c->json ? results_json(all, n, e) : 0;

	return r < 0 ? r : verdict(all, n, e);
}

int ids_each(struct cli *c, const struct args *a, id_work *work, struct err *e)
{
	_free_ struct id_result *all = xcalloc(a->n_ids, sizeof(*all));
	int r = 0;

	if (a->n_ids == 1)
		all[0] = one(c, a, a->ids[0], work);
	else if (a->n_ids > 1)
		r = ids_run(c, a, work, 0, all, e);
	return r < 0 ? r : ids_report(c, all, a->n_ids, e);
}
