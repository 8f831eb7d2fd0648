/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands that are a load: memory, CPU, processes, a file. */
#include "tests/probe.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int do_memhog(char **argv)
{
	unsigned long long size = number(argv[0]), step = 1 << 20;
	char *p = malloc(size);

	for (unsigned long long at = 0; p && at < size; at += step) {
		memset(p + at, (int)(at >> 20) + 1, size - at < step ? size - at : step);
		printf("touched %llu\n", at + step < size ? at + step : size);
		(void)fflush(stdout);
	}
	if (argv[1])
		(void)sleep((unsigned)number(argv[1]));
	return p ? 0 : 1;
}

int do_cpuburn(char **argv)
{
	struct timespec start, now;
	double used;

	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		for (volatile int i = 0; i < 100000; i++)
			;
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - start.tv_sec < (time_t)number(argv[0]));
	used = (double)clock() / CLOCKS_PER_SEC;
	printf("cpu-ms %.0f\n", used * 1000);
	return 0;
}

int do_forkbomb(char **argv)
{
	unsigned long long want = number(argv[0]), made = 0;

	for (; made < want; made++) {
		pid_t pid = fork();

		if (pid == 0) {
			(void)pause();
			_exit(0);
		}
		if (pid < 0)
			break;
	}
	printf("forked %llu %s\n", made, made < want ? outcome(-1) : "ok");
	(void)signal(SIGTERM, SIG_IGN);
	(void)kill(0, SIGTERM);
	return 0;
}

int do_write(char **argv)
{
	int fd = open(argv[0], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	unsigned long long size = number(argv[1]), done = 0;
	static char buf[1 << 16];
	ssize_t n = 0;

	memset(buf, 'b', sizeof(buf));
	while (fd >= 0 && done < size) {
		n = write(fd, buf, size - done < sizeof(buf) ? size - done : sizeof(buf));
		if (n < 0)
			break;
		done += (unsigned long long)n;
	}
	printf("wrote %llu %s\n", done, outcome(fd < 0 || n < 0 ? -1 : 0));
	return fd < 0 || (n == 0 && fsync(fd) < 0);
}
