/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Layout (fs/erofs/erofs_fs.h, Documentation/filesystems/erofs.rst):
 *
 *   block 0          superblock at 1024
 *   blocks 1..       whole blocks of files, in the order they came; then those of directories
 *   meta_blkaddr..   inodes of 64 bytes, each with its attributes and the rest of its content
 *
 * Only what Linux 5.4 already reads is used: uncompressed, no feature flag that refuses a mount.
 * The rest of a content (less than a block) lies behind its inode if it does not cross a block
 * there; where it would, the inode moves to the next one. Inodes stand in the order of a walk, so
 * the root is first, as its number has 16 bits only.
 */
#include "templates/image.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "templates/image-dir.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"

#define BUF (1u << 20)
#define INODE 64u
#define TAIL_MAX 2048u          /* a longer rest gets a block of its own */
#define FIRST 64u               /* offset of the first inode: number 0 is nobody's */
#define NONE UINT64_MAX

int image_init(struct image *img, int fd, int spool, int list, uint64_t max, struct err *e)
{
	*img = (struct image){ .fd = fd, .spool = spool, .list = list, .max = max, .block = 1 };
	img->buf = malloc(BUF);
	if (!img->buf)
		return err_set(e, ENOMEM, 0, "write image: out of memory");
	sha256_init(&img->all);
	return 0;
}

void image_done(struct image *img)
{
	cleanup_free(&img->buf);
}

static int put_at(int fd, const void *data, size_t len, uint64_t at, struct err *e)
{
	const char *p = data;

	while (len) {
		ssize_t n = pwrite(fd, p, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			(void)err_sys(e, "write image");
			return err_exit(e, e->eno == ENOSPC || e->eno == EDQUOT || e->eno == EFBIG ?
					VZ_NO_DISK_SPACE : 0);
		}
		p += n;
		len -= (size_t)n;
		at += (uint64_t)n;
	}
	return 0;
}

/* ---- contents ---- */

static bool is_zero(const uint8_t *p, size_t n)
{
	return !n || (!*p && !memcmp(p, p + 1, n - 1));
}

/* Whole blocks of the buffer to the image; zeros stay holes. */
static int flush(struct image *img, struct err *e)
{
	size_t n = img->used / IMAGE_BLOCK * IMAGE_BLOCK;
	int r = 0;

	for (size_t at = 0, len; at < n && !r; at += len) {
		bool zero = is_zero(img->buf + at, IMAGE_BLOCK);

		for (len = IMAGE_BLOCK; at + len < n &&
		     is_zero(img->buf + at + len, IMAGE_BLOCK) == zero;)
			len += IMAGE_BLOCK;
		if (!zero)
			r = put_at(img->fd, img->buf + at, len, img->block * IMAGE_BLOCK + at, e);
	}
	img->block += n / IMAGE_BLOCK;
	if (img->block > UINT32_MAX / 2)
		return err_set(e, EFBIG, VZ_NO_DISK_SPACE, "write image: larger than erofs can be");
	img->used -= n;
	memmove(img->buf, img->buf + n, img->used);
	return r;
}

int image_begin(struct image *img, struct inode *in, uint64_t size, struct err *e)
{
	if (size > img->max || img->total + size > img->max)
		return err_set(e, EFBIG, VZ_NO_DISK_SPACE,
			       "unpack: its files take more than %llu MiB (--max-size)",
			       (unsigned long long)(img->max >> 20));
	img->total += size;
	img->open = in;
	in->size = size;
	in->block = img->block;
	in->tail = NONE;
	sha256_init(&img->sha);
	return 0;
}

int image_data(struct image *img, const void *data, size_t len, struct err *e)
{
	const uint8_t *p = data;
	int r = 0;

	sha256_update(&img->sha, len, p);
	while (len && !r) {
		size_t n = len < BUF - img->used ? len : BUF - img->used;

		memcpy(img->buf + img->used, p, n);
		img->used += n;
		p += n;
		len -= n;
		if (img->used == BUF)
			r = flush(img, e);
	}
	return r;
}

int image_zeros(struct image *img, uint64_t len, struct err *e)
{
	static const uint8_t zeros[65536];
	int r = 0;

	for (; len && !r; len -= len < sizeof(zeros) ? len : sizeof(zeros))
		r = image_data(img, zeros, len < sizeof(zeros) ? (size_t)len : sizeof(zeros), e);
	return r;
}

int image_end(struct image *img, struct err *e)
{
	struct inode *in = img->open;
	int r = flush(img, e);

	sha256_digest(&img->sha, sizeof(in->sha), in->sha);
	sha256_update(&img->all, sizeof(in->sha), in->sha);
	if (r < 0 || !img->used)
		return r;
	if (img->used <= TAIL_MAX) {
		in->tail = img->spooled;
		r = put_at(img->spool, img->buf, img->used, img->spooled, e);
		img->spooled += img->used;
		img->used = 0;
		return r;
	}
	memset(img->buf + img->used, 0, IMAGE_BLOCK - img->used);
	img->used = IMAGE_BLOCK;
	return flush(img, e);
}

/* ---- where everything goes ---- */

struct layout {
	struct image *img;
	struct node **order;            /* a node per inode, as they stand in the image */
	size_t n;
	uint64_t meta;                  /* first block of inodes */
	uint64_t off;                   /* next free byte of them */
	char path[TREE_PATH_MAX + 2];
	FILE *list;
};

static size_t xattr_size(const struct inode *in)
{
	return in->xattrs_len ? 12 + in->xattrs_len : 0;
}

/* Bytes of content that stand behind the inode. */
static size_t inline_size(const struct inode *in)
{
	if (S_ISREG(in->mode))
		return in->tail == NONE ? 0 : in->size % IMAGE_BLOCK;
	if (!S_ISDIR(in->mode) && !S_ISLNK(in->mode))
		return 0;
	return in->tail == NONE ? 0 : in->size % IMAGE_BLOCK;
}

/* Blocks for a directory or link, whose content is known only now. */
static void place_content(struct layout *l, struct inode *in)
{
	size_t rest = in->size % IMAGE_BLOCK;
	bool fits = rest && INODE + xattr_size(in) + rest <= IMAGE_BLOCK;

	in->tail = fits ? 0 : NONE;
	in->block = l->img->block;
	l->img->block += in->size / IMAGE_BLOCK + (rest && !fits);
}

static void place_inode(struct layout *l, struct inode *in)
{
	size_t size = INODE + xattr_size(in) + inline_size(in);
	uint64_t off = l->off;

	if (inline_size(in) && off % IMAGE_BLOCK + size > IMAGE_BLOCK)
		off = (off + IMAGE_BLOCK - 1) / IMAGE_BLOCK * IMAGE_BLOCK;
	in->nid = off / 32;
	l->off = (off + size + 31) / 32 * 32;
}

static int place(struct layout *l, struct node *n, struct err *e)
{
	struct inode *in = n->inode;
	int r = 0;

	if (in->nid)
		return 0;               /* another name of one that has its place */
	if (S_ISDIR(in->mode))
		r = image_dir_size(n, &in->size, &in->nlink, e);
	if (r < 0)
		return r;
	if (S_ISDIR(in->mode) || S_ISLNK(in->mode))
		place_content(l, in);
	place_inode(l, in);
	l->order[l->n++] = n;
	for (struct node *c = S_ISDIR(in->mode) ? n->children : NULL; c && !r; c = c->sibling)
		if (!c->dead)
			r = place(l, c, e);
	return r;
}

/* ---- writing ---- */

static void le16(uint8_t *p, uint64_t v)
{
	uint16_t x = htole16((uint16_t)v);

	memcpy(p, &x, sizeof(x));
}

static void le32(uint8_t *p, uint64_t v)
{
	uint32_t x = htole32((uint32_t)v);

	memcpy(p, &x, sizeof(x));
}

static void le64(uint8_t *p, uint64_t v)
{
	uint64_t x = htole64(v);

	memcpy(p, &x, sizeof(x));
}

/* struct erofs_inode_extended, 64 bytes; behind it attributes with a header of 12. */
static size_t encode(const struct inode *in, size_t number, uint8_t *p)
{
	size_t x = xattr_size(in);

	le16(p, 1 | (in->tail == NONE || !inline_size(in) ? 0 : 2 << 1));
	le16(p + 2, x ? (x - 12) / 4 + 1 : 0);
	le16(p + 4, in->mode);
	le64(p + 8, in->size);
	le32(p + 16, in->size / IMAGE_BLOCK || (in->size && in->tail == NONE) ? in->block : ~0U);
	le32(p + 20, number + 1);
	le32(p + 24, in->uid);
	le32(p + 28, in->gid);
	le64(p + 32, (uint64_t)in->mtime);
	le32(p + 40, in->nsec);
	le32(p + 44, in->nlink);
	if (x)
		memcpy(p + INODE + 12, in->xattrs, in->xattrs_len);
	return INODE + x;
}

static int whole_blocks(struct layout *l, const struct inode *in, const uint8_t *data,
			struct err *e)
{
	size_t n = in->tail == NONE ? in->size : in->size / IMAGE_BLOCK * IMAGE_BLOCK;

	return put_at(l->img->fd, data, n, in->block * IMAGE_BLOCK, e);
}

/* What stands behind the inode, into p; the whole blocks of a directory or link to their place. */
static int content(struct layout *l, const struct node *n, uint8_t *p, struct err *e)
{
	const struct inode *in = n->inode;
	size_t rest = inline_size(in);
	_free_ uint8_t *dir = NULL;
	const uint8_t *data;
	int r;

	if (S_ISREG(in->mode)) {
		r = rest ? fs_pread_all(l->img->spool, p, rest, (off_t)in->tail) : 0;
		return r < 0 ? err_set(e, -r, 0, "read the spool of an image") : 0;
	}
	if (!S_ISDIR(in->mode) && !S_ISLNK(in->mode))
		return 0;
	r = S_ISDIR(in->mode) ? image_dir_make(n, in->size, &dir, e) : 0;
	if (r < 0)
		return r;
	data = dir ? dir : (const uint8_t *)in->target;
	memcpy(p, data + in->size - rest, rest);
	sha256_update(&l->img->all, in->size, data);
	return whole_blocks(l, in, data, e);
}

static int write_inode(struct layout *l, size_t i, struct err *e)
{
	uint8_t buf[INODE + 12 + TREE_XATTR_MAX + IMAGE_BLOCK] = { 0 };
	struct inode *in = l->order[i]->inode;
	uint64_t at = l->meta * IMAGE_BLOCK + in->nid * 32;
	size_t head = encode(in, i, buf);
	int r = content(l, l->order[i], buf + head, e);

	sha256_update(&l->img->all, head, buf);
	if (!r)
		r = put_at(l->img->fd, buf, head + inline_size(in), at, e);
	if (inline_size(in))
		in->tail = at + head;   /* for the list */
	return r;
}

/* The UUID follows from the content, so that it differs between versions: see build.c. */
static int write_super(struct layout *l, const struct tree *t, struct err *e)
{
	const struct inode *root = t->root->inode;
	uint64_t blocks = l->meta + (l->off + IMAGE_BLOCK - 1) / IMAGE_BLOCK;
	uint8_t sb[128] = { 0 }, sum[SHA256_DIGEST_SIZE];

	le32(sb, 0xe0f5e1e2);
	le32(sb + 8, 2);                /* times are of the last modification */
	sb[12] = 12;                    /* blocks of 1 << 12 */
	le16(sb + 14, root->nid);
	le64(sb + 16, l->n);
	le64(sb + 24, (uint64_t)root->mtime);
	le32(sb + 32, root->nsec);
	le32(sb + 36, blocks);
	le32(sb + 40, l->meta);
	sha256_digest(&l->img->all, sizeof(sum), sum);
	memcpy(sb + 48, sum, 16);
	if (ftruncate(l->img->fd, (off_t)(blocks * IMAGE_BLOCK)) < 0)
		return err_sys(e, "write image");
	return put_at(l->img->fd, sb, sizeof(sb), 1024, e);
}

/* ---- the list ---- */

static void hex(const uint8_t sha[32], char dst[65])
{
	for (size_t i = 0; i < 32; i++)
		(void)str_fmt(dst + 2 * i, 3, "%02x", sha[i]);
}

static void link_hash(const struct inode *in, char dst[65])
{
	uint8_t sha[SHA256_DIGEST_SIZE];
	struct sha256_ctx c;

	sha256_init(&c);
	sha256_update(&c, in->size, (const uint8_t *)in->target);
	sha256_digest(&c, sizeof(sha), sha);
	hex(sha, dst);
}

static void list_one(struct layout *l, const struct inode *in)
{
	char sum[65] = "-", block[24] = "-", tail[24] = "-";
	char type = S_ISREG(in->mode) ? 'f' : S_ISDIR(in->mode) ? 'd' :
		    S_ISLNK(in->mode) ? 'l' : 'p';

	if (type == 'l')
		link_hash(in, sum);
	if (type == 'f') {
		hex(in->sha, sum);
		if (in->size >= IMAGE_BLOCK || (in->size && !inline_size(in)))
			(void)str_fmt(block, sizeof(block), "%llu", (unsigned long long)in->block);
		if (inline_size(in))
			(void)str_fmt(tail, sizeof(tail), "%llu", (unsigned long long)in->tail);
	}
	(void)fprintf(l->list, "%c %04o %u %u %llu %s %s %s %s\n", type, in->mode & 07777, in->uid,
		      in->gid, type == 'd' ? 0 : (unsigned long long)in->size, sum, block, tail,
		      *l->path ? l->path + 1 : ".");
}

static int list_all(struct layout *l, const struct node *n, size_t used, struct err *e)
{
	int r = 0;

	list_one(l, n->inode);
	for (const struct node *c = n->children; c && !r; c = c->sibling) {
		int len = c->dead ? 0 : str_fmt(l->path + used, sizeof(l->path) - used, "/%s", c->name);

		if (len < 0)
			return err_set(e, ENAMETOOLONG, VZ_BAD_TEMPLATE, "list files: path too long");
		if (len)
			r = list_all(l, c, used + (size_t)len, e);
		l->path[used] = '\0';
	}
	return r;
}

static int write_list(struct layout *l, const struct tree *t, struct err *e)
{
	_file_ FILE *f = fdopen(fcntl(l->img->list, F_DUPFD_CLOEXEC, 3), "w");
	int r;

	if (!f)
		return err_sys(e, "list files");
	l->list = f;
	r = list_all(l, t->root, 0, e);
	if (!r && (fflush(f) || ferror(f)))
		r = err_sys(e, "list files");
	return r;
}

static void set_times(struct tree *t, int64_t before)
{
	int64_t newest = 0;

	for (const struct inode *in = t->first; in; in = in->next)
		if (in->mtime < before && in->mtime > newest)
			newest = in->mtime;
	for (struct inode *in = t->first; in; in = in->next)
		if (in->mtime >= before) {
			in->mtime = newest;
			in->nsec = 0;
		}
}

int image_finish(struct image *img, struct tree *t, int64_t before, struct err *e)
{
	struct layout l = { .img = img, .off = FIRST };
	int r;

	l.order = reallocarray(NULL, t->n_nodes, sizeof(struct node *));
	if (!l.order)
		return err_set(e, ENOMEM, 0, "write image: out of memory");
	if (before)
		set_times(t, before);
	r = place(&l, t->root, e);
	l.meta = img->block;
	for (size_t i = 0; i < l.n && !r; i++)
		r = write_inode(&l, i, e);
	if (!r)
		r = write_super(&l, t, e);
	if (!r)
		r = write_list(&l, t, e);
	free(l.order);
	return r;
}
