/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the archive or directory of another tool's VE holds besides its root: the config, where
 * the root lies in it, whose it is. An archive is read by berth-unpack, from its begin to its end,
 * so that one which is cut or broken is known before anything is made of it; what comes back is
 * text of a stranger, within bounds.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

enum look_what {
	LOOK_ROOT,              /* etc/passwd of the root filesystem that lies least deep */
	LOOK_VPS,               /* vzdump of OpenVZ */
	LOOK_PCT,               /* vzdump of Proxmox's containers */
	LOOK_INDEX,             /* export of Incus or LXD */
	LOOK_BACKUP,            /* what they keep beside a container */
	LOOK_IMAGE,             /* their image of one */
	LOOK_LXC,               /* config of LXC, beside rootfs */
	LOOK_VZ7,               /* ve.conf of a private area of OpenVZ 7 */
	/* Here it is enough that they are there. */
	LOOK_PLOOP,             /* a private area whose disk is an image */
	LOOK_PACKED,            /* an export that only the same storage can read */
	LOOK_MACHINE,           /* an export of a virtual machine */
	_LOOK_MAX
};

#define LOOK_TEXT_MAX 524288    /* bytes of a config */
#define LOOK_BASE_MAX 256

/* In the list that berth-unpack writes, each before len bytes of text. */
struct look_head {
	uint32_t what, len, uid, gid;
	char base[LOOK_BASE_MAX];       /* directory it lies in, "" for the top */
};

struct look_one {
	bool there;
	uint32_t uid, gid;
	char base[LOOK_BASE_MAX];
	char *text;                     /* NUL-terminated, without NUL inside; NULL where it is not read */
	size_t len;
};

struct look {
	struct look_one a[_LOOK_MAX];
};

/* One row for each: whole is its path from the top; else it is name in any directory. */
struct look_row {
	const char *whole, *name;
	bool read;
};
extern const struct look_row look_rows[_LOOK_MAX];

/* fd is left at its begin. scratch is a directory of ours. */
MUST_CHECK int look_archive(const char *program, int fd, int scratch, struct look *ret,
			    struct err *e);
/* A directory of the host, as fs_open_in_root sees it. */
MUST_CHECK int look_directory(int dir, struct look *ret, struct err *e);
void look_free(struct look *l);

/*
 * A YAML text as PATH, NUL, VALUE, NUL for every scalar; parts of a path are joined by '/',
 * elements of a list are numbered. Aliases, tags other than the core's and more than one document
 * are refused. The caller frees *ret.
 */
MUST_CHECK int look_yaml(const char *program, const char *text, size_t len, int scratch, char **ret,
			 size_t *ret_len, struct err *e);
