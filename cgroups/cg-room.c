/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making room: how long to go on, when to leave the VE alone for a while, and a write that can
 * be given up. Reclaim takes time from the VE too, which has to read back what it still wants.
 * When its tasks spend more than a quarter of the time waiting for memory, nothing more is
 * taken until they have caught up.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroups/cg-internal.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-proc.h"

#define PATIENCE_MS 10000       /* altogether, unless said otherwise */
#define STUCK_US 1000000        /* then: without any progress; dirty pages need that long */
#define NAP_MS 20
#define SLICE_MS 500            /* of one write, before pressure is looked at again */
#define STALL_PERCENT 25

static uint64_t stalled(const struct cg_room *m)
{
	struct cg_pressure p;

	return cg_read_pressure(m->h, m->id, CG_PRESSURE_MEMORY, &p) == 0 ? p.full.total_usec : 0;
}

struct cg_room cg_room_new(const struct cg_host *h, const char *id, unsigned patience_ms)
{
	struct cg_room m = { .h = h, .id = id, .seen = proc_now_us(), .best = UINT64_MAX };
	uint64_t patience = UINT64_C(1000) * (patience_ms ? patience_ms : PATIENCE_MS);

	m.end = m.seen + patience;
	m.stuck_us = patience_ms ? patience : STUCK_US;
	m.stuck = m.seen + m.stuck_us;
	m.stall = stalled(&m);
	return m;
}

bool cg_room_left(struct cg_room *m, uint64_t used)
{
	uint64_t now = proc_now_us();

	if (used < m->best) {
		m->best = used;
		m->stuck = now + m->stuck_us;
	}
	return now < m->end && now < m->stuck;
}

/* Since it was asked last. */
static bool suffers(struct cg_room *m)
{
	uint64_t now = proc_now_us(), stall = stalled(m);
	bool yes = stall - m->stall > (now - m->seen) * STALL_PERCENT / 100;

	m->stall = stall;
	m->seen = now;
	return yes;
}

void cg_room_breathe(struct cg_room *m)
{
	do
		cg_sleep_ms(NAP_MS);
	while (suffers(m) && proc_now_us() < m->end);
}

static int wait_or_kill(pid_t pid, int timeout_ms)
{
	_fd_ int fd = pidfd_open(pid, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int status;

	if (fd < 0 || poll(&p, 1, timeout_ms) != 1)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

/*
 * The kernel reclaims inside write(2), for as long as it takes; only a signal ends that, and
 * then the file keeps its old value. So the write is done by a process that can be killed.
 */
int cg_room_write(const struct cg_room *m, const struct cg_node *n, const char *file,
		  const char *text)
{
	uint64_t now = proc_now_us(), left = m->end > now ? (m->end - now) / 1000 : 0;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(-cg_node_write(n, file, text));
	return wait_or_kill(pid, left < SLICE_MS ? (int)left : SLICE_MS);
}

int cg_room_busy(const struct cg_room *m, const struct cg_lack *l, struct err *e)
{
	struct cg_pressure p;
	char text[96] = "";

	if (cg_read_pressure(m->h, m->id, CG_PRESSURE_MEMORY, &p) == 0)
		(void)str_fmt(text, sizeof(text),
			      "; memory pressure in 10 s: some %u.%02u %%, full %u.%02u %%",
			      (unsigned)(p.some.avg10 / 100), (unsigned)(p.some.avg10 % 100),
			      (unsigned)(p.full.avg10 / 100), (unsigned)(p.full.avg10 % 100));
	return err_set(e, EBUSY, VZ_SET_UBC,
		       "set %s of %s%s to %" PRIu64 " bytes: in use: %" PRIu64 " bytes%s", l->what,
		       CG_WHO(m->id), l->value, l->used, text);
}
