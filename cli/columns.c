/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/columns.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/xalloc.h"
#include "util/parse.h"
#include "util/str.h"
#include "ve/apply.h"
#include "ve/netdev.h"
#include "ve/ptypes.h"

#define PAGE 4096       /* vzctl's page, whatever the machine's */

static void set_num(struct cell *c, uint64_t v)
{
	if (v == UINT64_MAX)
		return;
	c->type = CELL_NUM;
	c->num = v;
}

static void set_text(struct cell *c, const char *text)
{
	c->type = CELL_TEXT;
	c->text = xstrdup(text);
}

#define GETTER(name) \
	static void name(const struct view *v, const struct column *col, char variant, \
			 struct cell *ret)
#define UNUSED ((void)v, (void)col, (void)variant)

GETTER(get_none)
{
	UNUSED;
	(void)ret;
}

/* A VE as the functions of the parameter table want it; nothing is locked or opened. */
static void view_ve(const struct view *v, struct ve *ret)
{
	*ret = (struct ve){ .in = v->in, .id = v->s->id, .conf = v->s->conf,
			    .state = v->s->state, .lock = -1, .pidfd = -1 };
	ve_place(&v->s->state, v->s->id, ret->cg);
}

/* The disk has columns of its own. */
static bool has_effective(const struct param *p)
{
	return p && p->type->number && p->type != &ptype_disk &&
	       (p->effective || p->effective_vm || p->cg.v1.file || p->cg.v2.file);
}

GETTER(get_param)
{
	const struct param *p = param_by_key(col->key);
	uint64_t now;
	struct ve ve;

	UNUSED;
	cell_param(p, &v->s->conf, ret);
	if (!v->s->running || !has_effective(p))
		return;
	view_ve(v, &ve);
	if (!param_obeyed(&ve, p, &now))
		cell_instead(p, now, ret);
}

/* As vzlist: the plain number, never with a suffix. */
GETTER(get_plain)
{
	get_param(v, col, variant, ret);
	if (ret->type == CELL_NUM) {
		free(ret->text);
		ret->text = NULL;
	}
	if (ret->instead && ret->effective != U64_UNLIMITED) {
		char text[24];

		(void)str_fmt(text, sizeof(text), "%" PRIu64, ret->effective);
		free(ret->instead);
		ret->instead = xstrdup(text);
	}
}

GETTER(get_ctid)
{
	UNUSED;
	set_num(ret, v->s->id);
}

GETTER(get_status)
{
	UNUSED;
	set_text(ret, state_word(&v->s->state));
}

GETTER(get_smart_name)
{
	char id[12];

	get_param(v, col, variant, ret);
	if (ret->type != CELL_NONE)
		return;
	(void)str_fmt(id, sizeof(id), "%u", v->s->id);
	set_text(ret, id);
}

GETTER(get_uptime)
{
	UNUSED;
	if (!v->s->running || v->now < v->s->state.started)
		return;
	ret->type = CELL_SECONDS;
	ret->num = v->now - v->s->state.started;
}

GETTER(get_pid)
{
	UNUSED;
	if (v->s->running)
		set_num(ret, (uint64_t)v->s->state.pid);
}

GETTER(get_private)
{
	char path[PATH_MAX + 64];

	UNUSED;
	if (str_fmt(path, sizeof(path), "%s/var/lib/berth/%s/%u", v->in->root, col->name,
		    v->s->id) > 0)
		set_text(ret, path);
}

GETTER(get_disabled)
{
	get_param(v, col, variant, ret);
	ret->type = CELL_BOOL;
}

/* vzctl's word for a config that has one limit of memory, not twenty. */
GETTER(get_vswap)
{
	UNUSED;
	ret->type = CELL_BOOL;
	ret->num = conf_has(&v->s->conf, param_by_key("PHYSPAGES"));
}

GETTER(get_kind)
{
	UNUSED;
	set_text(ret, str_eq(v->s->conf.kind, "vm") ? "VM" : "CT");
}

GETTER(get_ram_used)
{
	UNUSED;
	if (v->s->running)
		set_num(ret, v->s->stat.mem_current);
}

/* As vzlist: of a running VE what is enforced, else what is configured. */
static bool limit_now(const struct view *v, const struct param *p, uint64_t *ret)
{
	struct ve ve;

	if (v->s->running && has_effective(p)) {
		view_ve(v, &ve);
		return param_effective(&ve, p, ret) == 0;
	}
	return conf_has(&v->s->conf, p) && param_number(p, &v->s->conf, ret);
}

/* The limit of a beancounter: the parameter behind it, in units of `unit`. */
static void ubc_limit(const struct view *v, const struct column *col, uint64_t unit,
		      struct cell *ret)
{
	const struct param *p = param_by_key(col->key);
	uint64_t n;

	set_num(ret, U64_UNLIMITED);
	if (p && limit_now(v, p, &n) && n < U64_UNLIMITED)
		ret->num = n / unit;
}

/* A counter that exists here: use now, and the limit. What was never counted is 0. */
static void ubc(const struct view *v, const struct column *col, char variant, uint64_t held,
		uint64_t unit, struct cell *ret)
{
	if (variant == 'l' || variant == 'b')
		ubc_limit(v, col, unit, ret);
	else if (v->s->running && variant == 'f')
		set_num(ret, 0);
	else if (v->s->running && held != UINT64_MAX)
		set_num(ret, held / unit);
}

GETTER(get_numproc)
{
	char id[12];
	bool held = v->s->running && variant != 'l' && variant != 'b';

	(void)str_fmt(id, sizeof(id), "%u", v->s->id);
	/* One small file instead of the whole accounting: the default columns ask for this. */
	ubc(v, col, variant, held ? cg_count(&v->in->cg, id) : 0, 1, ret);
}

GETTER(get_physpages)
{
	ubc(v, col, variant, v->s->stat.mem_current, PAGE, ret);
}

GETTER(get_swappages)
{
	ubc(v, col, variant, v->s->stat.swap_current, PAGE, ret);
}

/* What one process or user has at most, or the VE as a whole: whatever the limit is on. */
GETTER(get_beancounter)
{
	const struct param *p = param_by_key(col->key);
	uint64_t held = UINT64_MAX;
	struct ve ve;

	view_ve(v, &ve);
	if (v->s->running && p && p->used && variant != 'l' && variant != 'b' &&
	    p->used(&ve, p, &held) < 0)
		held = UINT64_MAX;
	ubc(v, col, variant, held, p && p->file_unit ? p->file_unit : 1, ret);
}

/* A counter that no kernel keeps any more: nothing held, and the stored "barrier:limit". */
GETTER(get_stored)
{
	const struct param *p = param_by_key(col->key);
	char text[64], *colon;

	if (variant != 'l' && variant != 'b') {
		if (v->s->running)
			set_num(ret, 0);
		return;
	}
	if (!p || !conf_has(&v->s->conf, p) ||
	    param_format(p, &v->s->conf, true, text, sizeof(text)) < 0)
		return;
	colon = strchr(text, ':');
	if (colon)
		*colon++ = '\0';
	set_num(ret, U64_UNLIMITED);
	(void)parse_u64(variant == 'l' && colon ? colon : text, 0, U64_UNLIMITED, &ret->num);
}

GETTER(get_disk)
{
	bool space = str_eq(col->name, "diskspace");

	if (variant)
		ubc_limit(v, col, space ? 1024 : 1, ret);
	else if (v->s->running)
		set_num(ret, space ? v->s->disk.used / 1024 : v->s->disk.inodes_used);
	if (variant && ret->num == U64_UNLIMITED)
		ret->type = CELL_NONE;
}

/* Of many VEs none has one. */
GETTER(get_unfiltered)
{
	struct ve *ve = xcalloc(1, sizeof(*ve));
	char text[256];

	(void)col;
	(void)variant;
	view_ve(v, ve);
	netdev_names(ve, text, sizeof(text));
	if (*text)
		set_text(ret, text);
	free(ve);
}

#define UBC(name, header, key, needs, get) { name, NULL, header, 10, needs, "mblf", key, get }
#define STORED(name, header, key) UBC(name, header, key, 0, get_stored)

/* clang-format off */
static const struct column table[] = {
	{ "ctid", "veid vpsid id", "CTID", 10, 0, NULL, NULL, get_ctid },
	{ "uuid", NULL, "UUID", -36, 0, NULL, NULL, get_none },
	{ "name", NULL, "NAME", -32, 0, NULL, "NAME", get_param },
	{ "smart_name", NULL, "SMARTNAME", -32, 0, NULL, "NAME", get_smart_name },
	{ "hostname", NULL, "HOSTNAME", -32, 0, NULL, "HOSTNAME", get_param },
	{ "ip", "ip_addr", "IP_ADDR", -15, 0, NULL, "IP_ADDRESS", get_param },
	{ "status", NULL, "STATUS", -9, 0, NULL, NULL, get_status },
	{ "ostemplate", NULL, "OSTEMPLATE", -24, 0, NULL, "OSTEMPLATE", get_param },
	{ "description", NULL, "DESCRIPTION", -32, 0, NULL, "DESCRIPTION", get_param },
	{ "private", NULL, "PRIVATE", -32, 0, NULL, NULL, get_private },
	{ "root", NULL, "ROOT", -32, 0, NULL, NULL, get_private },
	{ "origin_sample", NULL, "ORIGIN_SAMPLE", -32, 0, NULL, "ORIGIN_SAMPLE", get_param },
	{ "laverage", NULL, "LAVERAGE", -14, 0, NULL, NULL, get_none },
	{ "uptime", NULL, "UPTIME", -15, 0, NULL, NULL, get_uptime },
	{ "pid", NULL, "PID", 7, 0, NULL, NULL, get_pid },
	{ "onboot", NULL, "ONBOOT", -6, 0, NULL, "ONBOOT", get_param },
	{ "bootorder", NULL, "BOOTORDER", 10, 0, NULL, "BOOTORDER", get_plain },
	{ "disabled", NULL, "DISABL", -6, 0, NULL, "DISABLED", get_disabled },
	{ "ram_used", NULL, "RAM_USED", 12, STATUS_STAT, NULL, NULL, get_ram_used },
	UBC("numproc", "NPROC", "NUMPROC", 0, get_numproc),
	UBC("physpages", "PHYSP", "PHYSPAGES", STATUS_STAT, get_physpages),
	UBC("swappages", "SWAPP", "SWAPPAGES", STATUS_STAT, get_swappages),
	STORED("kmemsize", "KMEMSIZE", "KMEMSIZE"),
	UBC("lockedpages", "LOCKEDP", "LOCKEDPAGES", 0, get_beancounter),
	STORED("privvmpages", "PRIVVMP", "PRIVVMPAGES"),
	UBC("shmpages", "SHMP", "SHMPAGES", 0, get_beancounter),
	STORED("vmguarpages", "VMGUARP", "VMGUARPAGES"),
	STORED("oomguarpages", "OOMGUARP", "OOMGUARPAGES"),
	STORED("numtcpsock", "NTCPSOCK", "NUMTCPSOCK"),
	STORED("numflock", "NFLOCK", "NUMFLOCK"),
	UBC("numpty", "NPTY", "NUMPTY", 0, get_beancounter),
	UBC("numsiginfo", "NSIGINFO", "NUMSIGINFO", 0, get_beancounter),
	STORED("tcpsndbuf", "TCPSNDB", "TCPSNDBUF"),
	STORED("tcprcvbuf", "TCPRCVB", "TCPRCVBUF"),
	STORED("othersockbuf", "OTHSOCKB", "OTHERSOCKBUF"),
	STORED("dgramrcvbuf", "DGRAMRB", "DGRAMRCVBUF"),
	STORED("numothersock", "NOTHSOCK", "NUMOTHERSOCK"),
	STORED("dcachesize", "DCACHESZ", "DCACHESIZE"),
	UBC("numfile", "NFILE", "NUMFILE", 0, get_beancounter),
	STORED("numiptent", "NIPTENT", "NUMIPTENT"),
	{ "diskspace", NULL, "DSPACE", 10, STATUS_DISK, "sh", "DISKSPACE", get_disk },
	{ "diskinodes", NULL, "DINODES", 10, STATUS_DISK, "sh", "DISKINODES", get_disk },
	{ "cpulimit", NULL, "CPULIM", 7, 0, NULL, "CPULIMIT", get_plain },
	{ "cpuunits", NULL, "CPUUNI", 7, 0, NULL, "CPUUNITS", get_plain },
	{ "cpus", NULL, "CPUS", 5, 0, NULL, "CPUS", get_plain },
	{ "cpumask", NULL, "CPUMASK", -10, 0, NULL, "CPUMASK", get_param },
	{ "nodemask", NULL, "NODEMASK", -10, 0, NULL, "NODEMASK", get_param },
	{ "ioprio", NULL, "IOP", 3, 0, NULL, "IOPRIO", get_plain },
	{ "iolimit", NULL, "IOLIMIT", 11, 0, NULL, "IOLIMIT", get_plain },
	{ "iopslimit", NULL, "IOPS", 7, 0, NULL, "IOPSLIMIT", get_plain },
	{ "vm_overcommit", NULL, "VM_OVC", 6, 0, NULL, "VM_OVERCOMMIT", get_param },
	{ "vswap", NULL, "VSWAP", -5, 0, NULL, NULL, get_vswap },
	{ "type", NULL, "T", -2, 0, NULL, NULL, get_kind },
	{ "nameserver", NULL, "NAMESERVER", -15, 0, NULL, "NAMESERVER", get_param },
	{ "searchdomain", NULL, "SEARCHDOMAIN", -15, 0, NULL, "SEARCHDOMAIN", get_param },
	{ "ram", NULL, "RAM", 8, 0, NULL, "PHYSPAGES", get_param },
	{ "swap", NULL, "SWAP", 8, 0, NULL, "SWAPPAGES", get_param },
	{ "unfiltered", NULL, "UNFILTERED", -24, 0, NULL, NULL, get_unfiltered },
};
/* clang-format on */

static bool shown(const struct param *p)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if ((table[i].key && str_eq(table[i].key, p->key)) || str_eq(table[i].name, p->json))
			return true;
	return false;
}

void columns_make(struct column **ret, size_t *ret_n)
{
	struct column *cols = xcalloc(ARRAY_SIZE(table) + n_params, sizeof(*cols));
	size_t i, n = ARRAY_SIZE(table);

	memcpy(cols, table, sizeof(table));
	for (i = 0; i < n_params; i++) {
		const struct param *p = &params[i];

		if (!p->json || !param_is_of(p, false) || shown(p))
			continue;
		cols[n++] = (struct column){ .name = p->json, .header = p->key,
					     .width = -(int)strlen(p->key), .key = p->key,
					     .get = get_param };
	}
	*ret = cols;
	*ret_n = n;
}

static bool is_alias(const struct column *col, const char *name)
{
	const char *list = col->alias;
	char word[32];

	while (list && str_word(&list, word, sizeof(word)) > 0)
		if (str_eq(word, name))
			return true;
	return false;
}

const struct column *column_find(const struct column *cols, size_t n, const char *name,
				 char *ret_variant)
{
	char base[64];
	const char *dot = strchr(name, '.');
	size_t i;

	if (str_fmt(base, sizeof(base), "%.*s", dot ? (int)(dot - name) : (int)strlen(name), name) < 0)
		return NULL;
	for (i = 0; i < n; i++) {
		if (!str_eq(cols[i].name, base) && !is_alias(&cols[i], base))
			continue;
		*ret_variant = '\0';
		if (!dot)
			return &cols[i];
		if (!cols[i].variants || !dot[1] || dot[2] || !strchr(cols[i].variants, dot[1]))
			return NULL;
		*ret_variant = dot[1];
		return &cols[i];
	}
	return NULL;
}

const char *column_member(const struct column *col, char variant)
{
	bool disk = col->variants && col->variants[0] == 's';

	switch (variant) {
	case 'm':
		return "maxheld";
	case 'b':
		return "barrier";
	case 'l':
		return "limit";
	case 'f':
		return "failcnt";
	case 's':
		return "softlimit";
	case 'h':
		return "hardlimit";
	default:
		return disk ? "usage" : "held";
	}
}
