/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/tree.h"

#include <endian.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/posix_acl_xattr.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/exits.h"
#include "util/str.h"

#define MEMORY_MAX (384u << 20) /* of names, inodes, targets, attributes */
#define TABLE_MIN 1024

/* ---- paths ---- */

static const char *part_wrong(const char *p, size_t n)
{
	if (n == 2 && !memcmp(p, "..", 2))
		return "its path has \"..\"";
	if (n > TREE_NAME_MAX)
		return "a name in its path is longer than 255 bytes";
	return NULL;
}

int tree_path(const char *path, char dst[TREE_PATH_MAX + 1], const char **ret_why)
{
	size_t used = 0, depth = 0, n;
	const char *why = NULL;

	if (*path == '/')
		why = "its path is absolute";
	else if (!*path)
		why = "it has no name";
	else if (strlen(path) > TREE_PATH_MAX)
		why = "its path is longer than 4095 bytes";
	else if (str_has_c0(path))
		why = "its name has control characters";
	for (; !why && *(path += strspn(path, "/")); path += n) {
		n = strcspn(path, "/");
		why = part_wrong(path, n);
		if (why || (n == 1 && *path == '.'))
			continue;
		if (++depth > TREE_DEPTH_MAX)
			why = "it lies deeper than 255 directories";
		if (used)
			dst[used++] = '/';
		memcpy(dst + used, path, n);
		used += n;
	}
	if (why) {
		*ret_why = why;
		return -EINVAL;
	}
	dst[used] = '\0';
	return 0;
}

void tree_show(const char *path, char dst[200])
{
	size_t i;

	for (i = 0; i < 196 && path[i]; i++) {
		unsigned char c = (unsigned char)path[i];

		dst[i] = (char)(c < 0x20 || c >= 0x7f ? '?' : c);
	}
	(void)str_fmt(dst + i, 200 - i, "%s", path[i] ? "..." : "");
}

static int refuse(const char *path, const char *why, struct err *e)
{
	char shown[200];

	tree_show(path, shown);
	return err_set(e, EINVAL, VZ_BAD_TEMPLATE, "unpack \"%s\": %s", shown, why);
}

/* ---- memory ---- */

static void *take(struct tree *t, size_t n, struct err *e)
{
	void *p;

	t->memory += n + 32;            /* and what malloc needs beside it */
	p = t->memory > MEMORY_MAX ? NULL : calloc(1, n);
	if (!p)
		(void)err_set(e, ENOMEM, VZ_BAD_TEMPLATE,
			      "unpack: names and attributes take more than %u MiB",
			      MEMORY_MAX >> 20);
	return p;
}

/* FNV-1a over the parent and the name. */
static size_t hash(const struct tree *t, const struct node *parent, const char *name, size_t n)
{
	uint64_t h = 14695981039346656037u ^ (uintptr_t)parent;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)name[i]) * 1099511628211u;
	return (h ^ h >> 29) & (t->n_table - 1);
}

static void rehash(struct tree *t)
{
	size_t old = t->n_table;
	struct node **table = calloc(old * 2, sizeof(*table));

	if (!table)
		return;                 /* slower, but right */
	t->n_table = old * 2;
	for (size_t i = 0; i < old; i++)
		for (struct node *n = t->table[i], *next; n; n = next) {
			size_t at = hash(t, n->parent, n->name, strlen(n->name));

			next = n->chain;
			n->chain = table[at];
			table[at] = n;
		}
	free(t->table);
	t->table = table;
}

static struct node *lookup(const struct tree *t, const struct node *parent, const char *name,
			   size_t len)
{
	struct node *n = t->table[hash(t, parent, name, len)];

	while (n && (n->parent != parent || strncmp(n->name, name, len) != 0 || n->name[len]))
		n = n->chain;
	return n;
}

static struct inode *new_inode(struct tree *t, const struct tree_meta *m, struct err *e)
{
	struct inode *in = take(t, sizeof(*in), e);

	if (!in)
		return NULL;
	in->mode = S_ISLNK(m->mode) ? S_IFLNK | 0777 : m->mode;  /* as Linux has it */
	in->uid = m->uid;
	in->gid = m->gid;
	in->mtime = m->mtime;
	in->nsec = m->nsec;
	in->nlink = 1;
	in->shift = t->shift;
	*t->last = in;
	t->last = &in->next;
	return in;
}

static struct node *new_node(struct tree *t, struct node *parent, const char *name, size_t len,
			     struct err *e)
{
	struct node *n;
	size_t at;

	if (t->n_nodes >= t->max_files) {
		(void)err_set(e, EFBIG, VZ_NO_DISK_SPACE, "unpack: more than %llu files",
			      (unsigned long long)t->max_files);
		return NULL;
	}
	n = take(t, sizeof(*n) + len + 1, e);
	if (!n)
		return NULL;
	memcpy(n->name, name, len);
	n->parent = parent;
	n->layer = t->layer;
	if (++t->n_nodes > t->n_table)
		rehash(t);
	at = hash(t, parent, name, len);
	n->chain = t->table[at];
	t->table[at] = n;
	if (parent) {
		n->sibling = parent->children;
		parent->children = n;
	}
	return n;
}

int tree_init(struct tree *t, uint64_t max_files, struct err *e)
{
	static const struct tree_meta meta = { .mode = S_IFDIR | 0755 };

	*t = (struct tree){ .n_table = TABLE_MIN, .max_files = max_files };
	t->last = &t->first;
	t->table = calloc(t->n_table, sizeof(struct node *));
	if (!t->table)
		return err_set(e, ENOMEM, 0, "unpack: out of memory");
	t->root = new_node(t, NULL, "", 0, e);
	if (t->root)
		t->root->inode = new_inode(t, &meta, e);
	if (!t->root || !t->root->inode) {
		tree_done(t);
		return -e->eno;
	}
	return 0;
}

void tree_done(struct tree *t)
{
	for (struct inode *in = t->first, *next; in; in = next) {
		next = in->next;
		free(in->target);
		free(in->xattrs);
		free(in);
	}
	for (size_t i = 0; i < t->n_table; i++)
		for (struct node *n = t->table[i], *next; n; n = next) {
			next = n->chain;
			free(n);
		}
	free(t->table);
	*t = (struct tree){ 0 };
}

/* ---- members ---- */

static bool is_dir(const struct node *n)
{
	return S_ISDIR(n->inode->mode);
}

/*
 * Take away what layers below the current one have at n. A directory stays when something of the
 * current layer is in it. Depth is bounded by tree_path.
 */
static bool kill_below(const struct tree *t, struct node *n)
{
	bool stays = n->layer >= t->layer;

	if (n->dead)
		return false;
	for (struct node *c = n->children; c; c = c->sibling)
		stays |= kill_below(t, c);
	if (!stays) {
		n->dead = true;
		n->inode->nlink--;
	}
	return stays;
}

/* Parent of the last part of a clean path; missing directories are made. */
static int find_parent(struct tree *t, const char *path, bool make, struct node **ret,
		       const char **ret_name, struct err *e)
{
	static const struct tree_meta meta = { .mode = S_IFDIR | 0755 };
	struct node *at = t->root;
	const char *p = path, *slash;

	for (; (slash = strchr(p, '/')); p = slash + 1) {
		struct node *n = lookup(t, at, p, (size_t)(slash - p));

		if ((!n || n->dead) && !make)
			return -ENOENT;
		if (n && !n->dead && !is_dir(n))
			return refuse(path, S_ISLNK(n->inode->mode) ?
				      "its path goes through a symbolic link" :
				      "its path goes through a file", e);
		if (!n)
			n = new_node(t, at, p, (size_t)(slash - p), e);
		if (n && (!n->inode || n->dead)) {
			n->inode = new_inode(t, &meta, e);
			n->dead = false;
			n->layer = t->layer;
		}
		if (!n || !n->inode)
			return -e->eno;
		at = n;
	}
	*ret = at;
	*ret_name = p;
	return 0;
}

static int clean(const char *path, char dst[TREE_PATH_MAX + 1], struct err *e)
{
	const char *why = NULL;

	return tree_path(path, dst, &why) < 0 ? refuse(path, why, e) : 0;
}

/*
 * The node a new member goes to, free for it: new, or what an earlier layer had there. A
 * directory that comes again is returned as it is.
 */
static int make_room(struct tree *t, const char *path, bool dir, struct node **ret, struct err *e)
{
	char at[TREE_PATH_MAX + 1];
	struct node *parent, *n;
	const char *name;
	int r = clean(path, at, e);

	if (!r && !*at && !dir)
		return refuse(path, "it stands in the place of the root directory", e);
	if (!r && !*at) {
		*ret = t->root;
		return 0;
	}
	if (!r)
		r = find_parent(t, at, true, &parent, &name, e);
	if (r < 0)
		return r;
	n = lookup(t, parent, name, strlen(name));
	if (!n)
		n = new_node(t, parent, name, strlen(name), e);
	else if (!n->dead && !(dir && is_dir(n)) && kill_below(t, n))
		return refuse(path, "it is there twice", e);
	if (!n)
		return -e->eno;
	*ret = n;
	return 0;
}

/* Ids below the shift wrap around and are too large then. */
static int check_meta(const struct tree *t, const char *path, struct tree_meta *m, struct err *e)
{
	m->uid -= t->shift;
	m->gid -= t->shift;
	if (m->uid > TREE_ID_MAX || m->gid > TREE_ID_MAX)
		return refuse(path, t->shift ? "its owner is none of the 65536 ids of its source" :
					       "its owner is above 65535", e);
	if (m->nsec > 999999999)
		return refuse(path, "its time is none", e);
	return 0;
}

/* A node gets a fresh inode; the name counts as of this layer. */
static int give_inode(struct tree *t, struct node *n, const struct tree_meta *m, struct err *e)
{
	struct inode *in = new_inode(t, m, e);

	if (!in)
		return -e->eno;
	n->inode = in;
	n->dead = false;
	n->layer = t->layer;
	return 0;
}

int tree_put(struct tree *t, const char *path, const struct tree_meta *m, const char *target,
	     struct inode **ret, struct err *e)
{
	struct node *n = NULL;
	size_t len = target ? strlen(target) : 0;
	struct tree_meta meta = *m;
	int r = check_meta(t, path, &meta, e);

	if (!r && S_ISLNK(m->mode) && (!len || len > TREE_PATH_MAX))
		return refuse(path, "a symbolic link to nowhere", e);
	if (!r)
		r = make_room(t, path, S_ISDIR(m->mode), &n, e);
	if (!r)
		r = give_inode(t, n, &meta, e);
	if (r < 0)
		return r;
	if (target) {
		n->inode->target = take(t, len + 1, e);
		if (!n->inode->target)
			return -e->eno;
		memcpy(n->inode->target, target, len);
		n->inode->size = len;
	}
	*ret = n->inode;
	return 0;
}

int tree_link(struct tree *t, const char *path, const char *to, struct err *e)
{
	char at[TREE_PATH_MAX + 1];
	struct node *n, *there = NULL;
	const char *name, *why = NULL;
	struct inode *in;
	int r = tree_path(to, at, &why);

	if (r < 0 || !*at)
		return refuse(path, "a hard link out of the archive", e);
	r = find_parent(t, at, false, &there, &name, e);
	if (r < 0 && r != -ENOENT)
		return r;
	n = r < 0 ? NULL : lookup(t, there, name, strlen(name));
	if (!n || n->dead || !n->inode || is_dir(n))
		return refuse(path, "a hard link to nothing before it", e);
	in = n->inode;
	r = make_room(t, path, false, &n, e);
	if (r < 0)
		return r;
	n->inode = in;
	n->dead = false;
	n->layer = t->layer;
	in->nlink++;
	return 0;
}

/* -ENOENT without text when there is no such member. */
static int find(struct tree *t, const char *path, struct node **ret, struct err *e)
{
	char at[TREE_PATH_MAX + 1];
	struct node *parent = NULL, *n;
	const char *name;
	int r = clean(path, at, e);

	if (!r && !*at) {
		*ret = t->root;
		return 0;
	}
	if (!r)
		r = find_parent(t, at, false, &parent, &name, e);
	if (r < 0)
		return r;
	n = lookup(t, parent, name, strlen(name));
	if (!n || n->dead)
		return -ENOENT;
	*ret = n;
	return 0;
}

int tree_whiteout(struct tree *t, const char *path, struct err *e)
{
	struct node *n = NULL;
	int r = find(t, path, &n, e);

	if (!r && n != t->root)
		(void)kill_below(t, n);
	return r == -ENOENT ? 0 : r;
}

int tree_opaque(struct tree *t, const char *path, struct err *e)
{
	struct node *n = NULL;
	int r = find(t, path, &n, e);

	for (struct node *c = r ? NULL : n->children; c; c = c->sibling)
		(void)kill_below(t, c);
	return r == -ENOENT ? 0 : r;
}

/* ---- extended attributes ---- */

/* Numbers of erofs for prefixes (erofs_fs.h); the rest of the name follows. */
static const struct {
	const char *prefix;
	const char *rest;               /* NULL: any */
	uint8_t index;
} kept[] = {
	{ "system.posix_acl_access", "", 2 },
	{ "system.posix_acl_default", "", 3 },
	{ "security.", "capability", 6 },
	{ "user.", NULL, 1 },
};

static bool is_kept(size_t row, const char *name)
{
	const char *rest = name + strlen(kept[row].prefix);

	return str_starts(name, kept[row].prefix) &&
	       (!kept[row].rest || str_eq(rest, kept[row].rest));
}

/*
 * Revision 2 means root of the user namespace that the image is mounted for. Revision 3 names a
 * root by number; 0 is the same, as is the source's own; another is somebody else's.
 */
static bool caps_ok(const void *value, size_t len, uint32_t shift, struct vfs_ns_cap_data *dst)
{
	uint32_t rev;

	memset(dst, 0, sizeof(*dst));
	if (len != XATTR_CAPS_SZ_2 && len != XATTR_CAPS_SZ_3)
		return false;
	memcpy(dst, value, len);
	rev = le32toh(dst->magic_etc) & VFS_CAP_REVISION_MASK;
	if (rev != (len == XATTR_CAPS_SZ_2 ? VFS_CAP_REVISION_2 : VFS_CAP_REVISION_3) ||
	    (dst->rootid && le32toh(dst->rootid) != shift))
		return false;
	dst->magic_etc = htole32((le32toh(dst->magic_etc) & VFS_CAP_FLAGS_MASK) |
				 VFS_CAP_REVISION_2);
	return true;
}

/* The list with ids as a VE has them in dst. */
static bool acl_ok(const uint8_t *v, size_t len, uint32_t shift, uint8_t dst[TREE_XATTR_MAX])
{
	uint32_t version, id;

	if (len < 4 || (len - 4) % 8)
		return false;
	memcpy(&version, v, 4);
	memcpy(dst, v, len);
	for (size_t i = 4; i < len; i += 8) {
		uint16_t tag;

		memcpy(&tag, v + i, 2);
		memcpy(&id, v + i + 4, 4);
		tag = le16toh(tag);
		if (tag != 2 && tag != 8)       /* user, group */
			continue;
		id = le32toh(id) - shift;
		if (id > TREE_ID_MAX)
			return false;
		id = htole32(id);
		memcpy(dst + i + 4, &id, 4);
	}
	return le32toh(version) == POSIX_ACL_XATTR_VERSION;
}

/* erofs_xattr_entry: length of name, prefix, length of value; name and value; padded to 4. */
static int append(struct inode *in, uint8_t index, const char *name, const void *value, size_t len,
		  struct err *e)
{
	size_t n = strlen(name), size = (4 + n + len + 3) & ~(size_t)3;
	uint8_t *more;

	if (n > 255 || in->xattrs_len + size > TREE_XATTR_MAX)
		return err_set(e, E2BIG, VZ_BAD_TEMPLATE,
			       "unpack: extended attributes of a file take more than %u bytes",
			       TREE_XATTR_MAX);
	more = realloc(in->xattrs, in->xattrs_len + size);
	if (!more)
		return err_set(e, ENOMEM, 0, "unpack: out of memory");
	in->xattrs = more;
	more += in->xattrs_len;
	memset(more, 0, size);
	more[0] = (uint8_t)n;
	more[1] = index;
	more[2] = (uint8_t)len;
	more[3] = (uint8_t)(len >> 8);
	memcpy(more + 4, name, n);
	if (len)
		memcpy(more + 4 + n, value, len);
	in->xattrs_len += size;
	return 0;
}

static bool have_xattr(const struct inode *in, uint8_t index, const char *name)
{
	size_t n = strlen(name);

	for (size_t at = 0; at + 4 <= in->xattrs_len;) {
		const uint8_t *p = in->xattrs + at;

		if (p[1] == index && p[0] == n && !memcmp(p + 4, name, n))
			return true;
		at += (4u + p[0] + p[2] + (p[3] << 8) + 3) & ~3u;
	}
	return false;
}

int tree_xattr(struct inode *in, const char *name, const void *value, size_t len, struct err *e)
{
	uint8_t acl[TREE_XATTR_MAX];
	struct vfs_ns_cap_data cap;
	size_t i = 0;
	int r;

	while (i < ARRAY_SIZE(kept) && !is_kept(i, name))
		i++;
	if (i == ARRAY_SIZE(kept) || str_starts(name, "user.overlay.") || str_has_c0(name))
		return 0;
	if (kept[i].index == 6) {
		if (!S_ISREG(in->mode) || !caps_ok(value, len, in->shift, &cap))
			return 0;
		value = &cap;
		len = XATTR_CAPS_SZ_2;
	}
	if ((kept[i].index == 2 || kept[i].index == 3) && len <= sizeof(acl)) {
		if (!acl_ok(value, len, in->shift, acl))
			return 0;
		value = acl;
	}
	name += strlen(kept[i].prefix);
	if (have_xattr(in, kept[i].index, name))
		return 0;
	r = append(in, kept[i].index, name, value, len, e);
	return r < 0 ? r : 1;
}
