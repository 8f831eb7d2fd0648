/* SPDX-License-Identifier: GPL-2.0-or-later */
/* traffic: what VEs have received and sent in a month, by the ledger. */
#include "cli/cli.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "cli/out.h"
#include "cli/xalloc.h"
#include "netns/account.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/links.h"
#include "ve/quota.h"
#include "ve/registry.h"
#include "ve/traffic.h"

struct span {
	char month[8], first[11], last[11];
};

static int take_month(const char *text, struct span *ret, struct err *e)
{
	char today[11];

	traffic_day_of(time(NULL), today);
	if (!text)
		(void)str_fmt(ret->month, sizeof(ret->month), "%.7s", today);
	else if (strlen(text) != 7 || strspn(text, "0123456789") != 4 || text[4] != '-' ||
		 !isdigit((unsigned char)text[5]) || !isdigit((unsigned char)text[6]) ||
		 strcmp(text + 5, "01") < 0 || strcmp(text + 5, "12") > 0)
		return err_set(e, EINVAL, VZ_BAD_VALUE,
			       "--month: bad value \"%.40s\": want a month such as 2026-11", text);
	else
		(void)str_fmt(ret->month, sizeof(ret->month), "%s", text);
	(void)str_fmt(ret->first, sizeof(ret->first), "%s-01", ret->month);
	(void)str_fmt(ret->last, sizeof(ret->last), "%s-31", ret->month);
	return 0;
}

static uint64_t bytes(const struct traffic *t, enum acct_way way)
{
	return t->n[way][ACCT_V4].bytes + t->n[way][ACCT_V6].bytes;
}

static void way_json(struct json_out *j, const struct traffic *t, enum acct_way way)
{
	static const char *const families[] = { "ipv4", "ipv6" };

	json_key(j, way == ACCT_IN ? "in" : "out");
	json_object(j);
	json_ku64(j, "bytes", bytes(t, way));
	json_ku64(j, "packets", t->n[way][ACCT_V4].packets + t->n[way][ACCT_V6].packets);
	for (unsigned f = 0; f < ACCT_FAMILIES; f++) {
		json_key(j, families[f]);
		json_object(j);
		json_ku64(j, "bytes", t->n[way][f].bytes);
		json_ku64(j, "packets", t->n[way][f].packets);
		json_end(j);
	}
	json_end(j);
}

/* An allowance there is: what of it is used, and until when it has to last. */
static void limit_json(struct json_out *j, const struct ve *ve, const struct quota *q)
{
	json_key(j, "limit");
	if (!ve->conf.traffic_limit) {
		json_null(j);
		return;
	}
	json_object(j);
	json_ku64(j, "bytes", ve->conf.traffic_limit);
	json_ku64(j, "used", q->used);
	json_kbool(j, "over", q->over);
	json_kstr(j, "since", q->since);
	json_kstr(j, "reset", q->until);
	json_kstr(j, "action", *ve->conf.traffic_action ? ve->conf.traffic_action : "notify");
	json_end(j);
}

static void one_json(struct json_out *j, const struct ve *ve, const struct quota *q,
		     const struct span *s, const struct traffic_report *rep)
{
	json_object(j);
	json_ku64(j, "ctid", ve->id);
	json_kstr(j, "month", s->month);
	limit_json(j, ve, q);
	way_json(j, &rep->sum, ACCT_IN);
	way_json(j, &rep->sum, ACCT_OUT);
	json_key(j, "days");
	json_array(j);
	for (size_t i = 0; i < rep->n_days; i++) {
		json_object(j);
		json_kstr(j, "day", rep->days[i].day);
		way_json(j, &rep->days[i].t, ACCT_IN);
		way_json(j, &rep->days[i].t, ACCT_OUT);
		json_end(j);
	}
	json_end(j);
	json_end(j);
}

static void one_text(const struct ve *ve, const struct quota *q, const struct span *s,
		     const struct traffic_report *rep)
{
	const struct traffic *t = &rep->sum;

	out_printf("%10u %s %15" PRIu64 " %15" PRIu64 " %15" PRIu64 " %15" PRIu64 " %15" PRIu64
		   " %15" PRIu64, ve->id, s->month, bytes(t, ACCT_IN), bytes(t, ACCT_OUT),
		   t->n[ACCT_IN][ACCT_V4].bytes, t->n[ACCT_OUT][ACCT_V4].bytes,
		   t->n[ACCT_IN][ACCT_V6].bytes, t->n[ACCT_OUT][ACCT_V6].bytes);
	if (ve->conf.traffic_limit)
		out_printf(" %15" PRIu64 " %15" PRIu64 "\n", q->used, ve->conf.traffic_limit);
	else
		out_printf(" %15" PRIu64 " %15s\n", q->used, "-");
}

static int show_ve(const struct ve *ve, const struct span *s, struct json_out *j, struct err *e)
{
	struct traffic_report rep;
	struct quota q;
	int r = quota_read(ve, &q, e);

	if (r >= 0)
		r = traffic_read(ve->in, ve->id, s->first, s->last, &rep, e);
	if (r < 0)
		return r;
	if (j)
		one_json(j, ve, &q, s, &rep);
	else
		one_text(ve, &q, s, &rep);
	traffic_free(&rep);
	return 0;
}

static int bring_up_to_date(struct cli *c, uint32_t id, struct err *e)
{
	int r = traffic_fold(&c->in, id, e);

	return r < 0 ? r : quota_enforce(&c->in, id, e);
}

/* One VE that is locked or whose config is bad keeps no other's ledger and allowance waiting. */
static int fold_all(struct cli *c, const struct args *a, struct err *e)
{
	for (size_t i = 0; i < a->n_ids; i++) {
		struct err one = ERR_INIT;

		/* The timer's minute is also that of an uplink that was down. */
		if (bring_up_to_date(c, a->ids[i], &one) >= 0 &&
		    links_answer(&c->in, a->ids[i], &one) >= 0)
			continue;
		if (e->eno)
			out_error(one.msg);
		else
			*e = one;
	}
	return -e->eno;
}

static int show(struct cli *c, uint32_t id, const struct span *s, struct json_out *j,
		struct err *e)
{
	struct ve *ve = xcalloc(1, sizeof(*ve));
	int r = bring_up_to_date(c, id, e);

	if (r >= 0)
		r = ve_open(ve, &c->in, id, NULL, e);
	if (r >= 0) {
		r = show_ve(ve, s, j, e);
		ve_close(ve);
	}
	free(ve);
	return r;
}

static int all_exist(struct cli *c, const struct args *a, struct err *e)
{
	for (size_t i = 0; i < a->n_ids; i++)
		if (!reg_exists(&c->in, a->ids[i]))
			return err_set(e, ENOENT, VZ_NO_CONF, "VE %u does not exist", a->ids[i]);
	return 0;
}

int cmd_traffic(struct cli *c, const struct args *a, struct err *e)
{
	struct json_out *j = NULL;
	struct span s;
	int r = take_month(a->month, &s, e);

	if (r >= 0)
		r = all_exist(c, a, e);
	if (r < 0)
		return r;
	if (a->fold)
		return fold_all(c, a, e);
	if (c->json)
		j = json_new(true);
	if (j)
		json_array(j);
	else
		out_printf("%10s %-7s %15s %15s %15s %15s %15s %15s %15s %15s\n", "CTID", "MONTH", "IN",
			   "OUT", "IN4", "OUT4", "IN6", "OUT6", "USED", "LIMIT");
	for (size_t i = 0; i < a->n_ids && r >= 0; i++)
		r = show(c, a->ids[i], &s, j, e);
	if (!j)
		return r;
	json_end(j);
	return out_result(j, r, e);
}
