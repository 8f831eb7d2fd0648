/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VE of another tool becomes one of ours. First everything is read and nothing changed: what the
 * source is, what its config says, what that becomes here (ve/foreign.h). Then, if whoever asked
 * wants that, the VE is made by the steps of `create`, in one transaction: its root becomes a
 * template version that is this VE's alone, its disk is an empty one over it.
 */
#pragma once

#include <sys/stat.h>

#include "templates/import.h"
#include "templates/look.h"
#include "ve/foreign.h"
#include "ve/ve.h"

struct adopt_opts {
	const char *source;             /* archive, or directory */
	const char *config;             /* file beside it, or NULL: the source holds one */
	const char *format;             /* openvz, vzdump, lxc, incus or pct; NULL: found out */
	uint32_t id;                    /* 0: the number that the source has */
	uint64_t max_size;              /* bytes of all files; 0: its disk, at least UNPACK_MAX_SIZE */
	const struct ve_change *change; /* what is said here goes before what the source says */
	void (*progress)(void *arg, const char *line);
	void *arg;
};

struct adopt {
	struct inst *in;
	const struct adopt_opts *o;
	uint32_t id;
	int fd;                         /* the source */
	struct stat before;
	struct store store;
	const char *unpack;
	struct look look;
	const char *format;             /* of source and config, for people: "vzdump of OpenVZ" */
	struct import_root root;
	struct foreign from;
	struct ve_conf conf;            /* what the VE will have */
	struct template t;
};
#define ADOPT_INIT { .fd = -1, .store = STORE_INIT, .root = { .fd = -1 } }

/* Read all; a stays valid until adopt_done, which is called in any case. */
MUST_CHECK int adopt_read(struct adopt *a, struct inst *in, const struct adopt_opts *o,
			  struct err *e);
/* What would keep it from being made: number, name or addresses that are somebody's. */
MUST_CHECK int adopt_check(const struct adopt *a, struct err *e);
MUST_CHECK int adopt_make(struct adopt *a, struct err *e);
void adopt_done(struct adopt *a);

/* ve/adopt-source.c: open the source and find config and root in it. */
MUST_CHECK int adopt_source(struct adopt *a, struct err *e);
