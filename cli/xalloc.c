/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/xalloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/exits.h"

static void *checked(void *p)
{
	if (p)
		return p;
	(void)fputs("berth: out of memory\n", stderr);
	exit(VZ_NO_RESOURCES);
}

void *xcalloc(size_t n, size_t size)
{
	return checked(calloc(n ? n : 1, size));
}

void *xrealloc(void *p, size_t n, size_t size)
{
	return checked(reallocarray(p, n ? n : 1, size));
}

char *xstrdup(const char *s)
{
	return checked(strdup(s));
}
