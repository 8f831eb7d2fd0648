/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading tar: plain, gzip, xz or zstd, in any of the formats that libarchive reads (ustar, pax,
 * GNU, old). The locale must be C.UTF-8: pax keeps names as UTF-8. What libarchive warns about is
 * an error here: it could not tell exactly what the archive says.
 */
#include <archive.h>
#include <archive_entry.h>
#include <endian.h>
#include <errno.h>
#include <linux/posix_acl_xattr.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "templates/gzip.h"
#include "templates/image.h"
#include "templates/source.h"
#include "templates/tree.h"
#include "util/exits.h"
#include "util/str.h"

#define CHUNK 262144
#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"
#define ACL_MAX 200             /* entries */

static int bad_archive(struct archive *a, const char *what, struct err *e)
{
	const char *why = archive_error_string(a);
	char shown[200];

	tree_show(why ? why : "not readable", shown);
	if (strstr(shown, "Unrecognized archive format"))
		(void)str_fmt(shown, sizeof(shown),
			      "not a tar archive, plain or by gzip, xz or zstd");
	return err_set(e, EINVAL, VZ_BAD_TEMPLATE, "%s: %s", what, shown);
}

/* ---- one member ---- */

static void acl_put(uint8_t *p, uint16_t tag, uint16_t perm, uint32_t id)
{
	uint16_t t = htole16(tag), m = htole16(perm);
	uint32_t i = htole32(id);

	memcpy(p, &t, 2);
	memcpy(p + 2, &m, 2);
	memcpy(p + 4, &i, 4);
}

static uint16_t acl_tag(int tag)
{
	switch (tag) {
	case ARCHIVE_ENTRY_ACL_USER_OBJ:
		return 0x01;
	case ARCHIVE_ENTRY_ACL_USER:
		return 0x02;
	case ARCHIVE_ENTRY_ACL_GROUP_OBJ:
		return 0x04;
	case ARCHIVE_ENTRY_ACL_GROUP:
		return 0x08;
	case ARCHIVE_ENTRY_ACL_MASK:
		return 0x10;
	default:
		return 0x20;
	}
}

/* The kernel wants them by tag, then by number (posix_acl_valid). */
static void acl_sort(uint8_t *list, size_t n)
{
	for (size_t i = 1; i < n; i++)
		for (size_t k = i; k; k--) {
			uint8_t *a = list + 8 * (k - 1), *b = list + 8 * k, tmp[8];
			uint64_t x, y;

			x = (uint64_t)(a[0] | a[1] << 8) << 32 | a[4] | (uint64_t)a[5] << 8;
			y = (uint64_t)(b[0] | b[1] << 8) << 32 | b[4] | (uint64_t)b[5] << 8;
			if (x <= y)
				break;
			memcpy(tmp, a, 8);
			memcpy(a, b, 8);
			memcpy(b, tmp, 8);
		}
}

static int take_acl(struct inode *in, struct archive_entry *ent, int type, const char *name,
		    struct err *e)
{
	uint8_t buf[4 + 8 * ACL_MAX];
	int kind, perm, tag, id;
	const char *who;
	size_t n = 0;
	int r;

	if (archive_entry_acl_reset(ent, type) <= 3 && type == ARCHIVE_ENTRY_ACL_TYPE_ACCESS)
		return 0;               /* no more than the mode says */
	acl_put(buf, POSIX_ACL_XATTR_VERSION, 0, 0);
	while (archive_entry_acl_next(ent, type, &kind, &perm, &tag, &id, &who) == ARCHIVE_OK) {
		uint16_t t = acl_tag(tag);

		if (n == ACL_MAX)
			return err_set(e, E2BIG, VZ_BAD_TEMPLATE, "unpack: more than %d ACL entries",
				       ACL_MAX);
		acl_put(buf + 4 + 8 * n++, t, (uint16_t)(perm & 7),
			t == 0x02 || t == 0x08 ? (uint32_t)id : ~0U);
	}
	if (!n)
		return 0;
	acl_sort(buf + 4, n);
	r = tree_xattr(in, name, buf, 4 + 8 * n, e);
	return r < 0 ? r : 0;
}

static int take_xattrs(struct source *s, struct inode *in, struct archive_entry *ent,
		       struct err *e)
{
	const char *name;
	const void *value;
	size_t len;
	int r = 0;

	archive_entry_xattr_reset(ent);
	while (r >= 0 && archive_entry_xattr_next(ent, &name, &value, &len) == ARCHIVE_OK) {
		if (!name || str_starts(name, "system.posix_acl_"))
			continue;               /* comes as an ACL */
		r = tree_xattr(in, name, value, len, e);
		s->rep.xattrs += r == 0;
	}
	if (r >= 0)
		r = take_acl(in, ent, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, "system.posix_acl_access", e);
	if (r >= 0 && S_ISDIR(in->mode))
		r = take_acl(in, ent, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, "system.posix_acl_default", e);
	return r < 0 ? r : 0;
}

static int take_content(struct source *s, struct archive *a, struct archive_entry *ent,
			struct inode *in, struct err *e)
{
	int64_t size = archive_entry_size(ent), at = 0, off;
	const void *data;
	size_t len;
	int r = size < 0 ? err_set(e, EINVAL, VZ_BAD_TEMPLATE, "unpack: a file of negative size") :
			   image_begin(&s->image, in, (uint64_t)size, e);

	while (!r) {
		int got = archive_read_data_block(a, &data, &len, &off);

		if (got == ARCHIVE_EOF)
			break;
		if (got != ARCHIVE_OK)
			return bad_archive(a, "read archive", e);
		if (off < at || off > size || (int64_t)len > size - off)
			return err_set(e, EINVAL, VZ_BAD_TEMPLATE, "unpack: a file larger than it says");
		r = image_zeros(&s->image, (uint64_t)(off - at), e);
		if (!r)
			r = image_data(&s->image, data, len, e);
		at = off + (int64_t)len;
	}
	if (!r)
		r = image_zeros(&s->image, (uint64_t)(size - at), e);
	return r < 0 ? r : image_end(&s->image, e);
}

/* A .wh.* name in a layer. Returns 1 when it was one. */
static int take_whiteout(struct source *s, const char *path, struct err *e)
{
	char at[TREE_PATH_MAX + 1];
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	int dir = slash ? (int)(slash - path) : 0, r;

	if (!str_starts(name, WHITEOUT))
		return 0;
	if (str_eq(name, OPAQUE))
		r = str_fmt(at, sizeof(at), "%.*s", dir, path);
	else
		r = str_fmt(at, sizeof(at), "%.*s%s%s", dir, path, slash ? "/" : "",
			    name + strlen(WHITEOUT));
	if (r < 0 || (!str_eq(name, OPAQUE) && (!name[4] || str_eq(name + 4, ".") ||
						str_eq(name + 4, ".."))))
		return err_set(e, EINVAL, VZ_BAD_TEMPLATE, "unpack: a whiteout of nothing");
	r = str_eq(name, OPAQUE) ? tree_opaque(&s->tree, *at ? at : ".", e) :
				   tree_whiteout(&s->tree, at, e);
	return r < 0 ? r : 1;
}

static bool is_below(const char *path, const char *dir, size_t len)
{
	return strncmp(path, dir, len) == 0 && (!path[len] || path[len] == '/');
}

/* A member's path as seen from the prefix. Returns 1, 0 when it lies elsewhere or is left out. */
static int below_prefix(const struct source *s, const char *path, char dst[TREE_PATH_MAX + 1],
			struct err *e)
{
	char at[TREE_PATH_MAX + 1], shown[200];
	size_t len = s->prefix ? strlen(s->prefix) : 0;
	const char *why = NULL, *rest = at;

	if (tree_path(path, at, &why) < 0) {
		tree_show(path, shown);
		return err_set(e, EINVAL, VZ_BAD_TEMPLATE, "unpack \"%s\": %s", shown, why);
	}
	if (len && !is_below(at, s->prefix, len))
		return 0;
	if (len)
		rest = at[len] ? at + len + 1 : at + len;
	if (s->drop && is_below(rest, s->drop, strlen(s->drop)))
		return 0;
	(void)str_fmt(dst, TREE_PATH_MAX + 1, "%s", *rest ? rest : ".");
	return 1;
}

static int take_link(struct source *s, const char *path, const char *to, struct err *e)
{
	char at[TREE_PATH_MAX + 1], shown[200];
	int r;

	if (!s->prefix && !s->drop)
		return tree_link(&s->tree, path, to, e);
	r = below_prefix(s, to, at, e);
	if (r > 0)
		return tree_link(&s->tree, path, at, e);
	tree_show(path, shown);
	return r < 0 ? r : err_set(e, EINVAL, VZ_BAD_TEMPLATE,
				   "unpack \"%s\": a hard link out of the root", shown);
}

static int take_member(struct source *s, struct archive *a, struct archive_entry *ent,
		       const char *path, struct err *e)
{
	mode_t type = archive_entry_filetype(ent);
	int64_t uid = archive_entry_uid(ent), gid = archive_entry_gid(ent);
	struct tree_meta m = {
		.mode = type | (archive_entry_perm(ent) & 07777),
		.uid = uid < 0 || uid > UINT32_MAX ? UINT32_MAX : (uint32_t)uid,
		.gid = gid < 0 || gid > UINT32_MAX ? UINT32_MAX : (uint32_t)gid,
		.mtime = archive_entry_mtime(ent),
		.nsec = (uint32_t)archive_entry_mtime_nsec(ent),
	};
	const char *hard = archive_entry_hardlink(ent), *soft = NULL;
	struct inode *in;
	int r;

	if (hard)
		return take_link(s, path, hard, e);
	if (type == S_IFCHR || type == S_IFBLK || type == S_IFSOCK) {
		s->rep.devices++;
		return 0;
	}
	if (type == S_IFLNK)
		soft = archive_entry_symlink(ent) ? archive_entry_symlink(ent) : "";
	else if (type != S_IFREG && type != S_IFDIR && type != S_IFIFO)
		return err_set(e, EINVAL, VZ_BAD_TEMPLATE, "unpack: a member of unknown type");
	r = tree_put(&s->tree, path, &m, soft, &in, e);
	if (!r)
		r = take_xattrs(s, in, ent, e);
	return r < 0 || type != S_IFREG ? r : take_content(s, a, ent, in, e);
}

static int take_entry(void *arg, struct archive *a, struct archive_entry *ent, struct err *e)
{
	struct source *s = arg;
	const char *path = archive_entry_pathname(ent);
	char at[TREE_PATH_MAX + 1], shown[200];
	int r;

	if (!path)
		return err_set(e, EILSEQ, VZ_BAD_TEMPLATE, "unpack: a name that is not UTF-8");
	if (s->prefix || s->drop) {
		r = below_prefix(s, path, at, e);
		if (r <= 0)
			return r;
		path = at;
	}
	r = s->layers ? take_whiteout(s, path, e) : 0;
	if (r)
		return r < 0 ? r : 0;
	r = take_member(s, a, ent, path, e);
	if (r == 0 || str_starts(e->msg, "unpack \""))
		return r;
	tree_show(path, shown);
	return err_wrap(e, "\"%.100s\"", shown);
}

/* ---- the archive ---- */

/*
 * Without its end mark (two blocks of zeros) an archive may have been cut between two members.
 * Only a plain file shows where it ends; compression has an end mark of its own.
 */
static int check_end(struct archive *a, int fd, struct err *e)
{
	struct stat st;

	if (archive_filter_count(a) > 1 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_size >= archive_read_header_position(a) + 512)
		return 0;
	return err_set(e, EINVAL, VZ_BAD_TEMPLATE, "read archive: it is cut off");
}

static int read_all(struct archive *a, source_fn *fn, void *arg, struct err *e)
{
	struct archive_entry *ent;
	int r = 0;

	while (!r) {
		int got = archive_read_next_header(a, &ent);

		if (got == ARCHIVE_EOF)
			return 0;
		r = got == ARCHIVE_OK ? fn(arg, a, ent, e) : bad_archive(a, "read archive", e);
	}
	return r;
}

static int open_tar(struct archive *a, int fd, struct gzip *g, struct err *e)
{
	/* Named one by one: "all" would add formats nobody asked for, and outside programs. */
	if (archive_read_support_format_tar(a) == ARCHIVE_OK &&
	    (g || (archive_read_support_filter_xz(a) == ARCHIVE_OK &&
		   archive_read_support_filter_zstd(a) == ARCHIVE_OK)) &&
	    (g ? archive_read_open(a, g, NULL, gzip_read, NULL) :
		 archive_read_open_fd(a, fd, CHUNK)) == ARCHIVE_OK)
		return 0;
	return bad_archive(a, "open archive", e);
}

/* gzip and xz hold checks of their content at their end: all of it has to be read. */
static int read_rest(struct archive *a, int fd, struct gzip *g, struct err *e)
{
	const void *p;
	ssize_t n;

	while (g && (n = gzip_read(a, g, &p)) != 0)
		if (n < 0)
			return bad_archive(a, "read archive", e);
	return g ? 0 : check_end(a, fd, e);
}

int source_each(int fd, source_fn *fn, void *arg, struct err *e)
{
	struct archive *a = archive_read_new();
	bool packed = gzip_is(fd);
	struct gzip *g = packed ? gzip_new(fd) : NULL;
	int r = 0;

	if (!a || (packed && !g))
		r = err_set(e, ENOMEM, 0, "read archive: out of memory");
	if (!r)
		r = open_tar(a, fd, g, e);
	if (!r)
		r = read_all(a, fn, arg, e);
	if (!r)
		r = read_rest(a, fd, g, e);
	(void)archive_read_free(a);
	gzip_free(g);
	return r;
}

int source_tar(struct source *s, int fd, bool layers, struct err *e)
{
	s->layers = layers;
	return source_each(fd, take_entry, s, e);
}
