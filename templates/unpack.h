/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * berth-unpack turns an archive, the layers of an OCI image or a directory into an erofs image. It
 * is a program of its own because it meets hostile bytes (and because libarchive brings libraries
 * that would cost every start of berth): namespaces of its own with an empty root, no capability,
 * a filter of a few system calls, limits on memory and time (templates/sandbox.h). All it has is
 * descriptors: sources to read, an image, a spool and a list to write, a report.
 *
 *   berth-unpack KIND BEFORE MAX-SIZE MAX-FILES SHIFT PREFIX DROP REPORT IMAGE SPOOL LIST SOURCE...
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

/*
 * A VE is a directory without what makes it this one VE: machine id, host keys, seeds. The last
 * two make no image and leave what they find in the list (templates/look.h).
 */
enum unpack_kind { UNPACK_TAR = 't', UNPACK_LAYERS = 'l', UNPACK_DIR = 'd', UNPACK_VE = 'v',
		   UNPACK_LOOK = 'c', UNPACK_YAML = 'y' };

#define UNPACK_SOURCES_MAX 128

/* What berth-unpack leaves in the report. Read as from a stranger. */
struct unpack_report {
	uint32_t magic;                 /* UNPACK_MAGIC; anything else: it did not get to the end */
	int eno, exit;
	char msg[400];
	uint64_t files, bytes;
	uint64_t devices;               /* members left out: VEs get their devices from Berth */
	uint64_t xattrs;                /* attributes left out */
};
#define UNPACK_MAGIC 0x42727431u

struct unpack {
	const char *program;            /* absolute path of berth-unpack */
	enum unpack_kind kind;
	const int *sources;             /* descriptors; of a directory: a detached mount */
	size_t n_sources;
	int64_t before;                 /* see image_finish */
	uint32_t shift;                 /* host id that root has in the source; 0: ids are a VE's own */
	const char *prefix;             /* of a tar: the directory in it that is the root; NULL: all of it */
	const char *drop;               /* what of the root is left out; NULL: nothing */
	uint64_t max_size, max_files;   /* bytes of all contents; members */
	int scratch;                    /* directory of our own, for the spool */
	int image, list;                /* empty files, open for writing */
};

#define UNPACK_MAX_SIZE (UINT64_C(16) << 30)
#define UNPACK_MAX_FILES 1000000

MUST_CHECK int unpack_run(const struct unpack *u, struct unpack_report *ret, struct err *e);
