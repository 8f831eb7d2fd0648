/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory for the command line itself: running out ends the program with VZ_NO_RESOURCES. */
#pragma once

#include <stddef.h>

void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n, size_t size);
char *xstrdup(const char *s);
