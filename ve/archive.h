/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VEs that are put away: lib/archive/ID-YYYYMMDDTHHMMSSZ.berth, the stream of `send` without the
 * template, which the store keeps for it. An archived VE does not exist any more: its number,
 * name and addresses are free.
 */
#pragma once

#include <stddef.h>

#include "ve/send.h"

#define ARCHIVE_NAME_LEN 48

struct archive {
	char name[ARCHIVE_NAME_LEN];    /* of the file */
	uint32_t id;
	uint64_t bytes;                 /* on the host */
	uint64_t when;                  /* seconds since 1970 */
	struct ve_conf conf;
};

/*
 * Pack a VE that is not running, read the archive again, and only then remove the VE. o: progress
 * alone is looked at. Refused for one with snapshots, which an archive does not keep, and where
 * `expired` is a day (NULL: no matter) for one whose last day is not before it any more: -ECANCELED.
 */
MUST_CHECK int ve_archive(struct inst *in, uint32_t id, const struct send_opts *o, const char *expired,
			  char ret_name[ARCHIVE_NAME_LEN], struct err *e);

/* All, by number and time; the caller frees *ret. Those that cannot be read are left out. */
MUST_CHECK int archive_list(const struct inst *in, struct archive **ret, size_t *ret_n,
			    struct err *e);

/* The newest of the VE `which`, a number or the name of a file. */
MUST_CHECK int archive_open(const struct inst *in, const char *which,
			    char ret_name[ARCHIVE_NAME_LEN], int *ret_fd, struct err *e);
MUST_CHECK int archive_remove(const struct inst *in, const char *name, struct err *e);

/* Whether an archive of that VE is there. */
bool archive_has(const struct inst *in, uint32_t id);
