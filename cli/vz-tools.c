/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vzctl's small companions that look at processes, counters and configs. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/columns.h"
#include "cli/ids.h"
#include "cli/options.h"
#include "cli/out.h"
#include "cli/xalloc.h"
#include "templates/store.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/parse.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/conf.h"
#include "ve/registry.h"
#include "ve/whose.h"

#define TEXT_MAX (1 << 20)

/* ---- vzpid, vzps ---- */

static void comm_of(pid_t pid, char dst[32])
{
	struct err ignored = ERR_INIT;
	_free_ char *text = NULL;
	char path[40];
	size_t len;

	(void)str_fmt(path, sizeof(path), "/proc/%d/comm", (int)pid);
	(void)str_fmt(dst, 32, "-");
	if (fs_read_at(AT_FDCWD, path, 64, &text, &len, &ignored) == 0)
		(void)str_fmt(dst, 32, "%.*s", (int)strcspn(text, "\n"), text);
}

int cmd_vzpid(struct cli *c, const struct args *a, struct err *e)
{
	char comm[32];
	uint32_t pid, id;
	unsigned i;
	int r = 0;

	out_printf("Pid\tCTID\tName\n");
	for (i = 0; i < a->n_words; i++) {
		if (parse_u32(a->words[i], 1, INT32_MAX, &pid) < 0 ||
		    ve_of_pid(&c->in, (pid_t)pid, &id) < 0) {
			r = err_set(e, ESRCH, VZ_SET_UBC, "vzpid: there is no process %.40s", a->words[i]);
			continue;
		}
		comm_of((pid_t)pid, comm);
		out_printf("%u\t%u\t", pid, id);
		out_safe(comm);
		out_printf("\n");
	}
	return r;
}

static void ps_line(struct cli *c, uint32_t want, pid_t pid)
{
	char comm[32];
	uint32_t id;

	if (ve_of_pid(&c->in, pid, &id) < 0 || !id || (want && id != want))
		return;
	comm_of(pid, comm);
	out_printf("%10u %7d ", id, (int)pid);
	out_safe(comm);
	out_printf("\n");
}

int cmd_vzps(struct cli *c, const struct args *a, struct err *e)
{
	_dir_ DIR *d = opendir("/proc");
	struct dirent *entry;
	uint32_t want = 0, pid;
	int r = a->name ? reg_resolve(&c->in, a->name, &want, e) : 0;

	if (r < 0)
		return r;
	if (!d)
		return err_sys(e, "list processes");
	out_printf("      CTID     PID CMD\n");
	while ((entry = readdir(d)))
		if (parse_u32(entry->d_name, 1, INT32_MAX, &pid) == 0)
			ps_line(c, want, (pid_t)pid);
	return 0;
}

/* ---- vzubc ---- */

static uint64_t counter(const struct view *v, const struct column *col, char variant)
{
	struct cell cell = { .type = CELL_NONE };
	uint64_t n;

	col->get(v, col, variant, &cell);
	n = cell.type == CELL_NUM ? cell.num : variant == 'b' || variant == 'l' ? U64_UNLIMITED : 0;
	cell_done(&cell);
	return n;
}

/* The layout of /proc/user_beancounters, which is what monitoring knows. */
static void beancounters(const struct view *v, const struct column *cols, size_t n)
{
	bool first = true;
	size_t i;

	for (i = 0; i < n; i++) {
		char id[16] = "";

		if (!cols[i].variants || !str_eq(cols[i].variants, "mblf"))
			continue;
		if (first)
			(void)str_fmt(id, sizeof(id), "%u:", v->s->id);
		first = false;
		out_printf("%10s  %-15s %20" PRIu64 " %20" PRIu64 " %20" PRIu64 " %20" PRIu64 " %20" PRIu64 "\n",
			   id, cols[i].name, counter(v, &cols[i], '\0'), counter(v, &cols[i], 'm'),
			   counter(v, &cols[i], 'b'), counter(v, &cols[i], 'l'),
			   counter(v, &cols[i], 'f'));
	}
}

int cmd_vzubc(struct cli *c, const struct args *a, struct err *e)
{
	struct ve_status *s = xcalloc(1, sizeof(*s));
	struct view v = { &c->in, s, (uint64_t)time(NULL) };
	struct args ids = { 0 };
	struct column *cols;
	size_t i, n;
	int r = 0;

	columns_make(&cols, &n);
	for (i = 0; i < a->n_words && r >= 0; i++)
		r = ids_add(c, &ids, a->words[i], e);
	if (r >= 0 && !a->n_words)
		r = ids_add_all(c, &ids, e);
	if (r >= 0)
		out_printf("Version: 2.5\n%10s  %-15s %20s %20s %20s %20s %20s\n", "uid", "resource",
			   "held", "maxheld", "barrier", "limit", "failcnt");
	for (i = 0; i < ids.n_ids && r >= 0; i++) {
		r = ve_status(&c->in, ids.ids[i], STATUS_STAT, s, e);
		if (r >= 0 && (s->running || a->n_words))
			beancounters(&v, cols, n);
	}
	args_done(&ids);
	free(cols);
	free(s);
	return r;
}

/* ---- vzcfgvalidate, vztmpl-dl, and what needs nothing ---- */

/* Exit 2 is what its clients look for. -r and -i (repair) have nothing to repair. */
int cmd_vzcfgvalidate(struct cli *c, const struct args *a, struct err *e)
{
	_free_ struct ve_conf *conf = xcalloc(1, sizeof(*conf));
	_free_ char *text = NULL;
	size_t len;
	int r = fs_read_at(AT_FDCWD, a->words[0], TEXT_MAX, &text, &len, e);

	(void)c;
	if (r >= 0)
		r = conf_parse(text, len, a->words[0], conf, e);
	if (r < 0) {
		out_error(e->msg);
		err_clear(e);
		return 2;
	}
	out_printf("Validation completed: success\n");
	return 0;
}

int cmd_vztmpl_dl(struct cli *c, const struct args *a, struct err *e)
{
	_free_ struct template *t = NULL;
	struct store st = STORE_INIT;
	size_t i, n = 0;
	int r;

	if (!a->all)
		return err_set(e, EOPNOTSUPP, VZ_SYSTEM,
			       "vztmpl-dl: templates are made here: berth template build debian-12");
	r = store_open(c->in.lib, c->in.run, &st, e);
	if (r >= 0)
		r = store_list(&st, &t, &n, e);
	for (i = 0; i < n && r >= 0; i++)
		out_printf("%s\n", t[i].name);
	store_close(&st);
	return r;
}

/*
 * What others did in steps of their own and start and create have done: put a link into its
 * bridge, switch a quota on. Done, then, where there is such a VE.
 */
int cmd_nothing(struct cli *c, const struct args *a, struct err *e)
{
	if (a->n_ids && !reg_exists(&c->in, a->ids[0]))
		return err_set(e, ENOENT, VZ_NO_CONF, "VE %u does not exist", a->ids[0]);
	return 0;
}
