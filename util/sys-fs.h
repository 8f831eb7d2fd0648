/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files. Two kinds of path exist and have different functions:
 *   host paths    our own directories; plain openat with O_NOFOLLOW on the last part;
 *   guest paths   anything below a root that a tenant, template or archive can write:
 *                 only fs_open_in_root and what is built on it may touch them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "util/err.h"

/*
 * Open rel below the directory dfd as a guest would see it (dfd is "/" for every symlink),
 * without magic links, never blocking on a FIFO, never following a link in the last part, never
 * crossing into another mount.
 * flags as open(2); O_CLOEXEC|O_NOFOLLOW|O_NONBLOCK are added. openat2(2), since 5.6.
 * The file must be of type S_IFMT & type (0: any). Returns the fd in *ret.
 */
MUST_CHECK int fs_open_in_root(int dfd, const char *rel, int flags, mode_t mode, mode_t type,
			       int *ret, struct err *e);

/* Like fs_open_in_root, but links in the last part are followed inside the root. */
MUST_CHECK int fs_open_in_root_follow(int dfd, const char *rel, int flags, mode_t type,
				      int *ret, struct err *e);

/*
 * Replace the guest file rel by text: the parent is resolved in the root, a new file is
 * written beside it (mode, owner uid:gid) and renamed over, so that a link or FIFO planted
 * there is replaced and never followed. Owner -1 keeps the writer's.
 */
MUST_CHECK int fs_replace_in_root(int dfd, const char *rel, const char *text, mode_t mode,
				  uid_t uid, gid_t gid, struct err *e);

/* The same, on the disk when it returns, and after a power cut before that the old content or this. */
MUST_CHECK int fs_save_in_root(int dfd, const char *rel, const char *text, mode_t mode, uid_t uid,
			       gid_t gid, struct err *e);

/* Create the guest directory rel and its parents, each resolved in the root. */
MUST_CHECK int fs_mkdir_in_root(int dfd, const char *rel, mode_t mode, uid_t uid, gid_t gid,
				struct err *e);

/* Whole file into a fresh NUL-terminated buffer the caller frees; -EFBIG above max bytes. */
MUST_CHECK int fs_read_at(int dfd, const char *path, size_t max, char **ret, size_t *ret_len,
			  struct err *e);
MUST_CHECK int fs_read_fd(int fd, const char *name, size_t max, char **ret, size_t *ret_len,
			  struct err *e);

/* Write text to an existing kernel or device file in one write(2). */
MUST_CHECK int fs_write_at(int dfd, const char *path, const char *text, struct err *e);

/* One unsigned number of a kernel file; "max" reads as UINT64_MAX. Returns 0 or -Exxx. */
int fs_read_u64(int dfd, const char *path, uint64_t *ret);

/*
 * Replace path by text so that after a crash either the old or the new content is there:
 * temporary file, fsync, rename, fsync of the directory. Refuses to replace a symlink.
 */
MUST_CHECK int fs_save_at(int dfd, const char *path, const char *text, mode_t mode,
			  struct err *e);

/* The same without the last fsync: after a power cut either content, until the directory is synced. */
MUST_CHECK int fs_save_early_at(int dfd, const char *path, const char *text, mode_t mode,
				struct err *e);

/* Remove a file that fs_save_at made, and what a killed save left beside it. */
void fs_unlink_saved(int dfd, const char *path);

/* mkdir with parents below dfd; existing directories are fine. mode is that of the last. */
MUST_CHECK int fs_mkdir_p(int dfd, const char *path, mode_t mode, struct err *e);

/* Open a directory of our own (O_PATH unless readable), refusing a symlink as last part. */
MUST_CHECK int fs_open_dir(int dfd, const char *path, int *ret, struct err *e);

/*
 * Remove path with all below it; never crosses into another filesystem, never follows a
 * link. A path that is not there is success.
 */
MUST_CHECK int fs_remove_tree(int dfd, const char *path, struct err *e);

/* write(2) until done. Returns 0 or -Exxx. */
int fs_write_all(int fd, const void *buf, size_t len);

/* pwrite/pread of exactly len bytes. Return 0 or -Exxx (-EIO on a short file). */
int fs_pread_all(int fd, void *buf, size_t len, off_t off);
