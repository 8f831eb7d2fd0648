/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The template store: immutable versions, each a read-only erofs image named by the SHA-256 of
 * its bytes (DIGEST.erofs) with a manifest beside it (DIGEST.json), and channels, names that
 * point to a version (channels/NAME holds the digest). A version can be a whole disk instead
 * (DIGEST.disk), with an operating system of its own that a VM boots: each VE gets a copy.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

#define DIGEST_LEN 64           /* hex digits */

struct template {
	char digest[DIGEST_LEN + 1];
	char name[64];          /* the name it was added under */
	char arch[16];          /* uname -m word */
	char distribution[64];  /* e.g. "debian-12" or "mini" */
	char init[16];          /* systemd, sysvinit, busybox, openrc */
	char origin[16];        /* made from: mini, mmdebstrap, tar, oci, directory, ve, image */
	char signer[20];        /* number of the key that vouched for its source, or "" */
	char files[DIGEST_LEN + 1];     /* SHA-256 of DIGEST.files; "" when there is none */
	uint64_t packages;      /* installed ones, listed in DIGEST.packages; 0: not known */
	uint64_t size;          /* bytes of the image */
	uint64_t created;       /* seconds since 1970 */
	bool fresh;             /* by store_add: it was not in the store before */
	bool left;              /* by store_list_left: it is none */
	bool disk;              /* no tree of files but the disk of a VM that boots it */
};

/* DIGEST.erofs or DIGEST.disk. */
#define STORE_NAME (DIGEST_LEN + 8)
void store_name(const struct template *t, char dst[STORE_NAME]);

/* The directories of one instance. */
struct store {
	int dir;                /* .../template/store */
	int channels;           /* .../template/channels */
	int run;                /* boot-scoped records: which image was verified, on which loop device */
};
#define STORE_INIT { -1, -1, -1 }

/* Open (and make) the store below lib (…/var/lib/berth) and run (…/run/berth). */
MUST_CHECK int store_open(int lib, int run, struct store *ret, struct err *e);
void store_close(struct store *s);

/* By channel name, by digest, or by an unambiguous digest prefix of 12 or more digits. */
MUST_CHECK int store_find(const struct store *s, const char *name, struct template *ret,
			  struct err *e);

/* Add the image file (moved, not copied) under its digest and point channel t->name at it. Fills t->digest and size. */
MUST_CHECK int store_add(const struct store *s, int dfd, const char *image, struct template *t,
			 struct err *e);

/* The same, but a channel of that name that is there already stays where it points. */
MUST_CHECK int store_add_beside(const struct store *s, int dfd, const char *image,
				struct template *t, struct err *e);

/* The same without a channel: a version for one VE, which `template gc` takes after it. */
MUST_CHECK int store_add_private(const struct store *s, int dfd, const char *image,
				 struct template *t, struct err *e);

/* A version's bytes, and its signature: NULL when it has none, else the caller's to free. */
MUST_CHECK int store_open_image(const struct store *s, const char *digest, int *ret_fd,
				char **ret_signature, struct err *e);

/* Every version, newest first; *ret is the caller's to free. */
MUST_CHECK int store_list(const struct store *s, struct template **ret, size_t *ret_n,
			  struct err *e);

/* Files that have no manifest, of an add or a removal that was cut short. As for store_list. */
MUST_CHECK int store_list_left(const struct store *s, struct template **ret, size_t *ret_n,
			       struct err *e);
MUST_CHECK int store_remove_left(const struct store *s, const char *digest, struct err *e);

/*
 * Read all of a version again and compare digests: the image, the lists beside it. Where the image
 * is bad, e names the first file in it whose content is, or says that none is.
 */
MUST_CHECK int store_verify(const struct store *s, const char *digest, struct err *e);

/* Copy the image to a new file, and what is known of it beside: PATH.json, .files, .packages. */
MUST_CHECK int store_export(const struct store *s, const char *digest, const char *path,
			    struct err *e);

MUST_CHECK int store_tag(const struct store *s, const char *digest, const char *channel,
			 struct err *e);
/*
 * Whoever has found a version and will write down later that a VE is on it holds it until then: it
 * is not removed while *ret_hold is open. Whoever removes versions claims one before he looks who
 * needs it, until store_remove is done: -EBUSY while it is held.
 */
MUST_CHECK int store_hold(const struct store *s, const char *digest, int *ret_hold, struct err *e);
MUST_CHECK int store_claim(const struct store *s, const char *digest, int *ret_claim,
			   struct err *e);

/*
 * Remove a version (and channels that point to it), or only the channel when given its name.
 * A version that is mounted is refused (-EBUSY); whether a stopped VE wants it is the caller's
 * to know.
 */
MUST_CHECK int store_remove(const struct store *s, const char *name, struct err *e);

/*
 * Detached mount of the version, read-only. All VEs of a host share one loop device and so
 * one superblock and one page cache; `own` asks for a device and cache of this VE's own.
 * Before the first mount after boot, and whenever the file changed since, the digest is checked.
 */
MUST_CHECK int store_mount(const struct store *s, const char *digest, bool own, int *ret_mnt,
			   struct err *e);

/* Read-only descriptor of the device of a version, shared or its own, verified as for store_mount. */
MUST_CHECK int store_device(const struct store *s, const char *digest, bool own, int *ret,
			    struct err *e);

/* The file of a version that is a disk, verified likewise, for reading. */
MUST_CHECK int store_disk(const struct store *s, const struct template *t, int *ret, struct err *e);

/* Whether a VE has the version mounted from the shared device. */
bool store_is_mounted(const struct store *s, const char *digest);
