/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * events: what happened to the VEs, from the instance's file and from those of the keepers of
 * running VEs (ve/events.h), in the order of time. What a keeper wrote is taken over into the
 * instance's file when its VE ends, so a line may be met twice; it is told once.
 */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/ids.h"
#include "cli/options.h"
#include "cli/out.h"
#include "cli/xalloc.h"
#include "util/cleanup.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/events.h"
#include "ve/registry.h"

#define LOOK_MS 200             /* between two looks of -f */
#define READ_MAX (4 * EVENTS_KEPT)

struct event {
	uint64_t time;
	uint32_t id;
	char *line;
};

/* A file, and how far it has been read. */
struct source {
	uint32_t id;                    /* of the keeper's VE; 0: the instance's */
	ino_t ino;
	off_t at;
};

struct follow {
	struct cli *c;
	const struct args *a;
	struct source *src;
	size_t n_src;
	struct event *ev, *told;        /* of this look, and what keepers said in looks before */
	size_t n_ev, n_told;
};

static bool wanted(const struct args *a, uint32_t id)
{
	size_t i;

	for (i = 0; i < a->n_ids; i++)
		if (a->ids[i] == id)
			return true;
	return !a->n_ids;
}

static void grow(struct event **list, size_t n)
{
	if (n >= 16 && (n & (n - 1)))
		return;
	*list = xrealloc(*list, n < 16 ? 16 : 2 * n, sizeof(**list));
}

static bool was_told(const struct follow *f, uint64_t time, uint32_t id)
{
	size_t i;

	for (i = 0; i < f->n_told; i++)
		if (f->told[i].time == time && f->told[i].id == id)
			return true;
	return false;
}

static void take_line(struct follow *f, const struct source *src, const char *line, size_t len)
{
	struct err ignored = ERR_INIT;
	struct json_val *v = NULL;
	struct event ev;

	if (json_parse(line, len, "event", &v, &ignored) < 0)
		return;                 /* the half of a line where the file was shortened */
	ev = (struct event){ json_get_u64(v, "time", 0), (uint32_t)json_get_u64(v, "veid", 0), NULL };
	json_val_free(v);
	if (!wanted(f->a, ev.id) || was_told(f, ev.time, ev.id))
		return;
	if (src->id && f->a->follow) {
		grow(&f->told, f->n_told);
		f->told[f->n_told++] = ev;
	}
	ev.line = xcalloc(len + 1, 1);
	memcpy(ev.line, line, len);
	grow(&f->ev, f->n_ev);
	f->ev[f->n_ev++] = ev;
}

/* What the file has grown by, in whole lines. */
static void take_file(struct follow *f, struct source *src, int fd)
{
	struct err ignored = ERR_INIT;
	_free_ char *text = NULL;
	const char *p, *end;
	struct stat st;
	size_t len;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	if (st.st_ino != src->ino || st.st_size < src->at)
		src->at = 0;
	src->ino = st.st_ino;
	if (st.st_size == src->at || lseek(fd, src->at, SEEK_SET) < 0 ||
	    fs_read_fd(fd, "events", READ_MAX, &text, &len, &ignored) < 0)
		return;
	for (p = text; (end = memchr(p, '\n', len - (size_t)(p - text))); p = end + 1)
		take_line(f, src, p, (size_t)(end - p));
	src->at += p - text;
}

static struct source *source(struct follow *f, uint32_t id)
{
	size_t i;

	for (i = 0; i < f->n_src; i++)
		if (f->src[i].id == id)
			return &f->src[i];
	f->src = xrealloc(f->src, f->n_src + 1, sizeof(*f->src));
	f->src[f->n_src] = (struct source){ .id = id };
	return &f->src[f->n_src++];
}

static void take_keeper(struct follow *f, uint32_t id)
{
	_fd_ int fd = -1;
	char path[32];

	(void)str_fmt(path, sizeof(path), "%u/events.jsonl", id);
	fd = openat(f->c->in.run, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		take_file(f, source(f, id), fd);
}

static int by_time(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static int look(struct follow *f, struct err *e)
{
	_fd_ int dir = -1, fd = -1;
	_free_ uint32_t *all = NULL;
	size_t i, n = 0;
	int r = events_dir(&f->c->in, &dir, e);

	if (r >= 0)
		r = reg_list(&f->c->in, &all, &n, e);
	if (r < 0)
		return r;
	fd = openat(dir, "events.jsonl", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		take_file(f, source(f, 0), fd);
	for (i = 0; i < n; i++)
		if (wanted(f->a, all[i]))
			take_keeper(f, all[i]);
	if (f->n_ev)
		qsort(f->ev, f->n_ev, sizeof(*f->ev), by_time);
	return 0;
}

/* "count=3", every member that is not shown elsewhere. */
static void print_members(const struct json_val *v)
{
	size_t i;

	for (i = 0; i < json_len(v); i++) {
		const char *key = json_key_at(v, i), *text = json_string(json_at(v, i));

		if (str_eq(key, "time") || str_eq(key, "veid") || str_eq(key, "event"))
			continue;
		out_printf(" ");
		out_safe(key);
		out_printf("=");
		if (text)
			out_safe(text);
		else
			out_printf("%llu", (unsigned long long)json_get_u64(v, key, 0));
	}
}

static void print_event(const struct event *ev)
{
	struct err ignored = ERR_INIT;
	time_t t = (time_t)(ev->time / 1000000);
	struct json_val *v = NULL;
	char when[32] = "-";
	struct tm tm;

	if (json_parse(ev->line, strlen(ev->line), "event", &v, &ignored) < 0)
		return;
	if (localtime_r(&t, &tm))
		(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	out_printf("%s CT %u ", when, ev->id);
	out_safe(json_get_str(v, "event", "?"));
	print_members(v);
	out_printf("\n");
	json_val_free(v);
}

/* The newest `last` of this look, 0 for all; a line of JSON stays the line it is. */
static void tell(struct follow *f, uint64_t last)
{
	size_t i, first = last && last < f->n_ev ? f->n_ev - last : 0;

	for (i = 0; i < f->n_ev; i++) {
		const struct event *ev = &f->ev[i];
		bool again = i && by_time(ev - 1, ev) == 0 && str_eq(ev[-1].line, ev->line);

		if (i < first || again)
			continue;
		if (f->c->json)
			out_printf("%s\n", ev->line);
		else
			print_event(ev);
	}
	for (i = 0; i < f->n_ev; i++)
		free(f->ev[i].line);
	f->n_ev = 0;
	out_flush();
}

/* Until the reader of a pipe goes away; a terminal sends SIGINT. */
static bool reader_is_there(void)
{
	struct pollfd p = { .fd = STDOUT_FILENO };

	return poll(&p, 1, LOOK_MS) <= 0 || !(p.revents & (POLLERR | POLLHUP));
}

int cmd_events(struct cli *c, const struct args *a, struct err *e)
{
	struct args ids = { .follow = a->follow };
	struct follow f = { .c = c, .a = &ids };
	unsigned i;
	int r = 0;

	for (i = 0; i < a->n_words && r >= 0; i++)
		r = ids_add(c, &ids, a->words[i], e);
	if (r >= 0)
		r = look(&f, e);
	if (r >= 0)
		tell(&f, a->last);
	while (r >= 0 && a->follow && reader_is_there()) {
		r = look(&f, e);
		tell(&f, 0);
	}
	free(f.ev);
	free(f.told);
	free(f.src);
	args_done(&ids);
	return r < 0 ? r : 0;
}
