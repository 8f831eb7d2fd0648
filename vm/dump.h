/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A dump: the memory of a machine in a file, for the machine that comes after it. What is in it
 * becomes the whole of a running guest, and is read by QEMU, so only what this host has written
 * is ever given to one: the head carries a hash of the memory and is itself under a MAC with a key of
 * this host (lib/dump.key). It says of which machine the memory is; how that machine is to be
 * made comes from the config, never from here.
 *
 *   0     struct dump_head
 *   64    the record, JSON, head.len bytes
 *   8192  QEMU's migration stream, to the end of the file
 */
#pragma once

#include <stdint.h>

#include "util/err.h"
#include "vm/kernel.h"
#include "vm/qemu.h"

struct dump {
	uint32_t veid;
	uint64_t created;               /* seconds since 1970 */
	uint64_t bytes;                 /* of memory, in the file */
	char sha256[65];                /* of them */
	char machine[65];               /* dump_machine */
	char qemu[16];                  /* "7.2" */
	char accel[8];
	char template[65];
	char kernel[KERNEL_NAME], kernel_sha256[65];    /* "": it has booted its disk */
	/* What it was made as, and what of that it shall use. */
	char type[8];                   /* vm_type_word */
	uint64_t ram, ram_now, ram_max;
	unsigned cpus_now, cpus_max;
	/* The disk as it was left: memory and disk belong together. */
	uint64_t disk_inode, disk_mtime, disk_size;
};

/* What QEMU is asked to make, without what makes no difference to a guest that runs. */
void dump_machine(const struct vm_args *a, char ret[65]);
/* Hash of a whole file. */
MUST_CHECK int dump_hash(int fd, uint64_t from, uint64_t *ret_bytes, char ret[65], struct err *e);

/* A new file of this name, 0600, empty, open for the memory to be appended. */
MUST_CHECK int dump_begin(int dir, const char *name, int *ret, struct err *e);
/* Write the head and let all of it reach the disk. lib: where the key is, made if there is none. */
MUST_CHECK int dump_seal(int lib, int fd, const struct dump *d, struct err *e);
/* Read the head, if it is one of ours; the memory behind it has not been looked at then. */
MUST_CHECK int dump_read(int lib, int fd, struct dump *ret, struct err *e);
/* Whether the memory is what was written; leaves fd at its beginning. */
MUST_CHECK int dump_check(int fd, const struct dump *d, struct err *e);
