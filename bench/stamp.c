/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The init of bench/start: notes the monotonic clock in /stamp as its first act, then waits to
 * be killed. Static, so that the loader of the root file system is no part of the measurement.
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
	struct timespec now;
	FILE *f;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	f = fopen("/stamp.new", "we");
	if (!f)
		return 1;
	(void)fprintf(f, "%lld\n", (long long)now.tv_sec * 1000000000 + now.tv_nsec);
	(void)fclose(f);
	(void)rename("/stamp.new", "/stamp");
	for (;;)
		(void)pause();
}
