/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VE uses. CPU time comes from v2 on every host (cpu.stat exists there without any
 * controller); memory, processes and I/O from wherever their controller is. What a host
 * cannot tell stays UINT64_MAX: absence is not zero.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cgroups/cgroup.h"
#include "cgroups/cg-internal.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"

#define UNKNOWN UINT64_MAX
#define LOOP_MAJOR 7

static uint64_t keyed_or_unknown(const char *text, const char *key)
{
	uint64_t v;

	return cg_keyed(text, key, &v) == 0 ? v : UNKNOWN;
}

static uint64_t number_or_unknown(const struct cg_node *n, const char *file)
{
	uint64_t v;

	return cg_node_u64(n, file, &v) == 0 ? v : UNKNOWN;
}

static int read_cpu(const struct cg_host *h, const char *id, struct cg_stat *s)
{
	char text[2048];
	struct cg_node n;
	int r = cg_node_v2(h, id, &n);

	if (r == 0)
		r = cg_node_read(&n, "cpu.stat", text, sizeof(text));
	if (r < 0)
		return r;
	s->cpu_usec = keyed_or_unknown(text, "usage_usec");
	s->nr_throttled = keyed_or_unknown(text, "nr_throttled");
	s->throttled_usec = keyed_or_unknown(text, "throttled_usec");
	if (cg_node_v1(h, CG_CPU, id, &n) < 0 ||
	    cg_node_read(&n, "cpu.stat", text, sizeof(text)) < 0)
		return 0;
	s->nr_throttled = keyed_or_unknown(text, "nr_throttled");
	s->throttled_usec = keyed_or_unknown(text, "throttled_time");
	if (s->throttled_usec != UNKNOWN)
		s->throttled_usec /= 1000; /* nanoseconds on v1 */
	return 0;
}

static void memory_v2(const struct cg_node *n, struct cg_stat *s)
{
	char text[1024];

	s->mem_current = number_or_unknown(n, "memory.current");
	s->mem_max = number_or_unknown(n, "memory.max");
	s->swap_current = number_or_unknown(n, "memory.swap.current");
	if (cg_node_read(n, "memory.events", text, sizeof(text)) > 0)
		s->oom_kills = keyed_or_unknown(text, "oom_kill");
}

static void memory_v1(const struct cg_node *n, struct cg_stat *s)
{
	static const struct cg_file limit = { "memory.limit_in_bytes", &cg_codec_v1_bytes };
	uint64_t both = number_or_unknown(n, "memory.memsw.usage_in_bytes");
	char text[256];

	s->mem_current = number_or_unknown(n, "memory.usage_in_bytes");
	if (cg_take(n, &limit, &s->mem_max) < 0)
		s->mem_max = UNKNOWN;
	/* two counters read one after the other: the difference may come out below zero */
	if (both != UNKNOWN && s->mem_current != UNKNOWN)
		s->swap_current = both > s->mem_current ? both - s->mem_current : 0;
	if (cg_node_read(n, "memory.oom_control", text, sizeof(text)) > 0)
		s->oom_kills = keyed_or_unknown(text, "oom_kill");
}

/* ---- I/O -------------------------------------------------------------------------------- */

/*
 * The worker of a loop device submits to the host's disk in the name of whoever used the
 * loop device, so the same bytes appear under both. Loop devices and others are summed
 * apart, and the larger sum is what the VE did.
 */
struct io_sum {
	uint64_t loop, other;
};

static void io_add(struct io_sum *sum, unsigned major, uint64_t v)
{
	if (major == LOOP_MAJOR)
		sum->loop += v;
	else
		sum->other += v;
}

static uint64_t io_total(const struct io_sum *sum)
{
	return sum->loop > sum->other ? sum->loop : sum->other;
}

/* Next line of text into dst (cut, if need be: no line we look at is that long). */
static bool next_line(const char **text, char *dst, size_t size)
{
	size_t len = strcspn(*text, "\n");

	if (!**text)
		return false;
	if (len < size) {
		memcpy(dst, *text, len);
		dst[len] = '\0';
	} else {
		dst[0] = '\0';
	}
	*text += len + ((*text)[len] == '\n');
	return true;
}

/* "7:0 ..." -> 7 and the rest; false for lines such as "Total 0". */
static bool device_of(const char *line, unsigned *major, const char **rest)
{
	size_t len = strcspn(line, ":");
	char word[12];
	uint64_t v;

	*rest = strchr(line, ' ');
	if (!line[len] || len >= sizeof(word) || !*rest)
		return false;
	memcpy(word, line, len);
	word[len] = '\0';
	++*rest;
	*major = 0;
	if (cg_number(word, &v) < 0 || v > 0xfff)
		return false;
	*major = (unsigned)v;
	return true;
}

static const char *const io_keys[] = { "rbytes=", "wbytes=", "rios=", "wios=" };

static void io_v2_word(struct io_sum *sum, unsigned major, const char *word)
{
	uint64_t v;

	for (unsigned i = 0; i < ARRAY_SIZE(io_keys); i++)
		if (str_starts(word, io_keys[i]) && cg_number(word + strlen(io_keys[i]), &v) == 0)
			io_add(&sum[i], major, v);
}

/* io.stat: "7:0 rbytes=1 wbytes=2 rios=3 wios=4 ..." */
static void io_v2(const struct cg_node *n, struct cg_stat *s)
{
	uint64_t *const out[] = { &s->rbytes, &s->wbytes, &s->rios, &s->wios };
	struct io_sum sum[ARRAY_SIZE(io_keys)] = { { 0, 0 } };
	char text[8192], line[512], word[64];
	const char *t = text, *rest;
	unsigned major;

	if (cg_node_read(n, "io.stat", text, sizeof(text)) < 0)
		return;
	while (next_line(&t, line, sizeof(line))) {
		if (!device_of(line, &major, &rest))
			continue;
		while (str_word(&rest, word, sizeof(word)) > 0)
			io_v2_word(sum, major, word);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(io_keys); i++)
		*out[i] = io_total(&sum[i]);
}

/* "7:0 Read 4096" and "7:0 Write 0", among others that are parts of these two. */
static void io_v1_file(const struct cg_node *n, const char *file, uint64_t *ret_read,
		       uint64_t *ret_write)
{
	struct io_sum reads = { 0, 0 }, writes = { 0, 0 };
	char text[8192], line[128];
	const char *t = text, *rest;
	unsigned major;
	uint64_t v;

	if (cg_node_read(n, file, text, sizeof(text)) < 0)
		return;
	while (next_line(&t, line, sizeof(line))) {
		if (!device_of(line, &major, &rest))
			continue;
		if (cg_keyed(rest, "Read", &v) == 0)
			io_add(&reads, major, v);
		else if (cg_keyed(rest, "Write", &v) == 0)
			io_add(&writes, major, v);
	}
	*ret_read = io_total(&reads);
	*ret_write = io_total(&writes);
}

static void read_io(const struct cg_host *h, const struct cg_node *n, struct cg_stat *s)
{
	if (h->on_v2[CG_IO]) {
		io_v2(n, s);
		return;
	}
	io_v1_file(n, "blkio.throttle.io_service_bytes", &s->rbytes, &s->wbytes);
	io_v1_file(n, "blkio.throttle.io_serviced", &s->rios, &s->wios);
}

int cg_read_stat(const struct cg_host *h, const char *id, struct cg_stat *ret, struct err *e)
{
	struct cg_stat s;
	struct cg_node n;
	int r;

	memset(&s, 0xff, sizeof(s)); /* every field UNKNOWN */
	r = read_cpu(h, id, &s);
	if (r < 0)
		return err_set(e, -r, VZ_SYSTEM, "read use of %s%s: %s", CG_WHO(id), strerror(-r));
	if (cg_node(h, CG_MEMORY, id, &n) == 0) {
		if (h->on_v2[CG_MEMORY])
			memory_v2(&n, &s);
		else
			memory_v1(&n, &s);
	}
	if (cg_node(h, CG_PIDS, id, &n) == 0) {
		s.pids_current = number_or_unknown(&n, "pids.current");
		s.pids_max = number_or_unknown(&n, "pids.max");
	}
	if (cg_node(h, CG_IO, id, &n) == 0)
		read_io(h, &n, &s);
	*ret = s;
	return 0;
}

uint64_t cg_count(const struct cg_host *h, const char *id)
{
	struct cg_node n;
	uint64_t v;

	/* counts threads as well, as a limit on processes does; without pids: some or none */
	if (cg_node(h, CG_PIDS, id, &n) == 0 && cg_node_u64(&n, "pids.current", &v) == 0)
		return v;
	return cg_populated(h, id);
}

/* ---- out of memory ----------------------------------------------------------------------- */

/*
 * memory.events of the VE's own node: hierarchical, so it also counts kills further down.
 * It changes for other reasons too (limit hit, reclaimed); readers compare oom_kill.
 */
static int oom_v2(const struct cg_node *n, struct cg_oom *ret)
{
	_fd_ int fd = -1;
	char path[192];

	if (str_fmt(path, sizeof(path), "%s/memory.events", n->path) < 0)
		return -ENAMETOOLONG;
	fd = openat(n->root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	/* poll reports a change since the last read, and a file never read as changed */
	if (fd < 0 || pread(fd, path, sizeof(path), 0) < 0)
		return -errno;
	*ret = (struct cg_oom){ TAKE_FD(fd), -1, POLLPRI };
	return 0;
}

/* Documentation/admin-guide/cgroup-v1/memory.rst 10: "EVENT_FD CONTROL_FD". */
static int oom_v1(const struct cg_node *n, struct cg_oom *ret)
{
	_fd_ int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), control = -1;
	char text[192];
	int r;

	if (event < 0)
		return -errno;
	if (str_fmt(text, sizeof(text), "%s/memory.oom_control", n->path) < 0)
		return -ENAMETOOLONG;
	control = openat(n->root, text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (control < 0)
		return -errno;
	if (str_fmt(text, sizeof(text), "%d %d", event, control) < 0)
		return -ENAMETOOLONG;
	r = cg_node_write(n, "cgroup.event_control", text);
	if (r < 0)
		return r;
	*ret = (struct cg_oom){ TAKE_FD(event), TAKE_FD(control), POLLIN };
	return 0;
}

int cg_open_oom(const struct cg_host *h, const char *id, struct cg_oom *ret, struct err *e)
{
	struct cg_node n;
	int r = cg_node(h, CG_MEMORY, id, &n);

	if (r == 0)
		r = h->on_v2[CG_MEMORY] ? oom_v2(&n, ret) : oom_v1(&n, ret);
	if (r < 0)
		return cg_fail(e, CG_MEMORY, r, "watch memory of %s%s", CG_WHO(id));
	return 0;
}
