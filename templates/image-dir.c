/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A block has its entries of 12 bytes first and then their names; the offset of the first name
 * tells how many there are. The kernel searches by halving, over blocks and within one, so "."
 * and ".." stand where their bytes sort them and not at the front.
 */
#include "templates/image-dir.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "templates/image.h"
#include "util/cleanup.h"

#define DIRENT 12u

struct entry {
	const char *name;
	const struct inode *in;
	struct node *node;              /* NULL: "." and ".." */
};

static int by_name(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* Every entry, sorted; *ret is the caller's to free. */
static int entries(const struct node *dir, struct entry **ret, size_t *ret_n, struct err *e)
{
	const struct node *up = dir->parent ? dir->parent : dir;
	struct entry *list;
	size_t n = 2;

	for (const struct node *c = dir->children; c; c = c->sibling)
		n += !c->dead;
	list = reallocarray(NULL, n, sizeof(*list));
	if (!list)
		return err_set(e, ENOMEM, 0, "write image: out of memory");
	list[0] = (struct entry){ ".", dir->inode, NULL };
	list[1] = (struct entry){ "..", up->inode, NULL };
	n = 2;
	for (struct node *c = dir->children; c; c = c->sibling)
		if (!c->dead)
			list[n++] = (struct entry){ c->name, c->inode, c };
	qsort(list, n, sizeof(*list), by_name);
	*ret = list;
	*ret_n = n;
	return 0;
}

/* How many entries from i on go into one block, and the bytes they take. */
static size_t fill(const struct entry *list, size_t i, size_t n, size_t *ret_bytes)
{
	size_t first = i, bytes = 0;

	for (; i < n; i++) {
		size_t len = DIRENT + strlen(list[i].name);

		if (bytes + len > IMAGE_BLOCK)
			break;
		bytes += len;
	}
	*ret_bytes = bytes;
	return i - first;
}

int image_dir_size(struct node *dir, uint64_t *ret_size, uint32_t *ret_nlink, struct err *e)
{
	_free_ struct entry *list = NULL;
	struct node **tail = &dir->children;
	uint32_t nlink = 2;
	uint64_t size = 0;
	size_t n, bytes;
	int r = entries(dir, &list, &n, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (!list[i].node)
			continue;
		*tail = list[i].node;   /* sorted, and without the dead */
		tail = &list[i].node->sibling;
		nlink += S_ISDIR(list[i].in->mode);
	}
	*tail = NULL;
	for (size_t i = 0; i < n; size += i < n ? IMAGE_BLOCK : bytes)
		i += fill(list, i, n, &bytes);
	*ret_size = size;
	*ret_nlink = nlink;
	return 0;
}

/* Numbers of erofs for types of files. */
static uint8_t type_of(const struct inode *in)
{
	switch (in->mode & S_IFMT) {
	case S_IFREG:
		return 1;
	case S_IFDIR:
		return 2;
	case S_IFIFO:
		return 5;
	case S_IFLNK:
		return 7;
	default:
		return 0;
	}
}

static void put_block(const struct entry *list, size_t n, uint8_t *p)
{
	size_t name = n * DIRENT;

	for (size_t i = 0; i < n; i++) {
		uint64_t nid = htole64(list[i].in->nid);
		uint16_t off = htole16((uint16_t)name);
		size_t len = strlen(list[i].name);

		memcpy(p + i * DIRENT, &nid, sizeof(nid));
		memcpy(p + i * DIRENT + 8, &off, sizeof(off));
		p[i * DIRENT + 10] = type_of(list[i].in);
		memcpy(p + name, list[i].name, len);
		name += len;
	}
}

int image_dir_make(const struct node *dir, uint64_t size, uint8_t **ret, struct err *e)
{
	_free_ struct entry *list = NULL;
	uint8_t *buf = NULL;
	size_t n, bytes, at = 0;
	int r = entries(dir, &list, &n, e);

	if (r < 0)
		return r;
	buf = calloc(1, size);
	if (!buf)
		return err_set(e, ENOMEM, 0, "write image: out of memory");
	for (size_t i = 0; i < n; at += IMAGE_BLOCK) {
		size_t k = fill(list, i, n, &bytes);

		put_block(list + i, k, buf + at);
		i += k;
	}
	*ret = buf;
	return 0;
}
