/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "util/str.h"

void out_printf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
}

static void put_safe(FILE *f, const char *s, size_t max)
{
	unsigned char before = 0;

	for (; *s && max; before = (unsigned char)*s++, max--)
		(void)fputc(str_is_control(before, (unsigned char)*s) ? '?' : *s, f);
}

void out_safe(const char *text)
{
	put_safe(stdout, text, SIZE_MAX);
}

void out_flush(void)
{
	(void)fflush(stdout);
}

int out_json(struct json_out *j, struct err *e)
{
	const char *text;
	int r = json_finish(j, &text, e);

	if (r >= 0)
		(void)fputs(text, stdout);
	json_free(j);
	return r;
}

int out_result(struct json_out *j, int r, struct err *e)
{
	if (j && r >= 0)
		return out_json(j, e);
	json_free(j);
	return r;
}

void out_say(void *arg, const char *line)
{
	const struct cli *c = arg;

	if (c->quiet || c->json)
		return;
	if (c->worker_of)
		out_printf("CT %u: ", c->worker_of);
	if (*line == '\t')              /* vzctl's checkpoints have lines that begin so */
		(void)fputc(*line++, stdout);
	out_safe(line);
	(void)fputc('\n', stdout);
	/* Each line when it is true: a start may take seconds, and workers share the stream. */
	(void)fflush(stdout);
}

void out_plain_error(const char *text)
{
	(void)fflush(stdout);
	put_safe(stderr, text, SIZE_MAX);
	(void)fputc('\n', stderr);
}

static const char *name = "berth";

void out_name(const char *called)
{
	name = called;
}

void out_error(const char *text)
{
	(void)fflush(stdout);
	(void)fprintf(stderr, "%s: ", name);
	out_plain_error(text);
}

void out_warn(const struct cli *c, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (c->quiet)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	out_error(text);
}

bool out_confirmed(const char *question)
{
	char first = 0, c = 0;
	ssize_t n;

	(void)fprintf(stderr, "%s [y/N] ", question);
	(void)fflush(stderr);
	while ((n = read(STDIN_FILENO, &c, 1)) == 1 && c != '\n')
		if (!first)
			first = c;
	return first == 'y' || first == 'Y';
}

int out_finish(struct err *e)
{
	bool bad = ferror(stdout);

	errno = 0;
	if (fclose(stdout) != 0 || bad)
		return err_sys(e, "write standard output");
	return 0;
}

void progress_init(struct progress *p, const struct cli *c)
{
	struct winsize ws;

	p->tty = !c->quiet && isatty(STDERR_FILENO);
	p->plain = !c->quiet && !p->tty && c->verbose;
	p->width = 79;
	if (p->tty && ioctl(STDERR_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 10)
		p->width = ws.ws_col - 1U;
}

void progress_line(void *arg, const char *line)
{
	const struct progress *p = arg;

	if (p->tty)
		(void)fputs("\r\033[K", stderr);
	if (p->tty || p->plain)
		put_safe(stderr, line, p->tty ? p->width : SIZE_MAX);
	if (p->plain)
		(void)fputc('\n', stderr);
	(void)fflush(stderr);
}

void progress_done(struct progress *p)
{
	if (p->tty)
		(void)fputs("\r\033[K", stderr);
	p->tty = false;
}
