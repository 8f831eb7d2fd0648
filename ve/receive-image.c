/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The image goes through the same gate as one that `template import` is given: signature, digest,
 * then a look inside by a process without rights. It never moves a channel of this host.
 */
#include "ve/receive-image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "templates/import.h"
#include "templates/manifest.h"
#include "templates/scratch.h"
#include "templates/store.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/plan.h"
#include "ve/receive-room.h"
#include "ve/stream.h"

#define FILE_NAME "received"
#define SIGNATURE_MAX 4096

int receive_find_image(const struct inst *in, const struct stream_head *h, int *ret_hold,
		       struct err *e)
{
	struct store st = STORE_INIT;
	struct template t;
	int r;

	if (plan_boots_disk(&h->conf))  /* it has all of it on its disk */
		return 1;
	r = store_open(in->lib, in->run, &st, e);
	if (!r)
		r = store_find(&st, h->template, &t, e);
	if (!r)
		r = store_hold(&st, t.digest, ret_hold, e);
	store_close(&st);
	if (r == -ENOENT) {
		err_clear(e);
		return 0;
	}
	return r < 0 ? r : 1;
}

static int bad(struct err *e, const char *what)
{
	return err_set(e, EBADMSG, VZ_BAD_TEMPLATE, "read the stream: %s", what);
}

struct image {
	int dir, file;          /* -1: nothing is kept */
	uint64_t left;
	bool signature;
	struct room room;
};

static int take_signature(struct image *i, const struct frame *f, struct err *e)
{
	if (i->signature)
		return bad(e, "the template has two signatures");
	if (f->len > SIGNATURE_MAX || memchr(f->data, 0, f->len))
		return bad(e, "the signature of the template is none");
	i->signature = true;
	return i->dir < 0 ? 0 : fs_save_at(i->dir, FILE_NAME ".minisig", (const char *)f->data, 0600, e);
}

static int take_frame(struct image *i, const struct frame *f, struct err *e)
{
	int r;

	if (f->kind == 'G')
		return take_signature(i, f, e);
	if (f->kind != 'T' || !f->len || f->len > i->left)
		return bad(e, "the template is not as long as its head says");
	i->left -= f->len;
	if (i->file < 0)
		return 0;
	r = receive_room(&i->room, i->file, f->len, "template", e);
	if (r < 0)
		return r;
	r = fs_write_all(i->file, f->data, f->len);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "write the template");
	}
	return 0;
}

static int take_frames(struct stream *s, const struct stream_head *h, int dir, int file,
		       struct err *e)
{
	struct image i = { .dir = dir, .file = file, .left = h->image };
	int r = 0;

	while (!r && i.left) {
		struct frame f;

		r = stream_get(s, &f, e);
		if (!r)
			r = take_frame(&i, &f, e);
	}
	return r;
}

int receive_skip_image(struct stream *s, const struct stream_head *h, struct err *e)
{
	return take_frames(s, h, -1, -1, e);
}

static int import(struct inst *in, const struct store *st, const struct stream_head *h, int dir,
		  const struct receive_opts *o, struct err *e)
{
	bool named = manifest_channel_ok(h->conf.ostemplate);
	char path[48];
	struct import im = { .path = path, .dir = -1, .unpack = o->unpack, .sign = o->sign,
			     .name = named ? h->conf.ostemplate : FILE_NAME, .tmp = dir,
			     .trusted = o->trust, .leave_channel = true };
	struct template t;
	int r;

	(void)str_fmt(path, sizeof(path), "/proc/self/fd/%d/" FILE_NAME, dir);
	r = import_template(st, &im, &t, e);
	if (!r && !str_eq(t.digest, h->template))
		r = bad(e, "the template in it is another than its head says");
	if (!r)
		inst_say(in, "Template version %.12s came with it", t.digest);
	return r;
}

static int take_into(struct inst *in, const struct store *st, struct stream *s,
		     const struct stream_head *h, const struct receive_opts *o, struct err *e)
{
	struct scratch sc = SCRATCH_INIT;
	struct err late = ERR_INIT;
	_fd_ int file = -1;
	int r = scratch_open(st->dir, &sc, e);

	if (!r) {
		file = openat(sc.fd, FILE_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		r = file < 0 ? err_sys(e, "make the file of the template") : 0;
	}
	if (!r)
		r = take_frames(s, h, sc.fd, file, e);
	if (!r)
		r = import(in, st, h, sc.fd, o, e);
	if (scratch_close(&sc, &late) < 0 && !r) {
		*e = late;
		r = -e->eno;
	}
	return r;
}

int receive_image(struct inst *in, struct stream *s, const struct stream_head *h, bool have,
		  const struct receive_opts *o, int *ret_hold, struct err *e)
{
	struct store st = STORE_INIT;
	int r;

	if (have)
		return receive_skip_image(s, h, e);
	r = store_open(in->lib, in->run, &st, e);
	if (!r)
		r = take_into(in, &st, s, h, o, e);
	if (!r)
		r = store_hold(&st, h->template, ret_hold, e);
	store_close(&st);
	return r;
}
