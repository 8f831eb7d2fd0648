/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/send.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "templates/store.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/create.h"
#include "ve/moved.h"
#include "ve/plan.h"
#include "ve/snap-store.h"
#include "ve/snapshot.h"
#include "ve/stream.h"
#include "ve/suspend.h"

#define CHUNK (256u << 10)
#define CONF_MAX 65536
#define COPY "send"             /* in the private directory: the disk of a moment */

/* ---- head ---- */

static int image_size(struct ve *ve, uint64_t *ret, struct err *e)
{
	struct store st = STORE_INIT;
	struct template t;
	int r = store_open(ve->in->lib, ve->in->run, &st, e);

	if (!r)
		r = store_find(&st, ve->conf.template, &t, e);
	store_close(&st);
	if (!r)
		*ret = t.size;
	return r;
}

/* A name that the other end takes for a word, whatever ours is. */
static void own_name(char dst[65])
{
	struct utsname u;

	if (uname(&u) < 0 || !str_is_word(u.nodename, ".-_") || str_fmt(dst, 65, "%s", u.nodename) < 0)
		(void)str_fmt(dst, 65, "unknown");
}

static int disk_size(struct ve *ve, uint64_t *ret, struct err *e)
{
	_fd_ int private = -1;
	struct stat st;
	int r = plan_private(ve, &private, e);

	if (r < 0)
		return r;
	if (fstatat(private, "disk.img", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "stat the disk of VE %u", ve->id);
	*ret = (uint64_t)st.st_size;
	return 0;
}

int send_possible(const struct ve_conf *c, struct err *e)
{
	const struct storage_backend *b = plan_backend(c);

	if (b && b->open_file)
		return 0;
	return err_set(e, EOPNOTSUPP, VZ_BAD_VALUE,
		       "only disks in one file go from host to host, and --layout %s has none; "
		       "publish it as a template", c->layout);
}

int send_head_make(struct ve *ve, bool with_image, struct stream_head *ret, char **ret_conf,
		   struct err *e)
{
	_free_ char *conf = NULL;
	char path[32];
	int r;

	r = send_possible(&ve->conf, e);
	if (!r)
		r = create_check_made(ve, e);
	if (!r)
		r = snap_switch_check(ve, e);
	if (r < 0)
		return err_wrap(e, "send VE %u", ve->id);
	*ret = (struct stream_head){ .id = ve->id };
	own_name(ret->from);
	(void)str_fmt(ret->template, sizeof(ret->template), "%s", ve->conf.template);
	(void)str_fmt(path, sizeof(path), "conf/%u.conf", ve->id);
	r = fs_read_at(ve->in->etc, path, CONF_MAX, &conf, NULL, e);
	if (!r)
		r = disk_size(ve, &ret->disk, e);
	if (!r && with_image && !plan_boots_disk(&ve->conf))
		r = image_size(ve, &ret->image, e);
	if (!r)
		*ret_conf = TAKE_PTR(conf);
	return r;
}

/* ---- the template ---- */

static int put_file(struct stream *s, int fd, struct err *e)
{
	_free_ char *buf = malloc(CHUNK);
	off_t at = 0;
	ssize_t n;
	int r = 0;

	if (!buf)
		return err_set(e, ENOMEM, 0, "send the template: out of memory");
	while (!r && (n = pread(fd, buf, CHUNK, at)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read the template");
		r = stream_put(s, 'T', buf, (size_t)n, e);
		at += n;
	}
	return r;
}

int send_image(struct ve *ve, struct stream *s, struct err *e)
{
	struct store st = STORE_INIT;
	_free_ char *signature = NULL;
	_fd_ int fd = -1;
	int r = store_open(ve->in->lib, ve->in->run, &st, e);

	if (!r)
		r = store_open_image(&st, ve->conf.template, &fd, &signature, e);
	store_close(&st);
	if (!r && signature)
		r = stream_put(s, 'G', signature, strlen(signature), e);
	return r < 0 ? r : put_file(s, fd, e);
}

/* ---- the disk ---- */

static int put_extent(struct stream *s, int fd, off_t from, off_t to, char *buf, struct err *e)
{
	while (from < to) {
		size_t len = to - from < (off_t)CHUNK ? (size_t)(to - from) : CHUNK;
		int r = fs_pread_all(fd, buf, len, from);

		if (r < 0) {
			errno = -r;
			return err_sys(e, "read the disk");
		}
		r = stream_put_disk(s, (uint64_t)from, buf, len, e);
		if (r < 0)
			return r;
		from += (off_t)len;
	}
	return 0;
}

static int put_extents(struct stream *s, int fd, char *buf, const struct send_opts *o, struct err *e)
{
	uint64_t done = 0, all;
	off_t data, hole = 0;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat the disk");
	all = (uint64_t)st.st_blocks * 512;
	while ((data = lseek(fd, hole, SEEK_DATA)) >= 0) {
		int r;

		hole = lseek(fd, data, SEEK_HOLE);
		if (hole < 0)
			return err_sys(e, "seek in the disk");
		r = put_extent(s, fd, data, hole, buf, e);
		if (r < 0)
			return r;
		done += (uint64_t)(hole - data);
		if (o->progress)
			o->progress(o->arg, done < all ? done : all, all);
	}
	return errno == ENXIO ? 0 : err_sys(e, "seek in the disk");     /* ENXIO: no data after here */
}

int send_open_disk(struct ve *ve, int dir, int *ret, struct err *e)
{
	struct plan plan;

	plan_for_undo(ve, &plan);
	return plan.backend->open_file(dir, ret, e);
}

int send_disk(struct stream *s, int fd, const struct send_opts *o, struct err *e)
{
	_free_ char *buf = malloc(CHUNK);
	int r;

	if (!buf)
		return err_set(e, ENOMEM, 0, "send the disk: out of memory");
	r = put_extents(s, fd, buf, o, e);
	return r < 0 ? r : stream_put_end(s, e);
}

/* ---- send ---- */

static void copy_path(const struct ve *ve, char dst[32])
{
	(void)str_fmt(dst, 32, "private/%u/" COPY, ve->id);
}

void send_mend(const struct ve *ve)
{
	struct err e = ERR_INIT;
	char path[32];

	copy_path(ve, path);
	if (fs_remove_tree(ve->in->lib, path, &e) < 0)
		log_warn(&ve->in->log, "remove the copy that a killed send has left: %s", e.msg);
}

/*
 * The disk of one moment: a copy that has lost its name by the time it is read, so that nothing
 * is left of it and the VE need not be locked meanwhile.
 */
static int copy_running(struct ve *ve, const struct send_opts *o, int *ret, struct err *e)
{
	struct snap_opts snap = { .freeze_ms = o->freeze_ms };
	struct err late = ERR_INIT;
	_fd_ int dir = -1, fd = -1;
	char path[32];
	int r;

	copy_path(ve, path);
	r = fs_mkdir_p(ve->in->lib, path, 0700, e);
	if (!r)
		r = fs_open_dir(ve->in->lib, path, &dir, e);
	if (!r)
		r = snap_copy_disk(ve, dir, false, &snap, e);
	if (!r)
		r = send_open_disk(ve, dir, &fd, e);
	if (fs_remove_tree(ve->in->lib, path, &late) < 0 && !r) {
		*e = late;
		r = -e->eno;
	}
	if (!r)
		*ret = TAKE_FD(fd);
	return r;
}

static int open_stopped(struct ve *ve, int *ret, struct err *e)
{
	_fd_ int private = -1;
	int r = plan_private(ve, &private, e);

	return r < 0 ? r : send_open_disk(ve, private, ret, e);
}

static int open_disk(struct ve *ve, const struct send_opts *o, int *ret, struct err *e)
{
	int r = moved_check(ve->in, ve->id, e);

	if (!r)
		r = suspend_refuse(ve, "send", e);
	if (r < 0)
		return r;
	if (ve->state.phase == PH_MOUNTED)
		return err_set(e, EBUSY, VZ_MOUNTED, "VE %u is mounted; unmount it first", ve->id);
	if (ve->state.phase != PH_RUNNING)
		return open_stopped(ve, ret, e);
	if (!o->live)
		return err_set(e, EBUSY, VZ_RUNNING, "VE %u is running; stop it first, or add --live",
			       ve->id);
	return copy_running(ve, o, ret, e);
}

static int put_all(struct ve *ve, const struct stream_head *h, const char *conf, int disk,
		   const struct send_opts *o, int fd, struct err *e)
{
	struct stream s = STREAM_INIT;
	int r = stream_begin(&s, fd, true, e);

	if (!r)
		r = stream_put_head(&s, h, conf, e);
	if (!r && h->image)
		r = send_image(ve, &s, e);
	if (!r)
		r = send_disk(&s, disk, o, e);
	stream_done(&s);
	return r;
}

static int send_ve(struct inst *in, uint32_t id, struct stream_head *h, const struct send_opts *o,
		   int fd, struct err *e)
{
	_free_ char *conf = NULL;
	_fd_ int disk = -1;
	struct ve ve;
	int r = ve_open(&ve, in, id, "send", e);
	if (r < 0)
		return r;
	r = send_head_make(&ve, !o->no_image, h, &conf, e);
	if (!r)
		r = open_disk(&ve, o, &disk, e);
	ve_close(&ve);          /* a stopped one's disk is held by its own lock */
	return r < 0 ? r : put_all(&ve, h, conf, disk, o, fd, e);
}

int send_locked(struct ve *ve, const struct send_opts *o, int fd, struct err *e)
{
	_free_ struct stream_head *h = calloc(1, sizeof(*h));
	_free_ char *conf = NULL;
	_fd_ int disk = -1;
	int r;

	if (!h)
		return err_set(e, ENOMEM, 0, "send VE %u: out of memory", ve->id);
	r = send_head_make(ve, !o->no_image, h, &conf, e);
	if (!r)
		r = open_stopped(ve, &disk, e);
	return r < 0 ? r : put_all(ve, h, conf, disk, o, fd, e);
}

int ve_send(struct inst *in, uint32_t id, const struct send_opts *o, int fd, struct err *e)
{
	_free_ struct stream_head *h = calloc(1, sizeof(*h));

	if (!h)
		return err_set(e, ENOMEM, 0, "send VE %u: out of memory", id);
	return send_ve(in, id, h, o, fd, e);
}
