/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * metrics: what VEs use, in the text format of OpenMetrics 1.0, for Prometheus. Printed once, or
 * put into a file for node_exporter's textfile collector, or told to whoever connects to a unix
 * socket. A row of the table is a family of metrics; OpenMetrics wants each family in one piece,
 * so the VEs are looked at first and told afterwards.
 */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/options.h"
#include "cli/out.h"
#include "cli/xalloc.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/registry.h"

enum type { GAUGE, COUNTER };

static const char *const type_word[] = { [GAUGE] = "gauge", [COUNTER] = "counter" };

/* off: of a uint64_t in struct ve_usage; per: what one of the unit is of it. */
static const struct family {
	const char *name, *unit, *help;
	enum type type;
	size_t off;
	uint64_t per;
} families[] = {
#define USE(field) offsetof(struct ve_usage, field)
	{ "cpu_usage", "seconds", "CPU time used", COUNTER, USE(cg.cpu_usec), 1000000 },
	{ "cpu_throttled", "seconds", "Time the CPU limit held it back", COUNTER,
	  USE(cg.throttled_usec), 1000000 },
	{ "cpu_throttled_periods", NULL, "Periods the CPU limit held it back in", COUNTER,
	  USE(cg.nr_throttled), 1 },
	{ "memory_used", "bytes", "Memory in use", GAUGE, USE(cg.mem_current), 1 },
	{ "memory_limit", "bytes", "Memory it may use", GAUGE, USE(cg.mem_max), 1 },
	{ "swap_used", "bytes", "Swap in use", GAUGE, USE(cg.swap_current), 1 },
	{ "oom_kills", NULL, "Processes killed for want of memory", COUNTER, USE(cg.oom_kills), 1 },
	{ "processes", NULL, "Processes and threads", GAUGE, USE(cg.pids_current), 1 },
	{ "processes_limit", NULL, "Processes and threads it may have", GAUGE, USE(cg.pids_max), 1 },
	{ "disk_read", "bytes", "Read from its disk", COUNTER, USE(cg.rbytes), 1 },
	{ "disk_written", "bytes", "Written to its disk", COUNTER, USE(cg.wbytes), 1 },
	{ "disk_reads", NULL, "Read operations", COUNTER, USE(cg.rios), 1 },
	{ "disk_writes", NULL, "Write operations", COUNTER, USE(cg.wios), 1 },
	{ "network_received", "bytes", "Received on all its links", COUNTER,
	  USE(net_all.rx_bytes), 1 },
	{ "network_sent", "bytes", "Sent on all its links", COUNTER,
	  USE(net_all.tx_bytes), 1 },
	{ "network_received_packets", NULL, "Packets received on all its links", COUNTER,
	  USE(net_all.rx_packets), 1 },
	{ "network_sent_packets", NULL, "Packets sent on all its links", COUNTER,
	  USE(net_all.tx_packets), 1 },
#undef USE
};

static const char *const pressures[CG_PRESSURES] = { "cpu", "memory", "io" };

struct sample {
	uint32_t id;
	char label[160];                /* {ctid="101",name="web"} */
	bool running;
	uint64_t started;
	struct ve_usage use;
};

struct samples {
	struct sample *s;
	size_t n;
};

/* Names and host names are words of letters, digits and . _ -, so nothing needs escaping. */
static void take(struct cli *c, const struct ve_status *st, struct sample *ret)
{
	ret->id = st->id;
	ret->running = st->running;
	ret->started = st->state.started;
	(void)str_fmt(ret->label, sizeof(ret->label), "ctid=\"%u\",name=\"%s\"", st->id,
		      *st->conf.name ? st->conf.name : st->conf.hostname);
	if (st->running)
		ve_read_usage(&c->in, st->id, &st->state, &ret->use);
}

static int look(struct cli *c, struct samples *ret, struct err *e)
{
	struct ve_status *st = xcalloc(1, sizeof(*st));
	_free_ uint32_t *ids = NULL;
	size_t i, n = 0;
	int r = reg_list(&c->in, &ids, &n, e);

	*ret = (struct samples){ xcalloc(n ? n : 1, sizeof(struct sample)), 0 };
	for (i = 0; i < n && r >= 0; i++) {
		r = ve_status(&c->in, ids[i], 0, st, e);
		if (r >= 0 && st->exists)
			take(c, st, &ret->s[ret->n++]);
	}
	free(st);
	return r;
}

static void head(FILE *f, const char *name, const char *unit, enum type type, const char *help)
{
	(void)fprintf(f, "# TYPE berth_ve_%s%s%s %s\n", name, unit ? "_" : "", unit ? unit : "",
		      type_word[type]);
	if (unit)
		(void)fprintf(f, "# UNIT berth_ve_%s_%s %s\n", name, unit, unit);
	(void)fprintf(f, "# HELP berth_ve_%s%s%s %s.\n", name, unit ? "_" : "", unit ? unit : "", help);
}

static void value(FILE *f, uint64_t v, uint64_t per)
{
	if (per == 1)
		(void)fprintf(f, "%" PRIu64 "\n", v);
	else
		(void)fprintf(f, "%" PRIu64 ".%06" PRIu64 "\n", v / per, v % per);
}

static void family(FILE *f, const struct family *m, const struct samples *all)
{
	size_t i;

	head(f, m->name, m->unit, m->type, m->help);
	for (i = 0; i < all->n; i++) {
		const struct sample *s = &all->s[i];
		uint64_t v;

		memcpy(&v, (const char *)&s->use + m->off, sizeof(v));
		/* No limit, and what this host cannot tell, have no sample. */
		if (!s->running || v >= INT64_MAX)
			continue;
		(void)fprintf(f, "berth_ve_%s%s%s%s{%s} ", m->name, m->unit ? "_" : "",
			      m->unit ? m->unit : "", m->type == COUNTER ? "_total" : "", s->label);
		value(f, v, m->per);
	}
}

static void states(FILE *f, const struct samples *all)
{
	size_t i;

	head(f, "running", NULL, GAUGE, "1 while it runs");
	for (i = 0; i < all->n; i++)
		(void)fprintf(f, "berth_ve_running{%s} %d\n", all->s[i].label, all->s[i].running);
	head(f, "start_time", "seconds", GAUGE, "When it was started, in seconds since 1970");
	for (i = 0; i < all->n; i++)
		if (all->s[i].running)
			(void)fprintf(f, "berth_ve_start_time_seconds{%s} %" PRIu64 "\n",
				      all->s[i].label, all->s[i].started);
}

static void stall(FILE *f, const struct sample *s, unsigned of, const char *kind, uint64_t usec)
{
	(void)fprintf(f, "berth_ve_pressure_seconds_total{%s,resource=\"%s\",tasks=\"%s\"} ", s->label,
		      pressures[of], kind);
	value(f, usec, 1000000);
}

static void stalls(FILE *f, const struct samples *all)
{
	size_t i;
	unsigned of;

	head(f, "pressure", "seconds", COUNTER, "Time in which some or all tasks waited for a resource");
	for (i = 0; i < all->n; i++)
		for (of = 0; of < CG_PRESSURES; of++) {
			const struct sample *s = &all->s[i];
			const struct cg_pressure *p = &s->use.pressure[of];

			if (!s->running || !s->use.has_pressure[of])
				continue;
			stall(f, s, of, "some", p->some.total_usec);
			if (p->has_full)
				stall(f, s, of, "full", p->full.total_usec);
		}
}

/* The whole text; the caller frees *ret. */
static int exposition(struct cli *c, char **ret, struct err *e)
{
	struct samples all;
	size_t i, len = 0;
	FILE *f;
	int r = look(c, &all, e);

	f = r >= 0 ? open_memstream(ret, &len) : NULL;
	if (r >= 0 && !f)
		r = err_sys(e, "metrics");
	if (r >= 0) {
		states(f, &all);
		for (i = 0; i < ARRAY_SIZE(families); i++)
			family(f, &families[i], &all);
		stalls(f, &all);
		(void)fprintf(f, "# EOF\n");
		if (fclose(f) != 0)
			r = err_sys(e, "metrics");
	}
	free(all.s);
	return r;
}

/*
 * Prometheus asks by HTTP, a person by socat: the answer is a whole response of HTTP/1.0, and
 * what was asked is read and ignored. A client that neither asks nor reads is dropped.
 */
static void answer(struct cli *c, int client)
{
	static const char header[] = "HTTP/1.0 200 OK\r\nConnection: close\r\nContent-Type: "
				     "application/openmetrics-text; version=1.0.0; charset=utf-8\r\n\r\n";
	const struct timeval patience = { .tv_sec = 2 };
	struct err ignored = ERR_INIT;
	_free_ char *text = NULL;
	char ask[4096];

	(void)setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	(void)setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (read(client, ask, sizeof(ask)) < 0 || exposition(c, &text, &ignored) < 0)
		return;
	if (fs_write_all(client, header, sizeof(header) - 1) == 0)
		(void)fs_write_all(client, text, strlen(text));
}

static int listen_at(const char *path, int *ret, struct err *e)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;

	if (str_fmt(sun.sun_path, sizeof(sun.sun_path), "%s", path) < 0)
		return err_set(e, ENAMETOOLONG, VZ_BAD_VALUE, "--socket %.60s...: path too long", path);
	/* What a killed one left; never a file that is none of ours. */
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		(void)unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 || chmod(path, 0660) < 0 ||
	    listen(fd, 16) < 0)
		return err_sys(e, "listen on %s", path);
	*ret = TAKE_FD(fd);
	return 0;
}

static int serve(struct cli *c, const char *path, struct err *e)
{
	_fd_ int fd = -1;
	int r = listen_at(path, &fd, e);

	while (r >= 0) {
		_fd_ int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

		if (client >= 0)
			answer(c, client);
		else if (errno != EINTR && errno != ECONNABORTED)
			r = err_sys(e, "listen on %s", path);
	}
	return r;
}

int cmd_metrics(struct cli *c, const struct args *a, struct err *e)
{
	_free_ char *text = NULL;
	int r;

	if (a->socket && a->output)
		return err_set(e, EINVAL, VZ_BAD_OPTION, "metrics: --output and --socket exclude each other");
	if (a->socket)
		return serve(c, a->socket, e);
	r = exposition(c, &text, e);
	if (r >= 0 && a->output)
		return fs_save_at(AT_FDCWD, a->output, text, 0644, e);
	if (r >= 0)
		out_printf("%s", text);
	return r;
}
