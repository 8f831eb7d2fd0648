/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ROOT/etc/berth/conf/ID.conf: lines KEY="value", sourceable by sh. Order, comments and keys
 * that Berth does not know survive a save. See berth-ve.conf(5).
 */
#pragma once

#include "ve/inst.h"
#include "ve/params.h"

/* -ENOENT (exit VZ_NO_CONF) when the VE does not exist; VZ_BAD_CONF when the file is no good. */
MUST_CHECK int conf_load(const struct inst *in, uint32_t id, struct ve_conf *ret, struct err *e);

/* Write every set row into the VE's file (made if absent), replacing lines in place. */
MUST_CHECK int conf_save(const struct inst *in, uint32_t id, const struct ve_conf *c,
			 struct err *e);

/* As conf_save, but after a power cut the old file may be there, until conf_sync. */
MUST_CHECK int conf_save_early(const struct inst *in, uint32_t id, const struct ve_conf *c,
			       struct err *e);
MUST_CHECK int conf_sync(const struct inst *in, struct err *e);

/* A plan: ROOT/etc/berth/conf/ve-NAME.conf-sample, or a built-in one of that name. */
MUST_CHECK int conf_load_sample(const struct inst *in, const char *name, struct ve_conf *ret,
				struct err *e);

/* Parse text (a whole file) into c. name is for errors. The entry for fuzzing. */
MUST_CHECK int conf_parse(const char *text, size_t len, const char *name, struct ve_conf *c,
			  struct err *e);

/* Text with every set row of c put in place; the caller frees *ret. */
MUST_CHECK int conf_format(const char *old_text, const struct ve_conf *c, char **ret,
			   struct err *e);

/*
 * Walk KEY="value" lines of text. Returns 1 with key and value (value unquoted, both bounded),
 * 0 at the end, -EINVAL with *ret_line at a line that is none of comment, blank or assignment.
 */
struct conf_line {
	const char *start;              /* of the line, in the text */
	size_t len;                     /* without newline */
	unsigned number;
	char key[64];                   /* "" for comments and blank lines */
	char value[4096];
};
int conf_next(const char **pos, struct conf_line *line);

/* Read ROOT/etc/berth/berth.conf into in->conf. */
MUST_CHECK int inst_conf_load(struct inst *in, struct err *e);
