/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The other end of a move: a `berth receive` behind ssh, with a pipe each way. */
#pragma once

#include <sys/types.h>

#include "util/err.h"

struct migrate_link {
	int to, from;                   /* its standard input and output */
	int verdict;
	pid_t pid;                      /* of who waits for ssh */
};
#define MIGRATE_LINK_INIT { -1, -1, -1, 0 }

/* argv[0] is an absolute path. Open it before any lock: who waits for ssh keeps what is open. */
MUST_CHECK int migrate_link_open(struct migrate_link *l, const char *const *argv,
				 const char *const *env, struct err *e);

/* Its next answer, a word of at most 15 letters. The end of the file is -EPIPE. */
MUST_CHECK int migrate_link_answer(struct migrate_link *l, char ret[16], struct err *e);

/* Close the pipes and wait. What it said when it failed, with its exit number. */
MUST_CHECK int migrate_link_close(struct migrate_link *l, struct err *e);
