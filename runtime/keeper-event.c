/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The events file, one JSON object a line, and the counting of out-of-memory events.
 *
 * A tenant can cause as many of those as it likes. The first is recorded at once, further
 * ones are counted and recorded once in OOM_QUIET_MS; and they may fill the file only up to
 * three quarters, so that there is always room for how the VE ended. All texts are constants
 * and numbers, so nothing needs escaping.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "cgroups/cg-oom-policy.h"
#include "runtime/keeper-impl.h"

#define EVENTS_MAX (256 * 1024)
#define OOM_QUIET_MS 10000
#define LOOK_MS 1000
#define WATCH_MS 50             /* whether an event was followed by a kill: how often, how long */
#define WATCH_END_MS 5000

struct line {
	char text[160];
	size_t len;
};

static void add(struct line *l, const char *s)
{
	size_t n = strlen(s);

	if (n > sizeof(l->text) - l->len)
		n = sizeof(l->text) - l->len;
	memcpy(l->text + l->len, s, n);
	l->len += n;
}

static void add_member(struct line *l, const char *key, int64_t value)
{
	char buf[NUM_STRLEN];

	add(l, "\"");
	add(l, key);
	add(l, "\":");
	add(l, keeper_format_num(value, buf));
}

static bool has_room(int fd, off_t max)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size < max;
}

void event_write(const struct events *ev, const char *event, const char *key, int64_t value)
{
	struct line l = { .len = 0 };
	struct timespec ts;

	if (ev->fd < 0 || !has_room(ev->fd, EVENTS_MAX))
		return;
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	add(&l, "{");
	add_member(&l, "time", (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
	add(&l, ",");
	add_member(&l, "veid", ev->veid);
	add(&l, ",\"event\":\"");
	add(&l, event);
	add(&l, "\",");
	add_member(&l, key, value);
	add(&l, "}\n");
	/* A full disk loses the line; there is nobody to tell. */
	if (write(ev->fd, l.text, l.len) < 0)
		return;
}

#define OOM_KILL "\noom_kill "
#define OOM_GROUP_KILL "\noom_group_kill "

/* The number behind key, or -1. */
static int64_t read_count(int fd, const char *key)
{
	char buf[512];
	ssize_t n = pread(fd, buf, sizeof(buf) - 1, 0);
	int64_t v = 0;
	char *p;

	if (n < 0)
		return -1;
	buf[n] = '\0';
	p = strstr(buf, key);
	if (!p)
		return -1;
	for (p += strlen(key); *p >= '0' && *p <= '9' && v < INT64_MAX / 16; p++)
		v = v * 10 + (*p - '0');
	return v;
}

/*
 * How often the kernel has killed for the limit of this VE, or for one above it: on v1 one process
 * of it, on v2 all of it (memory.oom.group). -1 where that cannot be told.
 */
static int64_t own_kills(const struct oom *o)
{
	int64_t v;
	int fd;

	if (o->poll_events == POLLIN)
		return read_count(o->control, OOM_KILL);
	fd = openat(o->node, "memory.events.local", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	v = read_count(fd, OOM_GROUP_KILL);
	if (fd >= 0)
		(void)close(fd);
	return v;
}

/* New events since the last call, -1 when the descriptor says no more. */
static int64_t count_new(struct oom *o)
{
	uint64_t n;
	int64_t v;

	if (o->poll_events == POLLIN)
		return read(o->fd, &n, sizeof(n)) == (ssize_t)sizeof(n) ? (int64_t)n : -1;
	v = read_count(o->fd, OOM_KILL);
	if (v < 0)
		return -1;
	n = (uint64_t)v - o->seen;
	o->seen = (uint64_t)v;
	return (int64_t)n;
}

void oom_init(struct oom *o, int fd, short poll_events, int node, int control)
{
	o->node = node;
	o->control = control;
	o->look_at = 1;         /* the keeper before may have frozen it */
	o->fd = fd;
	o->poll_events = poll_events;
	o->kills = own_kills(o);
	o->watch_at = o->watch_end = 0;
	/* kernfs reports a change until the file was read once; that also gives the start value. */
	if (fd >= 0 && poll_events == POLLPRI)
		(void)count_new(o);
}

void oom_poll(const struct oom *o, struct pollfd *p)
{
	*p = (struct pollfd){ .fd = o->fd, .events = o->poll_events };
}

static bool write_node(int node, const char *file, const char *value)
{
	int fd = openat(node, file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	bool ok = fd >= 0 && write(fd, value, 1) == 1;

	if (fd >= 0)
		(void)close(fd);
	return ok;
}

static bool policy_is(int node, const char *want)
{
	char policy[16] = "";

	return fgetxattr(node, CG_OOM_XATTR, policy, sizeof(policy) - 1) > 0 &&
	       strcmp(policy, want) == 0;
}

static bool is_marked(int node)
{
	return fgetxattr(node, CG_OOM_FROZEN_XATTR, NULL, 0) >= 0;
}

/* Whether somebody waits for memory now: an event says that somebody did. */
static bool waits_for_memory(const struct oom *o)
{
	char buf[128];
	ssize_t n = pread(o->control, buf, sizeof(buf) - 1, 0);

	buf[n < 0 ? 0 : n] = '\0';
	return n < 0 || !strstr(buf, "under_oom 0");
}

static bool stays_frozen(const struct oom *o)
{
	return is_marked(o->node) && policy_is(o->node, CG_OOM_FREEZE) && waits_for_memory(o);
}

/*
 * Meanwhile a `set` of another policy or of more memory (cg_oom_relieved) has found the mark and
 * thawed, perhaps before there was anything to thaw, or it came before the mark.
 */
static bool freeze(const struct oom *o)
{
	if (fsetxattr(o->node, CG_OOM_FROZEN_XATTR, "1", 1, 0) < 0 ||
	    !write_node(o->node, "cgroup.freeze", "1"))
		return false;
	if (stays_frozen(o))
		return true;
	(void)fremovexattr(o->node, CG_OOM_FROZEN_XATTR);
	(void)write_node(o->node, "cgroup.freeze", "0");
	return false;
}

/* Who has been given memory still counts as waiting until it has run; and it may be given some by
 * other ways than `set`. */
static void look_again(struct oom *o, uint64_t now)
{
	o->look_at = is_marked(o->node) ? now + LOOK_MS : 0;
	if (!o->look_at || stays_frozen(o))
		return;
	o->look_at = 0;
	if (fremovexattr(o->node, CG_OOM_FROZEN_XATTR) == 0)
		(void)write_node(o->node, "cgroup.freeze", "0");
}

/*
 * An event alone is no reason to kill the VE. On v1 it comes before the kill, and to all VEs of a
 * pool whose limit it is; on v2 also for a group that the guest has made and limited.
 */
static void watch_kills(struct oom *o, const struct events *ev, uint64_t now)
{
	int64_t before = o->kills;

	o->kills = own_kills(o);
	o->watch_at = now < o->watch_end ? now + WATCH_MS : 0;
	if (before >= 0 && o->kills > before && policy_is(o->node, CG_OOM_KILL_VE) &&
	    write_node(o->node, "cgroup.kill", "1"))
		event_write(ev, "oom-killed", "count", 1);
}

/* What the administrator wants to happen (cgroups/cg-oom.c), beyond what the kernel does. */
static void obey_policy(struct oom *o, const struct events *ev, uint64_t now)
{
	if (o->node < 0)
		return;
	o->watch_end = now + WATCH_END_MS;
	o->watch_at = now;
	if (policy_is(o->node, CG_OOM_FREEZE) && freeze(o)) {
		event_write(ev, "oom-frozen", "count", 1);
		o->look_at = now + LOOK_MS;
	}
}

void oom_serve(struct oom *o, const struct pollfd *p, const struct events *ev, uint64_t now)
{
	if (p->revents) {
		int64_t n = count_new(o);

		if (n < 0)
			o->fd = -1;     /* its cgroup is gone; it would be ready for ever */
		else
			o->pending += (uint64_t)n;
		if (n > 0)
			obey_policy(o, ev, now);
	}
	if (o->watch_at && now >= o->watch_at)
		watch_kills(o, ev, now);
	if (o->look_at && now >= o->look_at)
		look_again(o, now);
	if (!o->pending || now < o->quiet_until)
		return;
	oom_finish(o, ev);
	o->quiet_until = now + OOM_QUIET_MS;
}

void oom_finish(struct oom *o, const struct events *ev)
{
	if (o->pending && ev->fd >= 0 && has_room(ev->fd, EVENTS_MAX / 4 * 3))
		event_write(ev, "oom", "count", (int64_t)o->pending);
	o->pending = 0;
}

uint64_t oom_wake(const struct oom *o)
{
	uint64_t wake[] = { o->pending ? o->quiet_until : 0, o->look_at, o->watch_at }, first = 0;

	for (size_t i = 0; i < sizeof(wake) / sizeof(wake[0]); i++)
		if (wake[i] && (!first || wake[i] < first))
			first = wake[i];
	return first;
}
