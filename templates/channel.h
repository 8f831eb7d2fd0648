/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A channel is a name that points to a version: channels/NAME, first line the digest, then a line
 * "DIGEST SECONDS" for each version it has pointed to and since when, newest first.
 */
#pragma once

#include <dirent.h>

#include "templates/store.h"
#include "util/err.h"

#define CHANNEL_STEPS_MAX 100   /* older ones are forgotten */

struct channel_step {
	char digest[DIGEST_LEN + 1];
	uint64_t since;                 /* seconds since 1970 */
};

struct channel {
	char name[64];
	struct channel_step steps[CHANNEL_STEPS_MAX];
	size_t n;                       /* at least 1: the first is what it points to */
};

/* -ENOENT with VZ_NO_TEMPLATE when there is no such channel. */
MUST_CHECK int channel_load(const struct store *s, const char *name, struct channel *ret,
			    struct err *e);

/* Point it to a version that is in the store; the store's lock is the caller's to hold. */
MUST_CHECK int channel_point(const struct store *s, const char *name, const char *digest,
			     struct err *e);

/* Next channel of a directory walk over s->channels; false at the end. */
bool channel_next(DIR *d, char name[64]);

/* Remove every channel that points to the version now. */
MUST_CHECK int channel_remove_to(const struct store *s, const char *digest, struct err *e);
