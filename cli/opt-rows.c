/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/opt-rows.h"

/* clang-format off */
const struct opt send_opts[] = {
	FLAG(0, "live", NULL, live, "although it runs: it stands still for a moment, and a copy is sent"),
	FREEZE_OPT,
	FLAG(0, "without-template", NULL, no_image, "the other host has its template version already"),
	END,
};

const struct opt receive_opts[] = {
	FLAG(0, "dry-run", NULL, dry_run, "only check the stream to its end"),
	FLAG(0, "trust", NULL, trust, "take a template with it that nobody has signed"),
	FLAG(0, "release", NULL, release, "of a migrate that cannot be ended: the VE is here from now on"),
	FLAG(0, "session", NULL, session, NULL),
	END,
};

const struct opt archive_delete_opts[] = {
	FLAG('y', "yes", NULL, yes, "do not ask"),
	END,
};

const struct opt migrate_opts[] = {
	TEXT('r', "remove-area", NULL, remove_area, "yes|no", "remove it here afterwards; yes unless said otherwise"),
	TEXT(0, "ssh", NULL, ssh, "OPTIONS", "options for ssh, divided by blanks"),
	FLAG(0, "nostart", NULL, no_start, "leave it stopped there, although it ran here"),
	FLAG(0, "dry-run", "check-only", dry_run, "only ask the other host whether it would take it"),
	FLAG(0, "take-back", NULL, take_back, "the other host is lost: what has moved is here again; without HOST"),
	FLAG(0, "online", "live", live, NULL),
	FLAG(0, "require-realtime", NULL, realtime, NULL),
	TEXT(0, "rsync", NULL, name, "OPTIONS", NULL),
	IGNORED("keep-dst"), IGNORED("keep-images"), IGNORED("compress"),
	FLAG('f', "force", NULL, force, NULL),
	FLAG('v', "verbose", NULL, raw, NULL),
	END,
};

#define ID_OPT TEXT(0, "id", NULL, id, "UUID", "the snapshot, by UUID or by its name")
#define SKIP_CONFIG_OPT FLAG(0, "skip-config", NULL, skip_config, "leave the config out of it")
const struct opt snapshot_opts[] = {
	TEXT(0, "id", "uuid", id, "UUID", "its UUID; chosen otherwise"),
	TEXT(0, "name", NULL, name, "NAME", "its name"),
	TEXT(0, "description", NULL, description, "TEXT", "what it is for"),
	FLAG(0, "skip-suspend", NULL, skip_suspend, "the disk of a virtual machine alone, without its memory"),
	SKIP_CONFIG_OPT, FREEZE_OPT,
	END,
};

const struct opt snapshot_list_opts[] = {
	FLAG('H', "no-header", NULL, no_header, "no header line"),
	TEXT('o', "output", NULL, columns, "COLUMN,...", "these columns"),
	TEXT('u', "id", "uuid", id, "UUID", "only this one"),
	FLAG('L', "list", NULL, fields, "list the columns there are"),
	END,
};

const struct opt snapshot_switch_opts[] = {
	ID_OPT, SKIP_CONFIG_OPT,
	FLAG(0, "skip-resume", NULL, skip_resume, "do not start it again, leave memory out of it"),
	IGNORED("must-resume"),
	END,
};

const struct opt snapshot_id_opts[] = {
	ID_OPT,
	END,
};

const struct opt snapshot_mount_opts[] = {
	ID_OPT,
	TEXT(0, "target", NULL, target, "DIR", "where, a directory of the host"),
	END,
};

const struct opt chkpnt_opts[] = {
	FLAG(0, "all", NULL, all, "every VE there is"),
	FLAG(0, "dry-run", NULL, dry_run, "say what would happen, change nothing"),
	FLAG(0, "suspend", NULL, ckpt_suspend, NULL),
	FLAG(0, "resume", NULL, ckpt_resume, NULL),
	FLAG(0, "dump", NULL, ckpt_dump, NULL),
	FLAG(0, "undump", NULL, ckpt_undump, NULL),
	FLAG(0, "kill", NULL, ckpt_kill, NULL),
	TEXT(0, "dumpfile", NULL, output, "FILE", NULL),
	TEXT(0, "flags", NULL, name, "N", NULL),
	TEXT(0, "context", NULL, id, "N", NULL),
	IGNORED("skip-arpdetect"), IGNORED("skip-remount"), IGNORED("skip-fsck"), IGNORED("keep-pages"),
	END,
};

/* The names are vzctl's companions'; none of these is shown. */
const struct opt vzps_opts[] = {
	TEXT('E', "ve", NULL, name, "CTID", NULL),
	END,
};
const struct opt vzmemcheck_opts[] = {
	FLAG('A', "absolute", NULL, all, NULL),
	FLAG('v', "verbose", NULL, raw, NULL),
	END,
};
const struct opt vzsplit_opts[] = {
	{ OPT_NUMBER, 'n', "num", NULL, AT(timeout), "N", NULL, 1, 1000000, 0, NULL },
	TEXT('f', "file", NULL, name, "NAME", NULL),
	TEXT('s', "swap", NULL, delay, "KIB", NULL),
	END,
};
const struct opt vzcfgvalidate_opts[] = {
	FLAG('r', "repair", NULL, force, NULL),
	FLAG('i', "interactive", NULL, raw, NULL),
	END,
};
const struct opt vztmpl_opts[] = {
	FLAG(0, "list-local", "list-all", all, NULL),
	END,
};
/* clang-format on */
