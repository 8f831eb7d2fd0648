/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Order of a fold whose day is over: its line is appended and synced, then ID.json begins the
 * new day. A kill in between leaves the line twice; readers take the last of a day.
 */
#include "ve/traffic.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "netns/network.h"
#include "netns/space.h"
#include "util/cleanup.h"
#include "util/json.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "util/sys-lock.h"
#include "util/sys-proc.h"
#include "ve/fence.h"
#include "ve/netif.h"
#include "ve/ve.h"

#define LEDGER_MAX 16384
#define DAYS_MAX (1 << 20)              /* some twenty years */
#define INDEXES 16                      /* that a link may have */
#define NUMBERS (ACCT_WAYS * ACCT_FAMILIES * 2)

/* A link's counters at the last fold, and what its end was called; "": not counted. */
struct seen {
	char link[IFNAMSIZ];
	struct traffic t;
};

struct ledger {
	char boot[37];
	uint64_t table;                 /* which of that boot, see acct_generation */
	struct seen seen[INDEXES];
	struct traffic_day today;
};

/* A struct traffic as a row of numbers, in the order that files have them. */
static const char *const names[NUMBERS] = {
	"in4_bytes", "in4_packets", "in6_bytes", "in6_packets",
	"out4_bytes", "out4_packets", "out6_bytes", "out6_packets",
};

static uint64_t *number(struct traffic *t, unsigned i)
{
	return i % 2 ? &t->n[i / 4][i / 2 % 2].packets : &t->n[i / 4][i / 2 % 2].bytes;
}

void traffic_add(struct traffic *to, const struct traffic *t)
{
	struct traffic more = *t;

	for (unsigned i = 0; i < NUMBERS; i++)
		*number(to, i) += *number(&more, i);
}

void traffic_day_of(time_t t, char dst[11])
{
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(dst, 11, "%Y-%m-%d", &tm))
		(void)str_fmt(dst, 11, "1970-01-01");
}

static void path_of(uint32_t id, const char *suffix, char dst[64])
{
	(void)str_fmt(dst, 64, "traffic/%u.%s", id, suffix);
}

/* ---- ID.json ---- */

static void read_numbers(const struct json_val *v, struct traffic *ret)
{
	for (unsigned i = 0; i < NUMBERS; i++)
		*number(ret, i) = json_get_u64(v, names[i], 0);
}

/* A file that is not there or that a full disk spoilt is an empty ledger: the days stay. */
static int load(const struct inst *in, uint32_t id, struct ledger *ret, struct err *e)
{
	struct json_val *v = NULL;
	_free_ char *text = NULL;
	char path[64];
	size_t len;
	int r;

	*ret = (struct ledger){ .boot = "" };
	path_of(id, "json", path);
	r = fs_read_at(in->lib, path, LEDGER_MAX, &text, &len, e);
	if (!r)
		r = json_parse(text, len, path, &v, e);
	if (r == -ENOENT || r == -EINVAL) {
		err_clear(e);
		return 0;
	}
	if (r < 0)
		return r;
	(void)str_fmt(ret->boot, sizeof(ret->boot), "%s", json_get_str(v, "boot_id", ""));
	(void)str_fmt(ret->today.day, sizeof(ret->today.day), "%s", json_get_str(v, "day", ""));
	ret->table = json_get_u64(v, "table", 0);
	for (unsigned i = 0; i < INDEXES && i < json_len(json_get(v, "seen")); i++) {
		const struct json_val *one = json_at(json_get(v, "seen"), i);

		read_numbers(one, &ret->seen[i].t);
		(void)str_fmt(ret->seen[i].link, IFNAMSIZ, "%s", json_get_str(one, "link", ""));
	}
	read_numbers(json_get(v, "today"), &ret->today.t);
	json_val_free(v);
	return 0;
}

static void write_numbers(struct json_out *j, const struct traffic *t)
{
	struct traffic copy = *t;

	for (unsigned i = 0; i < NUMBERS; i++)
		json_ku64(j, names[i], *number(&copy, i));
}

static void write_seen(struct json_out *j, const struct ledger *l)
{
	unsigned n = INDEXES;

	while (n && !*l->seen[n - 1].link)
		n--;
	json_key(j, "seen");
	json_array(j);
	for (unsigned i = 0; i < n; i++) {
		json_object(j);
		json_kstr(j, "link", l->seen[i].link);
		write_numbers(j, &l->seen[i].t);
		json_end(j);
	}
	json_end(j);
}

static int save(const struct inst *in, uint32_t id, const struct ledger *l, struct err *e)
{
	struct json_out *j = json_new(false);
	const char *text;
	char path[64];
	int r;

	path_of(id, "json", path);
	json_object(j);
	json_ku64(j, "version", 1);
	json_kstr(j, "boot_id", l->boot);
	json_kstr(j, "day", l->today.day);
	json_key(j, "today");
	json_object(j);
	write_numbers(j, &l->today.t);
	json_end(j);
	json_ku64(j, "table", l->table);
	write_seen(j, l);
	json_end(j);
	r = json_finish(j, &text, e);
	if (!r)
		r = fs_save_at(in->lib, path, text, 0600, e);
	json_free(j);
	return r;
}

/* ---- ID.days ---- */

static int append_day(const struct inst *in, uint32_t id, const struct traffic_day *d,
		      struct err *e)
{
	struct traffic t = d->t;
	char path[64], line[256];
	_fd_ int fd = -1;
	int n, r;

	path_of(id, "days", path);
	n = str_fmt(line, sizeof(line), "\n%s", d->day);
	for (unsigned i = 0; i < NUMBERS; i++)
		n += str_fmt(line + n, sizeof(line) - (size_t)n, " %" PRIu64, *number(&t, i));
	line[n++] = '\n';               /* both ends: what a power cut tore stays apart */
	fd = openat(in->lib, path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "open %s", path);
	r = fs_write_all(fd, line, (size_t)n);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r < 0) {
		errno = -r;
		return err_sys(e, "write %s", path);
	}
	return 0;
}

static bool day_ok(const char *s)
{
	return strlen(s) == 10 && s[4] == '-' && s[7] == '-' &&
	       strspn(s, "0123456789-") == 10;
}

/* One line; false for a blank or torn one. */
static bool parse_day(const char *line, struct traffic_day *ret)
{
	struct traffic_day d;
	char word[24];

	if (str_word(&line, d.day, sizeof(d.day)) <= 0 || !day_ok(d.day))
		return false;
	for (unsigned i = 0; i < NUMBERS; i++)
		if (str_word(&line, word, sizeof(word)) <= 0 ||
		    parse_u64(word, 0, UINT64_MAX, number(&d.t, i)) < 0)
			return false;
	*ret = d;
	return true;
}

static int keep_day(struct traffic_report *r, const struct traffic_day *d)
{
	struct traffic_day *more;

	if (r->n_days && str_eq(r->days[r->n_days - 1].day, d->day)) {
		r->days[r->n_days - 1] = *d;
		return 0;
	}
	more = reallocarray(r->days, r->n_days + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	r->days = more;
	r->days[r->n_days++] = *d;
	return 0;
}

static int read_days(const struct inst *in, uint32_t id, const char *first, const char *last,
		     struct traffic_report *ret, struct err *e)
{
	_free_ char *text = NULL;
	struct traffic_day d;
	char path[64];
	int r;

	path_of(id, "days", path);
	r = fs_read_at(in->lib, path, DAYS_MAX, &text, NULL, e);
	if (r == -ENOENT) {
		err_clear(e);
		return 0;
	}
	for (char *s = text, *next; !r && s; s = next) {
		next = strchr(s, '\n');
		if (next)
			*next++ = '\0';
		if (parse_day(s, &d) && strcmp(d.day, first) >= 0 && strcmp(d.day, last) <= 0 &&
		    keep_day(ret, &d) < 0)
			r = err_set(e, ENOMEM, 0, "read %s: out of memory", path);
	}
	return r;
}

/* ---- folding ---- */

/* Since the last fold. Counters only grow; one that did not is not the one that was seen. */
static struct traffic since(const struct traffic *seen, const struct traffic *now)
{
	struct traffic old = *seen, new = *now;
	bool same = true;

	for (unsigned i = 0; i < NUMBERS; i++)
		same = same && *number(&new, i) >= *number(&old, i);
	for (unsigned i = 0; same && i < NUMBERS; i++)
		*number(&new, i) -= *number(&old, i);
	return new;
}

/* What the host's ends are called, by index, as usual or as NETIF says, and where they are. */
static int link_names(const struct inst *in, uint32_t id, char ends[INDEXES][IFNAMSIZ],
		      char fence[NETWORK_NAME_LEN])
{
	struct err ignored = ERR_INIT;
	struct netif_list l = { 0 };
	const char *want;
	struct ve ve;
	int r = ve_open(&ve, (struct inst *)in, id, NULL, &ignored);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < INDEXES; i++)
		net_host_name(ends[i], in->link_tag, id, i);
	memcpy(fence, fence_of(&ve), NETWORK_NAME_LEN);
	r = netif_parse(*ve.state.netif ? ve.state.netif : ve.conf.netif, &l, &want);
	for (unsigned i = 0; r == 0 && i < l.n; i++)
		if (*l.a[i].host_ifname && l.a[i].index < INDEXES)
			memcpy(ends[l.a[i].index], l.a[i].host_ifname, IFNAMSIZ);
	ve_close(&ve);
	return r;
}

static int count(const struct inst *in, const char *link, unsigned index, struct ledger *l,
		 struct err *e)
{
	struct seen *s = &l->seen[index];
	struct traffic now, more;
	int r = acct_read(in->name, link, &now, e);

	if (r < 0)
		return r;
	more = since(&s->t, &now);
	traffic_add(&l->today.t, &more);
	s->t = now;
	return 0;
}

/* One link; a link that is there and not counted, because the table was removed, is from now. */
static int take_link(const struct inst *in, const char *link, unsigned index, struct ledger *l,
		     struct err *e)
{
	int r = count(in, link, index, l, e);

	if (r == 0)
		memcpy(l->seen[index].link, link, IFNAMSIZ);
	if (r != -ENOENT)
		return r;
	err_clear(e);
	l->seen[index] = (struct seen){ .link = "" };
	if (net_read_counters(link, &(struct net_counters){ 0 }) < 0)
		return 0;
	return acct_add(in->name, link, net_is_port(link), e);
}

/*
 * What it counted by another name is added and then forgotten, for the name may be that of another
 * VE's link tomorrow. All of them before any link is taken: two may have exchanged their names.
 */
static int leave_link(const struct inst *in, const char *link, unsigned index, struct ledger *l,
		      struct err *e)
{
	struct seen *s = &l->seen[index];
	int r;

	if (!*s->link || str_eq(s->link, link))
		return 0;
	r = count(in, s->link, index, l, e);
	if (r < 0 && r != -ENOENT)
		return r;
	err_clear(e);
	acct_forget(in->name, s->link);
	*s = (struct seen){ .link = "" };
	return 0;
}

/* Of each namespace the kernel numbers the tables from 1. */
static int generation(const struct inst *in, const char *fence, uint64_t *ret, struct err *e)
{
	int r = acct_generation(in->name, ret, e);

	if (r == 0 && *fence)
		*ret ^= space_cookie() << 32;
	return r;
}

static int take(const struct inst *in, uint32_t id, struct ledger *l, bool *ret_changed,
		struct err *e)
{
	_space_home_ struct space_home home = SPACE_HOME_INIT;
	char ends[INDEXES][IFNAMSIZ], fence[NETWORK_NAME_LEN];
	struct ledger before = *l;
	uint64_t table = 0;
	int r;

	if (link_names(in, id, ends, fence) < 0)
		return 0;               /* nobody knows what to count, until its config is mended */
	r = fence_enter(in, fence, &home, e);
	if (r == -ENOENT) {             /* no namespace: nothing more to count than there was */
		err_clear(e);
		return 0;
	}
	if (r < 0)
		return r;
	r = generation(in, fence, &table, e);
	if (r == -ENOENT) {
		err_clear(e);
		r = 0;
	}
	if (!str_eq(l->boot, in->boot_id) || l->table != table)
		memset(l->seen, 0, sizeof(l->seen));
	memcpy(l->boot, in->boot_id, sizeof(l->boot));
	l->table = table;
	for (unsigned i = 0; r == 0 && i < INDEXES; i++)
		r = leave_link(in, ends[i], i, l, e);
	for (unsigned i = 0; r == 0 && i < INDEXES; i++)
		r = take_link(in, ends[i], i, l, e);
	*ret_changed |= memcmp(&before.today.t, &l->today.t, sizeof(before.today.t)) != 0 ||
			memcmp(before.seen, l->seen, sizeof(before.seen)) != 0;
	return r;
}

static int fold(const struct inst *in, uint32_t id, struct ledger *l, struct err *e)
{
	bool changed = false;
	char today[11];
	int r = load(in, id, l, e);

	traffic_day_of(time(NULL), today);
	if (!r && *l->today.day && !str_eq(l->today.day, today)) {
		r = append_day(in, id, &l->today, e);
		l->today.t = (struct traffic){ 0 };
		changed = true;
	}
	memcpy(l->today.day, today, sizeof(today));
	if (!r)
		r = take(in, id, l, &changed, e);
	return r < 0 || !changed ? r : save(in, id, l, e);
}

/* Not the VE's lock: a look at the bill does not wait for a backup. */
static int lock(const struct inst *in, uint32_t id, int *ret, struct err *e)
{
	char path[64];

	(void)str_fmt(path, sizeof(path), "lock/%u.traffic", id);
	return flock_path(in->run, path, "its ledger", FLOCK_BRIEF_MS, ret, e);
}

static int fold_locked(const struct inst *in, uint32_t id, struct ledger *ret, struct err *e)
{
	_fd_ int guard = -1;
	int r = lock(in, id, &guard, e);

	if (!r)
		r = fold(in, id, ret, e);
	return r < 0 ? err_wrap(e, "traffic of VE %u", id) : 0;
}

int traffic_fold(const struct inst *in, uint32_t id, struct err *e)
{
	struct ledger l;

	return fold_locked(in, id, &l, e);
}

int traffic_read(const struct inst *in, uint32_t id, const char *first, const char *last,
		 struct traffic_report *ret, struct err *e)
{
	struct traffic_report rep = { 0 };
	struct ledger l;
	int r = fold_locked(in, id, &l, e);

	if (!r)
		r = read_days(in, id, first, last, &rep, e);
	if (!r && strcmp(l.today.day, first) >= 0 && strcmp(l.today.day, last) <= 0 &&
	    keep_day(&rep, &l.today) < 0)
		r = err_set(e, ENOMEM, 0, "traffic of VE %u: out of memory", id);
	if (r < 0) {
		traffic_free(&rep);
		return r;
	}
	for (size_t i = 0; i < rep.n_days; i++)
		traffic_add(&rep.sum, &rep.days[i].t);
	*ret = rep;
	return 0;
}

void traffic_free(struct traffic_report *r)
{
	free(r->days);
	*r = (struct traffic_report){ 0 };
}

static void forget_links(const struct inst *in, uint32_t id)
{
	_space_home_ struct space_home home = SPACE_HOME_INIT;
	char ends[INDEXES][IFNAMSIZ], fence[NETWORK_NAME_LEN];
	struct err ignored = ERR_INIT;
	struct traffic t;

	if (link_names(in, id, ends, fence) < 0 || fence_enter(in, fence, &home, &ignored) < 0)
		return;
	for (unsigned i = 0; i < INDEXES; i++)
		if (acct_read(in->name, ends[i], &t, &ignored) == 0)
			acct_forget(in->name, ends[i]);
}

/* Once the first file has its new name this is done, or nearly: what goes then is not this VE's. */
static void retire_files(const struct inst *in, uint32_t id)
{
	static const char *const suffixes[] = { "json", "days" };
	char from[64], to[80];
	bool begun = true;

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		path_of(id, suffixes[i], from);
		(void)str_fmt(to, sizeof(to), "%s.destroyed", from);
		if (renameat(in->lib, from, in->lib, to) == 0)
			continue;
		if (i && begun)
			(void)unlinkat(in->lib, to, 0); /* of an earlier VE of this number */
		begun = false;
	}
}

void traffic_retire(const struct inst *in, uint32_t id)
{
	struct err ignored = ERR_INIT;
	char path[64];

	(void)!traffic_fold(in, id, &ignored);
	forget_links(in, id);
	retire_files(in, id);
	(void)str_fmt(path, sizeof(path), "lock/%u.traffic", id);
	(void)unlinkat(in->run, path, 0);
}
