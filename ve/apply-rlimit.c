/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Limits that every process carries with it (getrlimit(2)): open files, locked memory, pending
 * signals. init gets them before it runs and passes them on; commands of exec and enter take
 * those of init (runtime/attach.c); a change is brought to every process while the VE stands
 * still, or, where a process cannot be stopped, in passes until one finds nothing to do.
 *
 * A process that has lowered its own limit keeps that when the VE's is raised. Raising a hard
 * limit takes CAP_SYS_RESOURCE of the host: where the host lacks it, what was lowered stays low
 * until the next start, and ve/refuse.c says so beforehand.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/parse.h"
#include "util/str.h"
#include "util/sys-proc.h"
#include "ve/apply.h"
#include "ve/freeze.h"

#define PASSES 20
#define STILL_MS 10000

static int resource_of(const struct param *p)
{
	if (p->off == offsetof(struct ve_conf, numfile))
		return RLIMIT_NOFILE;
	return p->off == offsetof(struct ve_conf, lockedpages) ? RLIMIT_MEMLOCK : RLIMIT_SIGPENDING;
}

/* "Key:  12 kB" or "Key:  3/99" of /proc/PID/status, as it stands there; 0 when it is gone. */
static uint64_t status_value(pid_t pid, const char *key)
{
	char path[64], line[256];
	uint64_t v = 0;
	_file_ FILE *f = NULL;
	_free_ char *text = NULL;
	size_t size = 0;

	(void)str_fmt(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f && getline(&text, &size, f) > 0) {
		size_t n;

		if (!str_starts(text, key))
			continue;
		n = strspn(text + strlen(key), " \t") + strlen(key);
		(void)str_fmt(line, sizeof(line), "%.*s", (int)strspn(text + n, "0123456789"), text + n);
		(void)parse_u64(line, 0, UINT64_MAX, &v);
		break;
	}
	return v;
}

/* The kernel gives out numbers below the limit: what counts is the highest. */
static uint64_t files_of(pid_t pid)
{
	char path[64];
	_dir_ DIR *d = NULL;
	struct dirent *de;
	uint64_t most = 0, v;

	(void)str_fmt(path, sizeof(path), "/proc/%d/fd", (int)pid);
	d = opendir(path);
	while (d && (de = readdir(d)))
		if (isdigit((unsigned char)de->d_name[0]) &&
		    parse_u64(de->d_name, 0, INT32_MAX, &v) == 0 && v + 1 > most)
			most = v + 1;
	return most;
}

static uint64_t use_of(pid_t pid, int resource)
{
	switch (resource) {
	case RLIMIT_NOFILE:
		return files_of(pid);
	case RLIMIT_MEMLOCK:
		return status_value(pid, "VmLck:") * 1024;
	default:
		return status_value(pid, "SigQ:");
	}
}

/* ---- all processes of a VE ---- */

struct everywhere {
	int resource;
	rlim_t was, value;              /* of init, and what it shall be */
	unsigned changed;
	uint64_t used;                  /* at most, by one process */
};

static int look(pid_t pid, void *arg)
{
	struct everywhere *w = arg;
	uint64_t used = use_of(pid, w->resource);

	if (used > w->used)
		w->used = used;
	return 0;
}

static int put(pid_t pid, void *arg)
{
	struct everywhere *w = arg;
	struct rlimit now, to = { .rlim_max = w->value };

	if (prlimit(pid, w->resource, NULL, &now) < 0)
		return errno == ESRCH ? 0 : -errno;
	if (now.rlim_max == w->value || (now.rlim_max < w->value && now.rlim_max != w->was))
		return 0;
	to.rlim_cur = now.rlim_cur == now.rlim_max || now.rlim_cur > w->value ? w->value
									       : now.rlim_cur;
	if (prlimit(pid, w->resource, &to, NULL) < 0)
		return errno == ESRCH ? 0 : -errno;
	w->changed++;
	return 0;
}

static int change(struct ve *ve, struct everywhere *w)
{
	unsigned passes = 0;
	int r = 0;

	if (w->value < w->was)
		r = cg_each_process(&ve->in->cg, ve->cg, look, w);
	if (!r && w->used > w->value)
		return -EBUSY;
	do {
		w->changed = 0;
		if (!r)
			r = cg_each_process(&ve->in->cg, ve->cg, put, w);
	} while (!r && w->changed && ++passes < PASSES);
	return r;
}

/* "unlimited" is what the host allows this process. */
static rlim_t wanted(const struct ve *ve, const struct param *p)
{
	uint64_t v = U64_UNLIMITED;
	struct rlimit own = { RLIM_INFINITY, RLIM_INFINITY };

	(void)getrlimit(resource_of(p), &own);
	if (conf_has(&ve->conf, p))
		(void)param_number(p, &ve->conf, &v);
	if (v == U64_UNLIMITED || (v > own.rlim_max && !proc_has_cap(CAP_SYS_RESOURCE)))
		return own.rlim_max;
	return v;
}

int apply_rlimit(struct ve *ve, const struct param *p, struct err *e)
{
	struct everywhere w = { .resource = resource_of(p), .value = wanted(ve, p) };
	struct freeze f = FREEZE_INIT;
	struct err ignored = ERR_INIT;
	struct rlimit now;
	bool held;
	int r;

	if (prlimit(ve->state.pid, w.resource, NULL, &now) < 0)
		return err_sys(e, "read the limit of VE %u", ve->id);
	w.was = now.rlim_max;
	f.ve = ve;
	f.deadline_ms = STILL_MS;
	held = freeze_briefly(&f);
	r = change(ve, &w);
	if (held)       /* where it did not stand still to the end the passes have seen to the rest */
		(void)!freeze_release(&f, &ignored);
	if (r == -EBUSY)
		return err_set(e, EBUSY, VZ_SET_UBC, "in use: %" PRIu64 " by one process of VE %u",
			       w.used, ve->id);
	if (r == -EPERM)
		return err_set(e, EPERM, VZ_SET_UBC,
			       "%s: this host may not raise it (CAP_SYS_RESOURCE)", strerror(-r));
	return r < 0 ? err_set(e, -r, VZ_SET_UBC, "VE %u: %s", ve->id, strerror(-r)) : 0;
}

/* Before init runs: it alone is there, and nothing of it is in use. */
int apply_rlimit_start(struct ve *ve, const struct param *p, struct err *e)
{
	struct rlimit to = { .rlim_max = wanted(ve, p) };

	to.rlim_cur = to.rlim_max;
	if (prlimit(ve->state.pid, resource_of(p), &to, NULL) < 0)
		return err_sys(e, "limit init");
	return 0;
}

unsigned rlimits_set(const struct ve *ve)
{
	unsigned bits = 0;

	for (size_t i = 0; i < n_params; i++)
		if (params[i].apply == apply_rlimit && conf_has(&ve->conf, &params[i]))
			bits |= 1U << resource_of(&params[i]);
	return bits;
}

int effective_rlimit(struct ve *ve, const struct param *p, uint64_t *ret)
{
	struct rlimit now, own;

	if (prlimit(ve->state.pid, resource_of(p), NULL, &now) < 0 ||
	    getrlimit(resource_of(p), &own) < 0)
		return -errno;
	*ret = now.rlim_max >= own.rlim_max && !conf_has(&ve->conf, p) ? U64_UNLIMITED : now.rlim_max;
	return 0;
}

int used_rlimit(struct ve *ve, const struct param *p, uint64_t *ret)
{
	struct everywhere w = { .resource = resource_of(p) };
	int r = cg_each_process(&ve->in->cg, ve->cg, look, &w);

	if (r == 0)
		*ret = w.used;
	return r;
}
