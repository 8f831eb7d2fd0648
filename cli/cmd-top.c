/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * top: which VEs use how much right now. Two looks at every running VE, a while apart, and the
 * difference between them; on a terminal again and again until q.
 */
#include "cli/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cli/options.h"
#include "cli/out.h"
#include "cli/xalloc.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/parse.h"
#include "util/str.h"
#include "util/sys-proc.h"
#include "ve/registry.h"

enum kind {
	NOW,            /* as it is */
	RATE,           /* per second */
	SHARE,          /* of the time, in tenths of a percent; the counter is in microseconds */
};

static const struct column {
	const char *name, *header;
	char key;                       /* sorts by it, live */
	enum kind kind;
	size_t off;                     /* of the counter in struct ve_usage */
	uint64_t unit;
} columns[] = {
	{ "cpu", "CPU%", 'c', SHARE, offsetof(struct ve_usage, cg.cpu_usec), 1 },
	{ "throttled", "HELD%", 'h', SHARE, offsetof(struct ve_usage, cg.throttled_usec), 1 },
	{ "memory", "MEM-MiB", 'm', NOW, offsetof(struct ve_usage, cg.mem_current), 1 << 20 },
	{ "limit", "OF-MiB", 'l', NOW, offsetof(struct ve_usage, cg.mem_max), 1 << 20 },
	{ "processes", "PROCS", 'p', NOW, offsetof(struct ve_usage, cg.pids_current), 1 },
	{ "read", "RD-KiB/s", 'r', RATE, offsetof(struct ve_usage, cg.rbytes), 1024 },
	{ "write", "WR-KiB/s", 'w', RATE, offsetof(struct ve_usage, cg.wbytes), 1024 },
	{ "received", "RX-KiB/s", 'i', RATE,
	  offsetof(struct ve_usage, net_all.rx_bytes), 1024 },
	{ "sent", "TX-KiB/s", 'o', RATE, offsetof(struct ve_usage, net_all.tx_bytes), 1024 },
};

struct row {
	uint32_t id;
	char name[VE_NAME_LEN], pool[VE_NAME_LEN];
	uint64_t at;                    /* when it was looked at */
	struct ve_usage use;
	uint64_t value[ARRAY_SIZE(columns)];    /* UINT64_MAX: cannot be told */
};

struct look {
	struct row *row;
	size_t n;
};

static int look(struct cli *c, struct look *ret, struct err *e)
{
	struct ve_status *s = xcalloc(1, sizeof(*s));
	_free_ uint32_t *ids = NULL;
	size_t i, n = 0;
	int r = reg_list(&c->in, &ids, &n, e);

	*ret = (struct look){ xcalloc(n ? n : 1, sizeof(struct row)), 0 };
	for (i = 0; i < n && r >= 0; i++) {
		struct row *row = &ret->row[ret->n];

		r = ve_status(&c->in, ids[i], 0, s, e);
		if (r < 0 || !s->running)
			continue;
		row->id = ids[i];
		(void)str_fmt(row->name, sizeof(row->name), "%s",
			      *s->conf.name ? s->conf.name : s->conf.hostname);
		(void)str_fmt(row->pool, sizeof(row->pool), "%s", s->conf.pool);
		row->at = proc_now_us();
		ve_read_usage(&c->in, row->id, &s->state, &row->use);
		ret->n++;
	}
	free(s);
	return r;
}

static uint64_t counter(const struct row *row, const struct column *col)
{
	uint64_t v;

	memcpy(&v, (const char *)&row->use + col->off, sizeof(v));
	return v;
}

static uint64_t value(const struct row *was, const struct row *is, const struct column *col)
{
	uint64_t a = counter(was, col), b = counter(is, col), t = is->at - was->at;

	if (b == UINT64_MAX)
		return UINT64_MAX;
	if (col->kind == NOW)
		return b / col->unit;
	/* started again in between: its counters began at zero */
	if (a == UINT64_MAX || b < a || !t)
		return 0;
	return col->kind == SHARE ? (b - a) * 1000 / t : (b - a) * 1000000 / t / col->unit;
}

/* Fill in is->value of what was there before too; drop the others. Both are sorted by id. */
static void compare(const struct look *was, struct look *is)
{
	size_t i, k = 0, n = 0;
	unsigned col;

	for (i = 0; i < is->n; i++) {
		while (k < was->n && was->row[k].id < is->row[i].id)
			k++;
		if (k == was->n || was->row[k].id != is->row[i].id)
			continue;
		for (col = 0; col < ARRAY_SIZE(columns); col++)
			is->row[i].value[col] = value(&was->row[k], &is->row[i], &columns[col]);
		is->row[n++] = is->row[i];
	}
	is->n = n;
}

static int by_column(const void *a, const void *b, void *arg)
{
	const struct row *x = a, *y = b;
	unsigned col = *(unsigned *)arg;
	/* what cannot be told, and no limit, come last */
	uint64_t vx = x->value[col] + 1, vy = y->value[col] + 1;

	if (vx != vy)
		return vx < vy ? 1 : -1;
	return (x->id > y->id) - (x->id < y->id);
}

static void print_value(const struct column *col, uint64_t v)
{
	if (v == UINT64_MAX)
		out_printf(" %8s", "-");
	else if (col->kind == SHARE)
		out_printf(" %6" PRIu64 ".%" PRIu64, v / 10, v % 10);
	else
		out_printf(" %8" PRIu64, v);
}

static bool any_pool(const struct look *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (*l->row[i].pool)
			return true;
	return false;
}

static void print_rows(const struct look *l, size_t max)
{
	unsigned col;
	size_t i;

	out_printf("%10s", "CTID");
	for (col = 0; col < ARRAY_SIZE(columns); col++)
		out_printf(" %8s", columns[col].header);
	out_printf("%s NAME\n", any_pool(l) ? " POOL    " : "");
	for (i = 0; i < l->n && i < max; i++) {
		out_printf("%10" PRIu32, l->row[i].id);
		for (col = 0; col < ARRAY_SIZE(columns); col++)
			print_value(&columns[col], l->row[i].value[col]);
		if (any_pool(l))
			out_printf(" %-8s", *l->row[i].pool ? l->row[i].pool : "-");
		out_printf(" ");
		out_safe(*l->row[i].name ? l->row[i].name : "-");
		out_printf("\n");
	}
	out_flush();
}

/* Wait, or less when a key is pressed, which is returned; 0 when none was. */
static char wait_key(bool keys, int ms)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	char key = 0;

	if (poll(&p, keys ? 1 : 0, ms) == 1 && read(STDIN_FILENO, &key, 1) != 1)
		key = 'q';
	return key;
}

static void choose(char key, unsigned *sort)
{
	unsigned col;

	for (col = 0; col < ARRAY_SIZE(columns); col++)
		if (columns[col].key == key)
			*sort = col;
}

static size_t screen_rows(void)
{
	struct winsize w;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row > 3 ? w.ws_row - 2U : 22;
}

struct top {
	unsigned sort;
	int delay_ms;
	bool once, keys;
};

/* One interval. The look at its end is left in *was, in the order of ids, for the next. */
static int interval(struct cli *c, const struct top *t, struct look *was, struct err *e)
{
	unsigned sort = t->sort;
	struct look is, shown;
	int r = look(c, &is, e);

	if (r >= 0) {
		shown = (struct look){ xcalloc(is.n ? is.n : 1, sizeof(*is.row)), is.n };
		memcpy(shown.row, is.row, is.n * sizeof(*is.row));
		compare(was, &shown);
		qsort_r(shown.row, shown.n, sizeof(*shown.row), by_column, &sort);
		if (!t->once)
			out_printf("\033[H\033[J");
		print_rows(&shown, t->once ? SIZE_MAX : screen_rows());
		free(shown.row);
	}
	free(was->row);
	*was = is;
	return r;
}

/* q and ^C end it; other letters sort. */
static int watch(struct cli *c, struct top *t, struct err *e)
{
	struct look was;
	char key = 0;
	int r = look(c, &was, e);

	while (r >= 0 && key != 'q' && key != 3) {
		key = wait_key(t->keys, t->delay_ms);
		choose(key, &t->sort);
		r = interval(c, t, &was, e);
		if (t->once)
			break;
	}
	free(was.row);
	return r;
}

static int find_column(const char *name, unsigned *ret, struct err *e)
{
	unsigned col;

	for (col = 0; name && col < ARRAY_SIZE(columns); col++)
		if (str_eq(name, columns[col].name)) {
			*ret = col;
			return 0;
		}
	if (!name)
		return 0;
	return err_set(e, EINVAL, VZ_BAD_VALUE,
		       "--sort: \"%.40s\" is none of cpu, throttled, memory, limit, processes, "
		       "read, write, received, sent", name);
}

int cmd_top(struct cli *c, const struct args *a, struct err *e)
{
	struct top t = { .once = a->once || !isatty(STDOUT_FILENO) };
	struct termios old, raw;
	uint64_t delay = 1000;
	int r = find_column(a->sort, &t.sort, e);

	if (r >= 0 && a->delay && parse_duration(a->delay, 100, 3600000, &delay) < 0)
		r = err_set(e, EINVAL, VZ_BAD_VALUE,
			    "--delay: \"%.40s\" is not a time from 100ms to 1h", a->delay);
	if (r < 0)
		return r;
	t.delay_ms = (int)delay;
	t.keys = !t.once && tcgetattr(STDIN_FILENO, &old) == 0;
	if (t.keys) {
		raw = old;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	r = watch(c, &t, e);
	if (t.keys)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &old);
	return r;
}
