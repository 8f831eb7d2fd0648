/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VEs that are paid for until a day (EXPIRES="2027-01-31"): through that day, by the host's
 * clock and time zone. What happens afterwards is EXPIRE_ACTION; nothing happens by itself,
 * `berth expire` is run once a day, by the timer unit or by cron.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

struct inst;
struct ve_conf;

/* Today as a date, for comparing with strcmp(3). */
void expiry_today(char dst[11]);
bool expiry_over(const struct ve_conf *conf, const char *today);

/*
 * Do to an expired VE what its config says: stop it, stop and archive it (ve/archive.h), or
 * nothing (warn). *ret_done is what was done, "warned", "stopped", "archived", or "" when it is
 * not expired or is down already.
 */
MUST_CHECK int ve_expire(struct inst *in, uint32_t id, bool dry_run, const char **ret_done,
			 struct err *e);
