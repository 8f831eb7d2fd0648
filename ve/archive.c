/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file has its name before the VE is removed, and private/ID/archived has the name of the file
 * before that: where both are there, the one was made for a VE that lived on after a kill, and the
 * next archive of it replaces it.
 */
#include "ve/archive.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/parse.h"
#include "util/step.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/destroy.h"
#include "ve/events.h"
#include "ve/expiry.h"
#include "ve/moved.h"
#include "ve/netlock.h"
#include "ve/receive.h"
#include "ve/registry.h"
#include "ve/snapshot.h"
#include "ve/start.h"
#include "ve/stream-head.h"
#include "ve/stream.h"
#include "ve/suspend.h"

#define SUFFIX ".berth"
#define NEW "new"               /* the file while it is made, under the VE's lock */

static int open_dir(const struct inst *in, int *ret, struct err *e)
{
	_fd_ int dir = -1;
	int r = fs_mkdir_p(in->lib, "archive", 0700, e);

	if (r < 0)
		return r;
	dir = openat(in->lib, "archive", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, "open the archive");
	*ret = TAKE_FD(dir);
	return 0;
}

/* ---- pack ---- */

static void note_path(uint32_t id, char dst[40])
{
	(void)str_fmt(dst, 40, "private/%u/archived", id);
}

/* Of a run that was killed between the two. */
static void drop_earlier(const struct ve *ve, int dir)
{
	struct err ignored = ERR_INIT;
	_free_ char *name = NULL;
	char path[40];

	note_path(ve->id, path);
	if (fs_read_at(ve->in->lib, path, ARCHIVE_NAME_LEN, &name, NULL, &ignored) == 0 &&
	    !strchr(name, '/'))
		(void)unlinkat(dir, name, 0);
}

static int make_name(uint32_t id, char dst[ARCHIVE_NAME_LEN], struct err *e)
{
	time_t now = time(NULL);
	char when[20];
	struct tm tm;

	if (!gmtime_r(&now, &tm) || !strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm))
		return err_set(e, EIO, 0, "archive: the clock tells no time");
	(void)str_fmt(dst, ARCHIVE_NAME_LEN, "%u-%s" SUFFIX, id, when);
	return 0;
}

static int open_new(int dir, uint32_t id, char dst[32], int *ret, struct err *e)
{
	int fd;

	(void)str_fmt(dst, 32, ".%u." NEW, id);
	(void)unlinkat(dir, dst, 0);
	fd = openat(dir, dst, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "make the archive of VE %u", id);
	*ret = fd;
	return 0;
}

/* What is read again is what is on the disk, as far as a program can ask for that. */
static int reread(int fd, struct stream_head *h, struct err *e)
{
	if (fsync(fd) < 0)
		return err_sys(e, "write the archive");
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, "read the archive");
	return ve_stream_verify(fd, h, e);
}

static int read_again(int fd, struct err *e)
{
	_free_ struct stream_head *h = calloc(1, sizeof(*h));

	return h ? reread(fd, h, e) : err_set(e, ENOMEM, 0, "archive: out of memory");
}

static int pack(struct ve *ve, int dir, const struct send_opts *o, const char *name, struct err *e)
{
	struct send_opts opts = { .no_image = true, .progress = o->progress, .arg = o->arg };
	char tmp[32], path[40];
	_fd_ int fd = -1;
	int r = open_new(dir, ve->id, tmp, &fd, e);

	if (!r)
		r = send_locked(ve, &opts, fd, e);
	if (!r)
		r = read_again(fd, e);
	note_path(ve->id, path);
	if (!r)
		r = fs_save_at(ve->in->lib, path, name, 0600, e);
	if (!r && (renameat2(dir, tmp, dir, name, RENAME_NOREPLACE) < 0 || fsync(dir) < 0))
		r = err_sys(e, "name the archive of VE %u", ve->id);
	if (r < 0)
		(void)unlinkat(dir, tmp, 0);
	return r < 0 && (e->eno == ENOSPC || e->eno == EDQUOT) ? err_exit(e, VZ_NO_DISK_SPACE) : r;
}

static int refuse(struct ve *ve, struct err *e)
{
	_free_ struct snapshot *list = NULL;
	size_t n = 0;
	int r = moved_check(ve->in, ve->id, e);

	if (!r)
		r = suspend_refuse(ve, "archive", e);
	if (r < 0)
		return r;
	if (ve->state.phase == PH_RUNNING)
		return err_set(e, EBUSY, VZ_RUNNING, "VE %u is running; stop it first", ve->id);
	if (ve->state.phase == PH_MOUNTED)
		return err_set(e, EBUSY, VZ_MOUNTED, "VE %u is mounted; unmount it first", ve->id);
	r = ve_snapshot_list(ve->in, ve->id, &list, &n, e);
	if (!r && n)
		r = err_set(e, EBUSY, VZ_BAD_OPTION,
			    "VE %u has %zu snapshots, which an archive does not keep; delete them first",
			    ve->id, n);
	return r;
}

static int archive_locked(struct ve *ve, const struct send_opts *o, char name[ARCHIVE_NAME_LEN],
			  struct err *e)
{
	_fd_ int dir = -1;
	int r = refuse(ve, e);

	if (!r && ve->state.phase != PH_STOPPED)
		start_undo(ve, "archive");
	if (!r)
		r = open_dir(ve->in, &dir, e);
	if (r < 0)
		return r;
	drop_earlier(ve, dir);
	r = make_name(ve->id, name, e);
	if (!r)
		r = pack(ve, dir, o, name, e);
	if (!r)
		r = fault_at("archive", "remove", false, e);
	return r < 0 ? r : destroy_finish(ve, e);
}

int ve_archive(struct inst *in, uint32_t id, const struct send_opts *o, const char *expired,
	       char ret_name[ARCHIVE_NAME_LEN], struct err *e)
{
	struct ve ve;
	int r = ve_open(&ve, in, id, "archive", e);

	if (r < 0)
		return r;
	if (expired && !expiry_over(&ve.conf, expired))
		r = err_set(e, ECANCELED, VZ_SYSTEM, "archive VE %u: its last day was changed meanwhile; "
			    "it is stopped", id);
	if (!r)
		r = archive_locked(&ve, o, ret_name, e);
	if (!r)
		events_add(in, id, "archived");
	cg_tidy(&in->cg);
	netlock_tidy(in);
	ve_close(&ve);
	return r;
}

/* ---- look ---- */

/* The number and time that a name has; false for other files. */
static bool parse_name(const char *name, uint32_t *ret_id)
{
	char digits[16];
	size_t n = strspn(name, "0123456789");

	return name[n] == '-' && strlen(name) < ARCHIVE_NAME_LEN && str_ends(name, SUFFIX) &&
	       str_fmt(digits, sizeof(digits), "%.*s", (int)n, name) > 0 &&
	       parse_u32(digits, VEID_MIN, VEID_MAX, ret_id) == 0;
}

static int open_file(int dir, const char *name, int *ret, struct err *e)
{
	_fd_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return err_sys(e, "open archive %s", name);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(e, EINVAL, VZ_BAD_VALUE, "open archive %s: no regular file", name);
	*ret = TAKE_FD(fd);
	return 0;
}

static int read_head(int fd, struct stream_head *h, struct err *e)
{
	struct stream s = STREAM_INIT;
	int r = stream_begin(&s, fd, false, e);

	if (!r)
		r = stream_get_head(&s, h, e);
	stream_done(&s);
	return r;
}

static int look(int dir, const char *name, struct archive *ret, struct err *e)
{
	_free_ struct stream_head *h = calloc(1, sizeof(*h));
	_fd_ int fd = -1;
	struct stat st;
	int r = open_file(dir, name, &fd, e);

	if (!h)
		return err_set(e, ENOMEM, 0, "archive: out of memory");
	if (!r)
		r = read_head(fd, h, e);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat archive %s", name);
	*ret = (struct archive){ .id = h->id, .conf = h->conf, .when = (uint64_t)st.st_mtim.tv_sec,
				 .bytes = (uint64_t)st.st_blocks * 512 };
	(void)str_fmt(ret->name, sizeof(ret->name), "%s", name);
	return 0;
}

static int in_order(const void *a, const void *b)
{
	const struct archive *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return strcmp(x->name, y->name);
}

static DIR *walk(const struct inst *in)
{
	int fd = openat(in->lib, "archive", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		cleanup_fd(&fd);
	return d;
}

int archive_list(const struct inst *in, struct archive **ret, size_t *ret_n, struct err *e)
{
	_free_ struct archive *list = NULL;
	_dir_ DIR *d = walk(in);
	struct dirent *de;
	size_t n = 0;
	uint32_t id;

	while (d && (de = readdir(d))) {
		struct err ignored = ERR_INIT;
		struct archive *more;

		if (!parse_name(de->d_name, &id))
			continue;
		more = reallocarray(list, n + 1, sizeof(*list));
		if (!more)
			return err_set(e, ENOMEM, 0, "list the archive: out of memory");
		list = more;
		n += look(dirfd(d), de->d_name, &list[n], &ignored) == 0;
	}
	if (n)
		qsort(list, n, sizeof(*list), in_order);
	*ret = TAKE_PTR(list);
	*ret_n = n;
	return 0;
}

/* The names of one VE sort by time. */
static void newest(const struct inst *in, uint32_t want, char ret[ARCHIVE_NAME_LEN])
{
	_dir_ DIR *d = walk(in);
	struct dirent *de;
	uint32_t id;

	ret[0] = '\0';
	while (d && (de = readdir(d)))
		if (parse_name(de->d_name, &id) && id == want && strcmp(de->d_name, ret) > 0)
			(void)str_fmt(ret, ARCHIVE_NAME_LEN, "%s", de->d_name);
}

bool archive_has(const struct inst *in, uint32_t id)
{
	char name[ARCHIVE_NAME_LEN];

	newest(in, id, name);
	return *name;
}

int archive_open(const struct inst *in, const char *which, char ret_name[ARCHIVE_NAME_LEN],
		 int *ret_fd, struct err *e)
{
	_fd_ int dir = -1;
	uint32_t id;
	int r;

	if (parse_name(which, &id))
		(void)str_fmt(ret_name, ARCHIVE_NAME_LEN, "%s", which);
	else if (parse_u32(which, VEID_MIN, VEID_MAX, &id) == 0)
		newest(in, id, ret_name);
	else
		return err_set(e, EINVAL, VZ_BAD_VALUE,
			       "\"%.60s\" is neither the number of a VE nor an archive", str_has_control(which) ? "?" : which);
	if (!*ret_name)
		return err_set(e, ENOENT, VZ_NO_CONF, "there is no archive of VE %u", id);
	r = open_dir(in, &dir, e);
	if (!r)
		r = open_file(dir, ret_name, ret_fd, e);
	return r == -ENOENT ? err_exit(e, VZ_NO_CONF) : r;
}

int archive_remove(const struct inst *in, const char *name, struct err *e)
{
	_fd_ int dir = -1;
	uint32_t id;
	int r = open_dir(in, &dir, e);

	if (r < 0)
		return r;
	if (!parse_name(name, &id) || unlinkat(dir, name, 0) < 0)
		return err_sys(e, "remove archive %s", name);
	return 0;
}
