/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int (err_sys)(struct err *e, const char *fmt, ...)
{
	int eno = errno ? errno : EIO;
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	(void)vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	n = strlen(e->msg);
	(void)snprintf(e->msg + n, sizeof(e->msg) - n, ": %s", strerror(eno));
	e->eno = eno;
	e->exit = 0;
	return -eno;
}

int (err_set)(struct err *e, int eno, int exit, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	e->eno = eno;
	e->exit = exit;
	return -eno;
}

int (err_wrap)(struct err *e, const char *fmt, ...)
{
	char old[sizeof(e->msg)];
	va_list ap;
	size_t n;

	memcpy(old, e->msg, sizeof(old));
	va_start(ap, fmt);
	(void)vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	n = strlen(e->msg);
	(void)snprintf(e->msg + n, sizeof(e->msg) - n, ": %s", old);
	return -e->eno;
}

int err_exit(struct err *e, int exit)
{
	if (!e->exit)
		e->exit = exit;
	return -e->eno;
}

void err_clear(struct err *e)
{
	*e = (struct err)ERR_INIT;
}
