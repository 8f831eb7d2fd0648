/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Debug trace for --verbose. A log is a value that the caller owns and passes down; library
 * code never prints elsewhere.
 */
#pragma once

#include "util/err.h"

struct log {
	int fd;                 /* where lines go; -1: nowhere */
	int level;              /* 0 quiet, 1 normal, 2 debug */
};

/* One line at debug level: "berth: text". */
void log_debug(const struct log *log, const char *fmt, ...) PRINTF(2, 3);

/* One warning line at normal level. */
void log_warn(const struct log *log, const char *fmt, ...) PRINTF(2, 3);
