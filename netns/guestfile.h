/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text files of a guest, edited in memory. Reading follows no link in the last part and takes
 * regular files of bounded size only; writing replaces (util/sys-fs.h). A struct text that ran
 * out of memory stays so until it is written, which reports it.
 */
#pragma once

#include "netns/guestconf.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct text {
	char *p;                /* NUL-terminated, or NULL while empty */
	size_t len, cap;
	bool oom;
};

#define TEXT_INIT { NULL, 0, 0, false }
#define _text_ __attribute__((cleanup(text_free)))

void text_free(struct text *t);
void text_addf(struct text *t, const char *fmt, ...) PRINTF(2, 3);
void text_add(struct text *t, const char *s, size_t len);

/* Next line of *s (its end in *ret_len, without newline) and *s after it; NULL at the end. */
const char *line_next(const char **s, size_t *ret_len);
/* Does the line begin with this word, then a blank, an equals sign or its end? */
bool line_is(const char *line, size_t len, const char *word);

/*
 * Content of a guest file. When it is not there, or is something else than a regular file (a
 * link, a FIFO), *ret is an empty string and the result 0: such a thing is about to be
 * replaced. Result 1: read, and *st is filled.
 */
MUST_CHECK int guest_read(const struct guest_conf *g, const char *rel, char **ret,
			  struct stat *st, struct err *e);
/* Write t over the guest file; st (may be NULL) gives mode and owner instead of 0644 root. */
MUST_CHECK int guest_put(const struct guest_conf *g, const char *rel, const struct text *t,
			 const struct stat *st, struct err *e);
/* The same for what must survive a power cut; each start writes the others anew. */
MUST_CHECK int guest_save(const struct guest_conf *g, const char *rel, const struct text *t,
			  const struct stat *st, struct err *e);
/* Replace our marked block in a guest file by block, or append it; the rest stays. */
MUST_CHECK int guest_put_block(const struct guest_conf *g, const char *rel, const char *first,
			       const struct text *block, struct err *e);
/* Is this line the beginning or the end of a block of ours? */
bool guest_block_mark(const char *line, size_t len);
/* Is there something at this path, links in its last part not followed? */
bool guest_has(const struct guest_conf *g, const char *rel);
/* Text of the symlink at dir/name; false when it is none. */
bool guest_readlink(const struct guest_conf *g, const char *dir, const char *name, char *dst,
		    size_t size);
/* Create a directory of the guest's root user, with parents. */
MUST_CHECK int guest_mkdir(const struct guest_conf *g, const char *rel, struct err *e);

/* Network files (guestnet.c). 1: written; 0: none that is known here. */
MUST_CHECK int guest_write_network(const struct guest_conf *g, struct err *e);
/* Keys and cloud-init's seed (guestfirst.c); network: its files have been written. */
MUST_CHECK int guest_write_first(const struct guest_conf *g, bool network, struct err *e);
