/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A root filesystem as a tree in memory: what an archive or a directory holds, before it becomes
 * an image. Nothing in it is a file of the host, so no name in an archive can reach one: a path
 * is looked up here and nowhere else.
 *
 * The rules for members are these functions' and the same for every source:
 *   paths      relative, no "..", no control character, at most 4095 bytes, 255 a part, 255 deep;
 *   parents    directories only: a path never goes through a symbolic link;
 *   twice      a directory may come again (its last owner and mode count), nothing else may
 *              within one layer; a later layer replaces what an earlier one put there;
 *   hard link  to a member that is there already and is no directory;
 *   owner      0..65535, the ids that a VE has; of a source that keeps them shifted, as many from
 *              its first one on.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

#define TREE_PATH_MAX 4095
#define TREE_NAME_MAX 255
#define TREE_DEPTH_MAX 255
#define TREE_ID_MAX 65535
#define TREE_XATTR_MAX 1900     /* bytes of all extended attributes of one inode */

struct inode {
	struct inode *next;             /* every one made, in that order */
	uint32_t mode, uid, gid, nlink, nsec;
	uint32_t shift;                 /* the tree's, for ids in attributes */
	int64_t mtime;
	uint64_t size;
	uint64_t block, tail;           /* content: whole blocks in the image, rest in the spool */
	uint64_t nid;                   /* place in the image (templates/image.c) */
	char *target;                   /* of a symbolic link */
	uint8_t *xattrs;                /* as they lie in the image */
	size_t xattrs_len;
	uint8_t sha[32];                /* of a regular file's content */
};

struct node {
	struct node *parent, *children, *sibling, *chain;
	struct inode *inode;
	unsigned layer;
	bool dead;                      /* replaced or deleted by a later layer */
	char name[];
};

struct tree {
	struct node *root;
	struct inode *first, **last;
	struct node **table;
	size_t n_table, n_nodes;
	uint64_t max_files, memory;
	unsigned layer;                 /* counts up; members know theirs */
	uint32_t shift;                 /* id that root of the source has */
};

/* Owner, mode (with type) and time of a new member. */
struct tree_meta {
	uint32_t mode, uid, gid, nsec;
	int64_t mtime;
};

MUST_CHECK int tree_init(struct tree *t, uint64_t max_files, struct err *e);
void tree_done(struct tree *t);

/*
 * Bring a member's path into the form a/b/c: leading "./", doubled and closing slashes go. "" is
 * the root. Returns 0, or -EINVAL with *ret_why telling what is wrong with it.
 */
int tree_path(const char *path, char dst[TREE_PATH_MAX + 1], const char **ret_why);

/* The same path fit for one line of an error. */
void tree_show(const char *path, char dst[200]);

/* Put a member. A symbolic link has its target. */
MUST_CHECK int tree_put(struct tree *t, const char *path, const struct tree_meta *m,
			const char *target, struct inode **ret, struct err *e);
MUST_CHECK int tree_link(struct tree *t, const char *path, const char *to, struct err *e);

/* What layers below the current one have at path goes; path may be absent. */
MUST_CHECK int tree_whiteout(struct tree *t, const char *path, struct err *e);
/* The same for all that they have in the directory path. */
MUST_CHECK int tree_opaque(struct tree *t, const char *path, struct err *e);

/*
 * An extended attribute by its full name. Kept: file capabilities of a VE's own root, POSIX ACLs,
 * user.*; returns 1. All others are left out: overlayfs would act on some, and labels of another
 * host's policy mean nothing here; returns 0.
 */
MUST_CHECK int tree_xattr(struct inode *in, const char *name, const void *value, size_t len,
			  struct err *e);
