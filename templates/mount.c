/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mounting a version. The record run/DIGEST.json says, for this boot, which file was verified
 * (device, inode, size, times) and which loop device carries it.
 *
 * Sharing: an erofs mounted twice from one block device is one superblock, and so one page
 * cache, for all VEs. The device is autoclear: it goes with the last VE, and the record is
 * then merely out of date. Nothing relies on the record alone: loop_reopen compares the file.
 *
 * Order: the record is read without a lock (it is replaced by rename), which is what the
 * start of the second and every later VE does. Only who finds it out of date takes the lock,
 * looks again, hashes, attaches and writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "templates/store.h"
#include "storage/fsctx.h"
#include "storage/loop.h"
#include "templates/verify.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/json.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "util/sys-lock.h"
#include "util/sys-proc.h"

#define MAX_RECORD 4096
#define NAME_SIZE (DIGEST_LEN + 8)

/* What identifies the bytes of a file as long as only honest root writes to the store. */
struct ident {
	uint64_t dev, ino, size, mtime, ctime;
};

static uint64_t nsec(struct timespec t)
{
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int ident_of(int fd, struct ident *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	*ret = (struct ident){ st.st_dev, st.st_ino, (uint64_t)st.st_size, nsec(st.st_mtim),
			       nsec(st.st_ctim) };
	return 0;
}

/* Loop device of the record when it is of this boot and this very file; else -1. */
static bool record_load(int run, const char *digest, const struct ident *id, int *ret_loop)
{
	char name[NAME_SIZE], boot[37];
	struct err ignored = ERR_INIT;  /* an unreadable record is no record */
	_free_ char *text = NULL;
	struct json_val *v;
	size_t len;
	bool same;

	(void)str_fmt(name, sizeof(name), "%s.json", digest);
	if (proc_boot_id(boot) < 0 ||
	    fs_read_at(run, name, MAX_RECORD, &text, &len, &ignored) < 0 ||
	    json_parse(text, len, name, &v, &ignored) < 0)
		return false;
	same = str_eq(json_get_str(v, "boot", ""), boot) && json_get_u64(v, "dev", 0) == id->dev &&
	       json_get_u64(v, "ino", 0) == id->ino && json_get_u64(v, "size", 0) == id->size &&
	       json_get_u64(v, "mtime", 0) == id->mtime && json_get_u64(v, "ctime", 0) == id->ctime;
	*ret_loop = (int)json_get_u64(v, "loop", INT32_MAX);
	json_val_free(v);
	return same;
}

static int record_save(int run, const char *digest, const struct ident *id, int loop,
		       struct err *e)
{
	struct json_out *j = json_new(false);
	char name[NAME_SIZE], boot[37];
	const char *text;
	int r = proc_boot_id(boot);

	if (!j || r < 0) {
		json_free(j);
		return err_set(e, r ? -r : ENOMEM, 0, "record template %.12s", digest);
	}
	json_object(j);
	json_kstr(j, "boot", boot);
	json_ku64(j, "dev", id->dev);
	json_ku64(j, "ino", id->ino);
	json_ku64(j, "size", id->size);
	json_ku64(j, "mtime", id->mtime);
	json_ku64(j, "ctime", id->ctime);
	if (loop >= 0)
		json_ku64(j, "loop", (uint64_t)loop);
	json_end(j);
	r = json_finish(j, &text, e);
	(void)str_fmt(name, sizeof(name), "%s.json", digest);
	if (!r)
		r = fs_save_at(run, name, text, 0600, e);
	json_free(j);
	return r;
}

static int open_image(int dir, const char *digest, int *ret, struct err *e)
{
	char name[DIGEST_LEN + 8];
	int fd;

	(void)str_fmt(name, sizeof(name), "%s.erofs", digest);
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	(void)str_fmt(name, sizeof(name), "%s.disk", digest);
	if (fd < 0 && errno == ENOENT && faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(e, EOPNOTSUPP, VZ_BAD_TEMPLATE, "open template %.12s: it is a disk with "
			       "a system of its own, which the host does not look into", digest);
	if (fd < 0) {
		(void)err_sys(e, "open template %.12s", digest);
		return err_exit(e, e->eno == ENOENT ? VZ_NO_TEMPLATE : VZ_BAD_TEMPLATE);
	}
	*ret = fd;
	return 0;
}

static int lock_record(int run, const char *digest, int *ret, struct err *e)
{
	char name[DIGEST_LEN + 8];
	char what[32];

	(void)str_fmt(name, sizeof(name), "%s.lock", digest);
	(void)str_fmt(what, sizeof(what), "template %.12s", digest);
	return flock_path(run, name, what, FLOCK_WORK_MS, ret, e);
}

/* The digest of a file that stays as it is meanwhile. */
static int verify_still(int image, const char *digest, const struct ident *id, struct err *e)
{
	struct ident again;
	int r = verify_image(image, digest, e);

	if (!r && (ident_of(image, &again) < 0 || memcmp(id, &again, sizeof(again)) != 0))
		r = err_set(e, EBUSY, VZ_BAD_TEMPLATE,
			    "verify template %.12s: its image is being changed", digest);
	return r;
}

/* Under the lock: make sure of the bytes, and of a device that carries them. */
static int attach_verified(const struct store *s, const char *digest, bool own, int image,
			   struct loop *ret, struct err *e)
{
	struct ident id;
	int num = -1, r = ident_of(image, &id);
	bool verified;

	if (r < 0)
		return err_set(e, -r, VZ_BAD_TEMPLATE, "open template %.12s: not a regular file",
			       digest);
	verified = record_load(s->run, digest, &id, &num);
	if (verified && !own && loop_reopen(num, image, ret) == 0)
		return 0;               /* somebody was faster */
	if (!verified) {
		num = -1;
		r = verify_still(image, digest, &id, e);
		if (r < 0)
			return r;
	}
	r = loop_attach(image, true, ret, e);
	if (!r && !(verified && own))
		r = record_save(s->run, digest, &id, own ? num : ret->num, e);
	if (r < 0)
		loop_close(ret);
	return r;
}

static int get_device(const struct store *s, const char *digest, bool own, struct loop *ret,
		      struct err *e)
{
	_fd_ int image = -1, lock = -1;
	struct ident id;
	int num, r = open_image(s->dir, digest, &image, e);

	if (r < 0)
		return r;
	if (!own && ident_of(image, &id) == 0 && record_load(s->run, digest, &id, &num) &&
	    loop_reopen(num, image, ret) == 0)
		return 0;
	r = lock_record(s->run, digest, &lock, e);
	return r < 0 ? r : attach_verified(s, digest, own, image, ret, e);
}

int store_mount(const struct store *s, const char *digest, bool own, int *ret_mnt, struct err *e)
{
	struct loop l = LOOP_INIT;
	char dev[32], what[32];
	const struct fs_opt opts[] = { { "source", dev }, { "ro", NULL } };
	int r = get_device(s, digest, own, &l, e);

	if (r < 0)
		return r;
	(void)str_fmt(dev, sizeof(dev), "/dev/loop%d", l.num);
	(void)str_fmt(what, sizeof(what), "template %.12s", digest);
	r = fsctx_mount("erofs", opts, ARRAY_SIZE(opts), MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV, what,
			ret_mnt, e);
	loop_close(&l);                 /* the mount keeps the device now */
	return r < 0 ? err_exit(e, VZ_MOUNT) : 0;
}

int store_device(const struct store *s, const char *digest, bool own, int *ret, struct err *e)
{
	struct loop l = LOOP_INIT;
	char dev[32];
	int fd, r = get_device(s, digest, own, &l, e);

	if (r < 0)
		return r;
	(void)str_fmt(dev, sizeof(dev), "/dev/loop%d", l.num);
	fd = open(dev, O_RDONLY | O_CLOEXEC);   /* keeps the device as a mount would */
	loop_close(&l);
	if (fd < 0)
		return err_sys(e, "open template %.12s", digest);
	*ret = fd;
	return 0;
}

int store_disk(const struct store *s, const struct template *t, int *ret, struct err *e)
{
	_fd_ int fd = -1, lock = -1;
	char name[STORE_NAME];
	struct ident id;
	int num, r = lock_record(s->run, t->digest, &lock, e);

	if (r < 0)
		return r;
	store_name(t, name);
	fd = openat(s->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || ident_of(fd, &id) < 0) {
		(void)err_sys(e, "open template %.12s", t->digest);
		return err_exit(e, VZ_BAD_TEMPLATE);
	}
	if (!record_load(s->run, t->digest, &id, &num)) {
		r = verify_still(fd, t->digest, &id, e);
		if (!r)
			r = record_save(s->run, t->digest, &id, -1, e);
	}
	if (!r)
		*ret = TAKE_FD(fd);
	return r;
}

bool store_is_mounted(const struct store *s, const char *digest)
{
	struct err ignored = ERR_INIT;
	struct loop l = LOOP_INIT;
	_fd_ int image = -1;
	struct ident id;
	int num;
	bool yes;

	if (open_image(s->dir, digest, &image, &ignored) < 0 || ident_of(image, &id) < 0 ||
	    !record_load(s->run, digest, &id, &num))
		return false;
	yes = loop_reopen(num, image, &l) == 0;
	loop_close(&l);
	return yes;
}
