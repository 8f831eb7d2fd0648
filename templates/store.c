/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Versions and channels. A version exists when its manifest does: the image is in place
 * before the manifest is written and leaves after the manifest has gone, so that no half of
 * one can ever be seen. Adding and removing hold a lock on the store's directory.
 */
#include "templates/store.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "templates/channel.h"
#include "templates/manifest.h"
#include "templates/pack.h"
#include "templates/verify.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "util/sys-lock.h"

#define EROFS_MAGIC 0xe0f5e1e2u

static int open_made(int at, const char *path, mode_t mode, int *ret, struct err *e)
{
	int r = fs_mkdir_p(at, path, mode, e);

	return r < 0 ? r : fs_open_dir(at, path, ret, e);
}

int store_open(int lib, int run, struct store *ret, struct err *e)
{
	struct store s = STORE_INIT;
	int r = open_made(lib, "template/store", 0755, &s.dir, e);

	if (!r)
		r = open_made(lib, "template/channels", 0755, &s.channels, e);
	if (!r)
		r = open_made(run, "template", 0700, &s.run, e);
	if (r < 0) {
		store_close(&s);
		return err_wrap(e, "open template store");
	}
	*ret = s;
	return 0;
}

void store_close(struct store *s)
{
	cleanup_fd(&s->dir);
	cleanup_fd(&s->channels);
	cleanup_fd(&s->run);
}

/* The lock is on an open file description of its own: the caller's fd may be shared. */
static int lock_store(const struct store *s, int *ret, struct err *e)
{
	return flock_path(s->dir, ".", "the template store", FLOCK_WORK_MS, ret, e);
}

void store_name(const struct template *t, char dst[STORE_NAME])
{
	(void)str_fmt(dst, STORE_NAME, "%.64s.%s", t->digest, t->disk ? "disk" : "erofs");
}

/* ---- find ---- */

static int not_found(const char *name, struct err *e)
{
	return err_set(e, ENOENT, VZ_NO_TEMPLATE, "find template %s: not in the store", name);
}

/* A name that reads as a digest is never a channel, or one could stand in for a version. */
static bool is_digest_like(const char *name)
{
	return manifest_hex_ok(name, 0) && strlen(name) >= MANIFEST_PREFIX_MIN;
}

static int read_channel(const struct store *s, const char *name, char digest[DIGEST_LEN + 1],
			struct err *e)
{
	_free_ struct channel *c = malloc(sizeof(*c));
	int r = c ? channel_load(s, name, c, e) : err_set(e, ENOMEM, 0, "find template: out of memory");

	if (!r)
		memcpy(digest, c->steps[0].digest, DIGEST_LEN + 1);
	return r;
}

/* Next version of a directory walk into digest. */
static bool next_version(DIR *d, char digest[DIGEST_LEN + 1])
{
	struct dirent *de;

	while ((de = readdir(d))) {
		if (!str_ends(de->d_name, ".json") ||
		    str_fmt(digest, DIGEST_LEN + 1, "%.*s", (int)strlen(de->d_name) - 5,
			    de->d_name) < 0)
			continue;
		if (manifest_hex_ok(digest, DIGEST_LEN))
			return true;
	}
	return false;
}

static DIR *open_walk(int dfd)
{
	int fd = openat(dfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		cleanup_fd(&fd);
	return d;
}

static int find_prefix(const struct store *s, const char *prefix, char digest[DIGEST_LEN + 1],
		       struct err *e)
{
	_dir_ DIR *d = open_walk(s->dir);
	char one[DIGEST_LEN + 1];
	unsigned hits = 0;

	if (!d)
		return err_sys(e, "read template store");
	while (next_version(d, one)) {
		if (!str_starts(one, prefix))
			continue;
		hits++;
		memcpy(digest, one, sizeof(one));
	}
	if (!hits)
		return not_found(prefix, e);
	if (hits > 1)
		return err_set(e, EINVAL, VZ_NO_TEMPLATE, "find template %s: %u versions begin so",
			       prefix, hits);
	return 0;
}

int store_find(const struct store *s, const char *name, struct template *ret, struct err *e)
{
	char digest[DIGEST_LEN + 1];
	int r;

	if (!manifest_name_ok(name) && !manifest_hex_ok(name, DIGEST_LEN))
		return err_set(e, EINVAL, VZ_NO_TEMPLATE, "find template: \"%.64s\" is no name",
			       str_has_control(name) ? "?" : name);
	r = is_digest_like(name) ? find_prefix(s, name, digest, e) :
				   read_channel(s, name, digest, e);
	return r < 0 ? r : manifest_load(s->dir, digest, ret, e);
}

/* ---- add ---- */

static int check_image(int fd, bool disk, const char *name, struct err *e)
{
	uint32_t magic;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat %s", name);
	if (disk && S_ISREG(st.st_mode))
		return 0;
	if (!S_ISREG(st.st_mode) || fs_pread_all(fd, &magic, sizeof(magic), 1024) < 0 ||
	    le32toh(magic) != EROFS_MAGIC)
		return err_set(e, EINVAL, VZ_BAD_TEMPLATE, "add %s: not an erofs image", name);
	return 0;
}

/* A good image of the same digest stays: VEs may have it mounted. */
static bool have_good(const struct store *s, const struct template *t)
{
	struct err ignored = ERR_INIT;
	char name[STORE_NAME];
	_fd_ int fd = -1;

	store_name(t, name);
	fd = openat(s->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	return fd >= 0 && check_image(fd, t->disk, name, &ignored) == 0 &&
	       verify_image(fd, t->digest, &ignored) == 0;
}

static int place_image(const struct store *s, int dfd, const char *image, int fd,
		       const struct template *t, struct err *e)
{
	char name[STORE_NAME];

	if (have_good(s, t))
		return unlinkat(dfd, image, 0) < 0 ? err_sys(e, "remove %s", image) : 0;
	store_name(t, name);
	if (fchmod(fd, 0444) < 0 || fsync(fd) < 0)
		return err_sys(e, "add %s", image);
	if (renameat(dfd, image, s->dir, name) < 0)
		return err_sys(e, "move %s into the template store", image);
	if (fsync(s->dir) < 0)
		return err_sys(e, "sync template store");
	return 0;
}

/* What is known of its content (templates/pack.h), beside the image before the manifest is. */
static int place_beside(const struct store *s, int dfd, struct template *t, struct err *e)
{
	static const char *const names[] = { PACK_FILES, PACK_PACKAGES, PACK_SIGNATURE };
	char to[DIGEST_LEN + 16];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_fd_ int fd = openat(dfd, names[i], O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		int r = 0;

		if (fd < 0 && errno == ENOENT)
			continue;
		(void)str_fmt(to, sizeof(to), "%.64s.%s", t->digest, names[i]);
		if (fd < 0 || fchmod(fd, 0644) < 0 || fsync(fd) < 0)
			return err_sys(e, "add %s", names[i]);
		if (str_eq(names[i], PACK_FILES))
			r = verify_digest(fd, t->files, e);
		if (r < 0)
			return r;
		if (renameat(dfd, names[i], s->dir, to) < 0)
			return err_sys(e, "move %s into the template store", names[i]);
	}
	return 0;
}

static int check_words(const struct template *t, struct err *e)
{
	if (!manifest_channel_ok(t->name))
		return err_set(e, EINVAL, VZ_BAD_VALUE, "add template: \"%.63s\" is no channel name",
			       str_has_control(t->name) ? "?" : t->name);
	if (!manifest_name_ok(t->arch) || !manifest_name_ok(t->distribution) ||
	    !manifest_name_ok(t->init))
		return err_set(e, EINVAL, VZ_BAD_VALUE,
			       "add template %s: bad architecture, distribution or init", t->name);
	return 0;
}

static bool has_channel(const struct store *s, const char *name)
{
	return faccessat(s->channels, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* What becomes of the channel of its name. */
enum move { POINT, POINT_NEW, LEAVE };

static int add(const struct store *s, int dfd, const char *image, struct template *t,
	       enum move move, struct err *e)
{
	_fd_ int fd = -1, lock = -1;
	struct template new = *t, old;
	struct err ignored = ERR_INIT;
	struct stat st;
	int r = check_words(t, e);

	if (r < 0)
		return r;
	fd = openat(dfd, image, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open %s", image);
	r = check_image(fd, t->disk, image, e);
	if (!r)
		r = verify_digest(fd, new.digest, e);
	if (!r)
		r = lock_store(s, &lock, e);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat %s", image);
	new.size = (uint64_t)st.st_size;
	if (!new.created)
		new.created = (uint64_t)time(NULL);
	new.fresh = true;
	r = place_image(s, dfd, image, fd, &new, e);
	if (!r)
		r = place_beside(s, dfd, &new, e);
	if (!r && manifest_load(s->dir, new.digest, &old, &ignored) == 0) {
		/* Known already: it keeps its first name and date. */
		(void)str_fmt(new.name, sizeof(new.name), "%s", old.name);
		(void)str_fmt(new.origin, sizeof(new.origin), "%s", old.origin);
		if (!*new.signer)
			(void)str_fmt(new.signer, sizeof(new.signer), "%s", old.signer);
		new.created = old.created;
		new.fresh = false;
	}
	if (!r)
		r = manifest_save(s->dir, &new, e);
	if (!r && (move == POINT || (move == POINT_NEW && !has_channel(s, t->name))))
		r = channel_point(s, t->name, new.digest, e);
	if (!r)
		*t = new;
	return r;
}

int store_add(const struct store *s, int dfd, const char *image, struct template *t,
	      struct err *e)
{
	return add(s, dfd, image, t, POINT, e);
}

int store_add_beside(const struct store *s, int dfd, const char *image, struct template *t,
		     struct err *e)
{
	return add(s, dfd, image, t, POINT_NEW, e);
}

int store_add_private(const struct store *s, int dfd, const char *image, struct template *t,
		      struct err *e)
{
	return add(s, dfd, image, t, LEAVE, e);
}

int store_open_image(const struct store *s, const char *digest, int *ret_fd, char **ret_signature,
		     struct err *e)
{
	char name[DIGEST_LEN + 16];
	_fd_ int fd = -1;
	int r;

	(void)str_fmt(name, sizeof(name), "%.64s.erofs", digest);
	fd = openat(s->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open template %.12s", digest);
	(void)str_fmt(name, sizeof(name), "%.64s.%s", digest, PACK_SIGNATURE);
	*ret_signature = NULL;
	r = fs_read_at(s->dir, name, 4096, ret_signature, NULL, e);
	if (r == -ENOENT) {
		err_clear(e);
		r = 0;
	}
	if (!r)
		*ret_fd = TAKE_FD(fd);
	return r;
}


/* ---- list, verify, tag, remove ---- */

static int newest_first(const void *a, const void *b)
{
	const struct template *x = a, *y = b;

	if (x->created != y->created)
		return x->created < y->created ? 1 : -1;
	return strcmp(x->digest, y->digest);
}

/* A version with a broken manifest is left out; asking for it by digest says what is wrong. */
int store_list(const struct store *s, struct template **ret, size_t *ret_n, struct err *e)
{
	_dir_ DIR *d = open_walk(s->dir);
	_free_ struct template *list = NULL;
	char digest[DIGEST_LEN + 1];
	size_t n = 0;

	if (!d)
		return err_sys(e, "read template store");
	while (next_version(d, digest)) {
		struct err ignored = ERR_INIT;
		struct template *more = reallocarray(list, n + 1, sizeof(*list));

		if (!more)
			return err_set(e, ENOMEM, 0, "list templates: out of memory");
		list = more;
		if (manifest_load(s->dir, digest, &list[n], &ignored) == 0)
			n++;
	}
	if (n)
		qsort(list, n, sizeof(*list), newest_first);
	*ret = TAKE_PTR(list);
	*ret_n = n;
	return 0;
}

/* The digest of "DIGEST.erofs" and its like, where there is no DIGEST.json. */
static bool is_left(const struct store *s, const char *name, char digest[DIGEST_LEN + 1])
{
	char manifest[DIGEST_LEN + 8];

	if (str_fmt(digest, DIGEST_LEN + 1, "%.*s", (int)strcspn(name, "."), name) < 0 ||
	    !manifest_hex_ok(digest, DIGEST_LEN))
		return false;
	(void)str_fmt(manifest, sizeof(manifest), "%s.json", digest);
	return faccessat(s->dir, manifest, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

/* One entry for all files of a digest. */
static int add_left(struct template **list, size_t *n, const char *digest, uint64_t size)
{
	struct template *more;

	for (size_t i = 0; i < *n; i++)
		if (str_eq((*list)[i].digest, digest)) {
			(*list)[i].size += size;
			return 0;
		}
	more = reallocarray(*list, *n + 1, sizeof(**list));
	if (!more)
		return -ENOMEM;
	*list = more;
	more[*n] = (struct template){ .name = "unfinished", .size = size, .left = true };
	memcpy(more[(*n)++].digest, digest, DIGEST_LEN + 1);
	return 0;
}

int store_list_left(const struct store *s, struct template **ret, size_t *ret_n, struct err *e)
{
	_fd_ int lock = -1;
	_dir_ DIR *d = open_walk(s->dir);
	_free_ struct template *list = NULL;
	char digest[DIGEST_LEN + 1];
	struct dirent *de;
	struct stat st;
	size_t n = 0;
	int r = d ? lock_store(s, &lock, e) : err_sys(e, "read template store");

	if (r < 0)
		return r;
	while ((de = readdir(d)))
		if (is_left(s, de->d_name, digest) &&
		    fstatat(s->dir, de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    add_left(&list, &n, digest, (uint64_t)st.st_size) < 0)
			return err_set(e, ENOMEM, 0, "list templates: out of memory");
	*ret = TAKE_PTR(list);
	*ret_n = n;
	return 0;
}

static int tag_locked(const struct store *s, const char *digest, const char *channel,
		      struct err *e)
{
	struct template t;
	int r;

	if (!manifest_channel_ok(channel))
		return err_set(e, EINVAL, VZ_BAD_VALUE, "tag template: \"%.64s\" is no channel name",
			       str_has_control(channel) ? "?" : channel);
	r = manifest_load(s->dir, digest, &t, e);
	return r < 0 ? r : channel_point(s, channel, digest, e);
}

int store_tag(const struct store *s, const char *digest, const char *channel, struct err *e)
{
	_fd_ int hold = -1, lock = -1;
	int r = store_hold(s, digest, &hold, e);

	if (!r)
		r = lock_store(s, &lock, e);
	return r < 0 ? r : tag_locked(s, digest, channel, e);
}

static int remove_file(int dir, const char *digest, const char *suffix, struct err *e)
{
	char name[DIGEST_LEN + 16];

	(void)str_fmt(name, sizeof(name), "%.64s%s", digest, suffix);
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return err_sys(e, "remove %s", name);
	return 0;
}

static int remove_version(const struct store *s, const char *digest, struct err *e)
{
	static const char *const parts[] = { ".json", ".erofs", ".disk", ".files", ".packages",
					     ".minisig" };
	int r;

	if (store_is_mounted(s, digest))
		return err_set(e, EBUSY, VZ_MOUNTED, "remove template %.12s: a VE is using it",
			       digest);
	r = channel_remove_to(s, digest, e);
	for (size_t i = 0; !r && i < ARRAY_SIZE(parts); i++)
		r = remove_file(s->dir, digest, parts[i], e);
	if (!r)
		r = remove_file(s->run, digest, ".json", e);
	if (!r)
		r = remove_file(s->run, digest, ".lock", e);
	return r;
}

int store_remove(const struct store *s, const char *name, struct err *e)
{
	struct template t;
	_fd_ int lock = -1;
	int r = lock_store(s, &lock, e);

	if (!r)
		r = store_find(s, name, &t, e);
	if (r < 0)
		return r;
	if (is_digest_like(name))
		return remove_version(s, t.digest, e);
	if (unlinkat(s->channels, name, 0) < 0)
		return err_sys(e, "remove channel %s", name);
	return 0;
}

int store_remove_left(const struct store *s, const char *digest, struct err *e)
{
	char again[DIGEST_LEN + 1];
	_fd_ int lock = -1;
	int r = lock_store(s, &lock, e);

	return r < 0 || !is_left(s, digest, again) ? r : remove_version(s, digest, e);
}
