/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/log.h"

#include <stdarg.h>
#include <stdio.h>

static PRINTF(2, 0) void line(const struct log *log, const char *fmt, va_list ap)
{
	char text[1024];

	if (log->fd < 0)
		return;
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	(void)dprintf(log->fd, "berth: %s\n", text);
}

void log_debug(const struct log *log, const char *fmt, ...)
{
	va_list ap;

	if (log->level < 2)
		return;
	va_start(ap, fmt);
	line(log, fmt, ap);
	va_end(ap);
}

void log_warn(const struct log *log, const char *fmt, ...)
{
	va_list ap;

	if (log->level < 1)
		return;
	va_start(ap, fmt);
	line(log, fmt, ap);
	va_end(ap);
}
