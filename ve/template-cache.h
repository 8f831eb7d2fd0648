/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vzctl's cache of templates: archives NAME.tar[.gz|.xz|.zst] that panels put into
 * lib/template/cache, /vz/template/cache for them. A name that the store does not know is looked
 * for there, and imported as by `template import`.
 */
#pragma once

#include "templates/store.h"
#include "ve/inst.h"

/* 0 when there is a channel of that name now; -ENOENT without a text when there is no archive. */
MUST_CHECK int template_from_cache(struct inst *in, const struct store *st, const char *name,
				   struct template *ret, struct err *e);

/* The name without the ending of an archive, where it has one. */
void template_cache_name(const char *name, char *dst, size_t size);
