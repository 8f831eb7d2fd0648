/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mirrors that the host's own apt uses (sources.list(5)), one-line and deb822 form. */
#pragma once

#include <stdbool.h>

#define APT_URI_LEN 256

struct apt_mirrors {
	char main[APT_URI_LEN];         /* empty: none found */
	char security[APT_URI_LEN];
};

/* Mirrors of a family ("debian", "ubuntu") below etc (normally /etc/apt). Never fails. */
void apt_find_mirrors(const char *etc, const char *family, struct apt_mirrors *ret);

/* The same from one text; deb822 tells the form. Fills only what is still empty. */
void apt_read_sources(const char *text, bool deb822, const char *family, struct apt_mirrors *m);
