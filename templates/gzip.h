/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading gzip with its checksum, which libarchive 3.6 does not look at: a byte that is not what
 * it was would become part of a template.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct archive;
struct gzip;

/* Whether the file begins as gzip does. */
bool gzip_is(int fd);

/* For archive_read_open(): opens, reads and closes fd's content. NULL: out of memory. */
struct gzip *gzip_new(int fd);
ssize_t gzip_read(struct archive *a, void *gzip, const void **ret);
void gzip_free(struct gzip *g);
