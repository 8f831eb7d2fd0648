/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disks of virtual machines that come as a file of another program. The format is named, never
 * guessed; the file's own header must agree. A format that can name other files (backing file, external
 * data, extents, parent) may not: a disk is one file. Whatever is left of a hostile header meets
 * qemu-img in berth-convert, where there are no other files.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

#define DISK_FORMATS "raw, qcow2, vmdk or vhd"
#define DISK_MAX_SIZE (UINT64_C(64) << 30)

bool disk_format_known(const char *format);

/*
 * What the header of the file says: bytes of the disk. Refused: another format, a disk that is more than
 * one file, encryption, more than max. Pure but for reading.
 */
MUST_CHECK int disk_inspect(int fd, const char *format, uint64_t max, uint64_t *ret_size,
			    struct err *e);

struct disk_import {
	const char *format;
	const char *program;            /* absolute path of berth-convert */
	uint64_t max;                   /* bytes of the disk */
	int scratch;                    /* directory of our own */
};

/* From fd a raw file `to` in the scratch directory; it has a boot sector. */
MUST_CHECK int disk_import(const struct disk_import *d, int fd, const char *to, struct err *e);
