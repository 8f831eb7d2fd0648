/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/expiry.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/cleanup.h"
#include "util/str.h"
#include "ve/archive.h"
#include "ve/events.h"
#include "ve/ve.h"

void expiry_today(char dst[11])
{
	time_t now = time(NULL);
	struct tm tm;

	/* Without a clock nothing expires. */
	if (!localtime_r(&now, &tm) || !strftime(dst, 11, "%Y-%m-%d", &tm))
		(void)str_fmt(dst, 11, "%s", "0000-01-01");
}

bool expiry_over(const struct ve_conf *conf, const char *today)
{
	return *conf->expires && strcmp(conf->expires, today) < 0;
}

/* An archive that cannot be made leaves it stopped. */
static int act(struct inst *in, const struct ve_status *s, const char *today, struct err *e)
{
	static const struct stop_opts orderly = { .fast = false };
	static const struct send_opts quiet = { .progress = NULL };
	char name[ARCHIVE_NAME_LEN];
	int r = s->running ? ve_stop(in, s->id, &orderly, e) : 0;

	return r < 0 || !str_eq(s->conf.expire_action, "archive") ? r :
	       ve_archive(in, s->id, &quiet, today, name, e);
}

int ve_expire(struct inst *in, uint32_t id, bool dry_run, const char **ret_done, struct err *e)
{
	_free_ struct ve_status *s = calloc(1, sizeof(*s));
	char today[11];
	bool stop, archive;
	int r;

	if (!s)
		return err_set(e, ENOMEM, 0, "expire %u: out of memory", id);
	*ret_done = "";
	expiry_today(today);
	r = ve_status(in, id, 0, s, e);
	if (r < 0 || !s->exists || !expiry_over(&s->conf, today))
		return r;
	stop = str_eq(s->conf.expire_action, "stop");
	archive = str_eq(s->conf.expire_action, "archive");
	if (stop && !s->running)
		return 0;
	if ((stop || archive) && !dry_run)
		r = act(in, s, today, e);
	if (r >= 0 && !dry_run)
		events_add(in, id, "expired");
	if (r >= 0)
		*ret_done = archive ? "archived" : stop ? "stopped" : "warned";
	return r;
}
