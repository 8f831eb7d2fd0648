/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors on demand, so that tests can walk every error path of every step table. The variable
 * is read from the environment and nowhere kept. berth is not setuid and refuses to run as
 * anybody but root, so whoever sets it could as well kill the process.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/step.h"
#include "util/str.h"

int fault_at(const char *verb, const char *step, bool after, struct err *e)
{
	const char *want = getenv("BERTH_FAULT");
	char name[128];
	size_t n, word = strcspn(verb, " ");

	if (!want || str_fmt(name, sizeof(name), "%.*s/%s", (int)word, verb, step) < 0)
		return 0;
	n = strlen(name);
	if (strncmp(want, name, n) != 0)
		return 0;
	want += n;
	if ((*want == '+') != after)
		return 0;
	want += after;
	if (*want == '!')
		(void)kill(getpid(), SIGKILL);
	if (*want)
		return 0;
	return err_set(e, EIO, 0, "%s: injected fault", step);
}
