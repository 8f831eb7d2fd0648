/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many VEs, their snapshots included, stand on which template version. */
#pragma once

#include <stddef.h>

#include "cli/cli.h"

struct template_uses {
	char (*digests)[65];            /* one per VE */
	uint32_t *ids;
	size_t n;
	struct archive *archives;
	size_t n_archives;
};

/* Reads every config: for verbs that show or remove, not for those that a VE waits for. */
MUST_CHECK int template_uses_load(struct cli *c, struct template_uses *ret, struct err *e);
void template_uses_free(struct template_uses *u);

/* VEs on the version. */
size_t template_uses_count(const struct template_uses *u, const char *digest);

/*
 * A VE that needs it, 0 when none does: is on it, may go back to it after an upgrade, has a
 * snapshot on it, or is archived on it. *ret_how is a text about "VE %u".
 */
uint32_t template_uses_who(struct cli *c, const struct template_uses *u, const char *digest,
			   const char **ret_how);
