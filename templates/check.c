/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Verifying a version to the last byte, and copying it out. The list of files (templates/image.h)
 * tells where in the image each content lies, so that a bad one is named without mounting what
 * cannot be trusted any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "templates/image.h"
#include "templates/manifest.h"
#include "templates/store.h"
#include "templates/verify.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/parse.h"
#include "util/str.h"
#include "util/sys-copy.h"
#include "util/sys-fs.h"

#define MAX_LIST (256u << 20)
#define CHUNK 65536

static int open_part(const struct store *s, const char *digest, const char *suffix, int *ret,
		     struct err *e)
{
	char name[DIGEST_LEN + 16];

	(void)str_fmt(name, sizeof(name), "%.64s.%s", digest, suffix);
	*ret = openat(s->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (*ret >= 0)
		return 0;
	(void)err_sys(e, "open template %.12s.%s", digest, suffix);
	return err_exit(e, e->eno == ENOENT ? VZ_NO_TEMPLATE : VZ_BAD_TEMPLATE);
}

/* ---- verify ---- */

static bool hash_range(struct sha256_ctx *sha, int fd, uint64_t at, uint64_t len)
{
	uint8_t buf[CHUNK];

	while (len) {
		size_t n = len < CHUNK ? (size_t)len : CHUNK;

		if (fs_pread_all(fd, buf, n, (off_t)at) < 0)
			return false;
		sha256_update(sha, n, buf);
		at += n;
		len -= n;
	}
	return true;
}

/* TYPE MODE UID GID SIZE HASH BLOCK TAIL PATH; the path may have blanks. */
struct line {
	char word[8][72];
	const char *path;
	size_t path_len;
};

static bool split(const char *text, size_t len, struct line *l)
{
	const char *p = text;

	for (size_t i = 0; i < ARRAY_SIZE(l->word); i++) {
		size_t n = strcspn(p, " \n");

		if (p[n] != ' ' || str_fmt(l->word[i], sizeof(l->word[i]), "%.*s", (int)n, p) < 0)
			return false;
		p += n + 1;
	}
	l->path = p;
	l->path_len = (size_t)(text + len - p);
	return p < text + len;
}

/* A line that makes no sense is no good content either. */
static bool content_ok(int image, const struct line *l)
{
	uint64_t size, block = 0, tail = 0, whole;
	uint8_t sum[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha;
	char have[65];

	if (l->word[0][0] != 'f')
		return true;
	if (parse_u64(l->word[4], 0, INT64_MAX, &size) < 0 ||
	    (!str_eq(l->word[6], "-") && parse_u64(l->word[6], 0, UINT32_MAX, &block) < 0) ||
	    (!str_eq(l->word[7], "-") && parse_u64(l->word[7], 0, INT64_MAX, &tail) < 0))
		return false;
	whole = tail ? size / IMAGE_BLOCK * IMAGE_BLOCK : size;
	sha256_init(&sha);
	if (!hash_range(&sha, image, block * IMAGE_BLOCK, whole) ||
	    !hash_range(&sha, image, tail, size - whole))
		return false;
	sha256_digest(&sha, sizeof(sum), sum);
	for (size_t i = 0; i < sizeof(sum); i++)
		(void)str_fmt(have + 2 * i, 3, "%02x", sum[i]);
	return str_eq(have, l->word[5]);
}

/* The first file that is not what the list says; false when all are. */
static bool first_bad(int image, const char *list, char dst[200])
{
	struct line l;

	for (const char *p = list; *p;) {
		size_t n = strcspn(p, "\n");

		if (split(p, n, &l) && !content_ok(image, &l)) {
			(void)str_fmt(dst, 200, "%s%.*s", l.path_len > 190 ? "..." : "",
				      (int)(l.path_len > 190 ? 190 : l.path_len),
				      l.path + (l.path_len > 190 ? l.path_len - 190 : 0));
			for (char *c = dst; *c; c++)
				if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f)
					*c = '?';
			return true;
		}
		p += n + (p[n] == '\n');
	}
	return false;
}

/* The list, if it is what the manifest says it was; else NULL and why. */
static char *good_list(const struct store *s, const struct template *t, struct err *e)
{
	char sum[DIGEST_LEN + 1];
	_fd_ int fd = -1;
	char *text = NULL;

	if (open_part(s, t->digest, "files", &fd, e) < 0 || verify_digest(fd, sum, e) < 0)
		return NULL;
	if (!str_eq(sum, t->files)) {
		(void)err_set(e, EBADMSG, VZ_BAD_TEMPLATE,
			      "verify template %.12s: its list of files has digest %s", t->digest, sum);
		return NULL;
	}
	return fs_read_fd(fd, "list of files", MAX_LIST, &text, NULL, e) < 0 ? NULL : text;
}

static int name_bad(const struct store *s, const struct template *t, int image, struct err *e)
{
	struct err ignored = ERR_INIT;
	_free_ char *list = *t->files ? good_list(s, t, &ignored) : NULL;
	char path[200];

	if (!list)
		return err_wrap(e, "no list of its files");
	if (first_bad(image, list, path))
		return err_set(e, EBADMSG, VZ_BAD_TEMPLATE,
			       "verify template %.12s: the content of %s is damaged", t->digest, path);
	return err_set(e, EBADMSG, VZ_BAD_TEMPLATE,
		       "verify template %.12s: its image is damaged outside the content of files",
		       t->digest);
}

int store_verify(const struct store *s, const char *digest, struct err *e)
{
	_free_ char *list = NULL;
	struct template t;
	_fd_ int fd = -1;
	int r = manifest_load(s->dir, digest, &t, e);

	if (!r)
		r = open_part(s, digest, t.disk ? "disk" : "erofs", &fd, e);
	if (r < 0)
		return r;
	r = verify_image(fd, digest, e);
	if (r == -EBADMSG)
		return name_bad(s, &t, fd, e);
	if (r < 0 || !*t.files)
		return r;
	list = good_list(s, &t, e);
	return list ? 0 : -e->eno;
}

/* ---- export ---- */

static int copy_out(const struct store *s, const char *digest, const char *suffix,
		    const char *path, struct err *e)
{
	bool image = str_eq(suffix, "erofs") || str_eq(suffix, "disk");
	_fd_ int from = -1, to = -1;
	char sum[DIGEST_LEN + 1];
	int r = open_part(s, digest, suffix, &from, e);

	if (r == -ENOENT && !image) {
		err_clear(e);           /* not every version has every part */
		return 0;
	}
	if (r < 0)
		return r;
	to = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (to < 0)
		return err_sys(e, "write %s", path);
	r = copy_sparse(from, to, NULL, e);
	if (!r && fsync(to) < 0)
		r = err_sys(e, "write %s", path);
	if (!r && image)
		r = verify_digest(to, sum, e);
	if (!r && image && !str_eq(sum, digest))
		r = err_set(e, EBADMSG, VZ_BAD_TEMPLATE,
			    "export template %.12s: its image has digest %s", digest, sum);
	if (r < 0)
		(void)unlink(path);
	return r < 0 && (e->eno == ENOSPC || e->eno == EDQUOT) ? err_exit(e, VZ_NO_DISK_SPACE) : r;
}

int store_export(const struct store *s, const char *digest, const char *path, struct err *e)
{
	const char *parts[] = { "erofs", "json", "files", "packages", "minisig" };
	char to[ARRAY_SIZE(parts)][4096];
	struct template t;
	size_t n;
	int r = manifest_load(s->dir, digest, &t, e);

	if (r < 0)
		return r;
	if (t.disk)
		parts[0] = "disk";

	for (n = 0; n < ARRAY_SIZE(parts); n++)
		if (str_fmt(to[n], sizeof(to[n]), "%s%s%s", path, n ? "." : "", n ? parts[n] : "") < 0)
			return err_set(e, ENAMETOOLONG, VZ_BAD_VALUE, "export: path too long");
	for (n = 0; n < ARRAY_SIZE(parts) && !r; n++)
		r = copy_out(s, digest, parts[n], to[n], e);
	/* What this call made goes again; what was in the way stays. */
	for (size_t i = 0; r < 0 && i + 1 < n; i++)
		(void)unlink(to[i]);
	return r;
}
