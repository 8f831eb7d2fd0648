/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Moving a VE to another host. */
#pragma once

#include "ve/send.h"

struct migrate_opts {
	const char *host;
	const char *const *argv;        /* of ssh, up to `berth receive` there; argv[0] absolute */
	const char *const *env;
	bool keep;                      /* what was its disk stays here, not to be started */
	bool no_start;                  /* leave it stopped there although it ran here */
	bool dry_run;                   /* only ask the other host */
	struct send_opts send;          /* who is told of the progress */
};

/*
 * Stop it if it runs, send all of it, let go of it, and have it started there. At every moment
 * one of the two hosts at most can start it. Given again after it was cut short, it goes on.
 */
MUST_CHECK int ve_migrate(struct inst *in, uint32_t id, const struct migrate_opts *o,
			  struct err *e);
