/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/quota.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "netns/account.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/apply.h"
#include "ve/events.h"
#include "ve/ptypes.h"
#include "ve/traffic.h"

static void mark_path(uint32_t id, char dst[64])
{
	(void)str_fmt(dst, 64, "traffic/%u.over", id);
}

/* The last reset day that has come, and the next; months have at least 28 days. */
static void period(unsigned reset_day, struct quota *ret)
{
	time_t now = time(NULL);
	struct tm tm;
	unsigned year, month;

	reset_day = reset_day ? reset_day : 1;
	(void)gmtime_r(&now, &tm);
	year = (unsigned)tm.tm_year + 1900;
	month = (unsigned)tm.tm_mon + 1;
	if ((unsigned)tm.tm_mday < reset_day) {
		year -= month == 1;
		month = month == 1 ? 12 : month - 1;
	}
	(void)str_fmt(ret->since, sizeof(ret->since), "%04u-%02u-%02u", year % 10000, month % 100,
		      reset_day % 100);
	year += month == 12;
	month = month == 12 ? 1 : month + 1;
	(void)str_fmt(ret->until, sizeof(ret->until), "%04u-%02u-%02u", year % 10000, month % 100,
		      reset_day % 100);
}

int quota_read(const struct ve *ve, struct quota *ret, struct err *e)
{
	struct traffic_report rep;
	struct quota q = { .used = 0 };
	int r;

	period((unsigned)ve->conf.traffic_reset_day, &q);
	r = traffic_read(ve->in, ve->id, q.since, "9999-12-31", &rep, e);
	if (r < 0)
		return r;
	for (unsigned way = 0; way < ACCT_WAYS; way++)
		for (unsigned f = 0; f < ACCT_FAMILIES; f++)
			q.used += rep.sum.n[way][f].bytes;
	q.over = ve->conf.traffic_limit && q.used >= ve->conf.traffic_limit;
	traffic_free(&rep);
	*ret = q;
	return 0;
}

static bool is_marked(const struct ve *ve)
{
	char path[64];

	mark_path(ve->id, path);
	return faccessat(ve->in->lib, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The mark is what makes an allowance count: a notice comes before the action. */
void quota_shape(const struct ve *ve, struct shape *s)
{
	static const char throttle[] = "throttle:";
	const char *action = ve->conf.traffic_action;
	struct err ignored = ERR_INIT;
	struct quota q;
	uint64_t rate;

	if (!ve->conf.traffic_limit || !is_marked(ve) || quota_read(ve, &q, &ignored) < 0 || !q.over)
		return;
	if (str_eq(action, "suspend"))
		s->closed = true;
	if (!str_starts(action, throttle) || rate_bits(action + strlen(throttle), &rate) < 0)
		return;
	s->in = s->in && s->in < rate ? s->in : rate;
	s->out = s->out && s->out < rate ? s->out : rate;
}

int quota_update(const struct ve *ve, struct err *e)
{
	bool marked = is_marked(ve);
	char path[64], text[16];
	struct quota q = { .over = false };
	int r = 0;

	if (!marked && !ve->conf.traffic_limit)
		return 0;
	mark_path(ve->id, path);
	if (ve->conf.traffic_limit)
		r = quota_read(ve, &q, e);
	if (r < 0 || q.over == marked)
		return r;
	(void)str_fmt(text, sizeof(text), "%s\n", q.until);
	if (q.over)
		r = fs_save_at(ve->in->lib, path, text, 0600, e);
	else
		fs_unlink_saved(ve->in->lib, path);
	if (r == 0)
		events_add(ve->in, ve->id, q.over ? "traffic-limit" : "traffic-reset");
	return r;
}

/* The mark may be of somebody who died, or failed, before the links had their rates. */
static int is_done(struct ve *ve, struct err *e)
{
	struct quota q = { .over = false };
	bool marked = is_marked(ve);
	int r = 0;

	if (ve->conf.traffic_limit)
		r = quota_read(ve, &q, e);
	if (r < 0 || q.over != marked)
		return r;
	if (!ve->conf.traffic_limit || ve->state.phase != PH_RUNNING)
		return 1;
	recall_netrate(ve);
	return netrate_obeyed(ve);
}

/* The lock only when there is something to do. */
int quota_enforce(struct inst *in, uint32_t id, struct err *e)
{
	struct ve ve;
	int r = ve_open(&ve, in, id, NULL, e);

	if (r < 0)
		return r;
	r = is_done(&ve, e);
	ve_close(&ve);
	if (r != 0)
		return r < 0 ? r : 0;
	r = ve_open(&ve, in, id, "traffic", e);
	if (r < 0)
		return r;
	recall_netrate(&ve);
	r = quota_update(&ve, e);
	if (r == 0 && ve.state.phase == PH_RUNNING)
		r = apply_netrate(&ve, NULL, e);
	ve_close(&ve);
	return r;
}

void quota_forget(const struct inst *in, uint32_t id)
{
	char path[64];

	mark_path(id, path);
	fs_unlink_saved(in->lib, path);
}
