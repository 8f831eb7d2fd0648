/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How rows of options are written; and those that are not beside the commands' own. */
#pragma once

#include <stddef.h>

#include "cli/options.h"

/* clang-format off */
#define AT(field) offsetof(struct args, field)
#define FLAG(letter, name, alias, field, help) \
	{ OPT_FLAG, letter, name, alias, AT(field), NULL, help, 0, 0, 0, NULL }
#define TEXT(letter, name, alias, field, arg, help) \
	{ OPT_TEXT, letter, name, alias, AT(field), arg, help, 0, 0, 0, NULL }
#define IGNORED(name) { OPT_IGNORE, 0, name, NULL, 0, NULL, NULL, 0, 0, 0, NULL }
#define END { OPT_FLAG, 0, NULL, NULL, 0, NULL, NULL, 0, 0, 0, NULL }

#define FREEZE_OPT \
	{ OPT_TAKE, 0, "freeze", NULL, 0, "TIME", \
	  "how long a running VE may stand still, 30s unless said otherwise", 0, 0, 0, take_freeze }
/* clang-format on */

extern const struct opt send_opts[], receive_opts[], migrate_opts[], archive_delete_opts[];
extern const struct opt vzps_opts[], vzmemcheck_opts[], vzsplit_opts[], vzcfgvalidate_opts[], vztmpl_opts[];
extern const struct opt snapshot_opts[], snapshot_list_opts[], snapshot_switch_opts[], snapshot_id_opts[];
extern const struct opt snapshot_mount_opts[], chkpnt_opts[];
