/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Receiving is a create whose disk and config come from a stream (ve/create.h): until the last
 * byte has been checked there is nothing but a note of a create, which whoever comes after a kill
 * undoes. In a session the VE is whole then, but not to be started until the sender has let go.
 */
#include "ve/receive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/step.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/create.h"
#include "ve/intent.h"
#include "ve/moved.h"
#include "ve/plan.h"
#include "ve/receive-conf.h"
#include "ve/receive-image.h"
#include "ve/receive-room.h"
#include "ve/send.h"
#include "ve/stream.h"

struct receiving {
	struct inst *in;
	const struct receive_opts *o;
	struct stream s;
	struct stream_head h;
	int out;
};

static int bad(struct err *e, const char *what)
{
	return err_set(e, EBADMSG, VZ_BAD_VALUE, "read the stream: %s", what);
}

static int answer(const struct receiving *r, const char *word, struct err *e)
{
	char line[16];
	int rc = str_fmt(line, sizeof(line), "%s\n", word);

	if (!r->o->session)
		return 0;
	rc = fs_write_all(r->out, line, (size_t)rc);
	if (rc < 0) {
		errno = -rc;
		return err_sys(e, "answer the sender");
	}
	return 0;
}

/* ---- the disk ---- */

struct disk_state {
	uint64_t end, done;             /* of what was written; in all */
	struct room room;
};

static int take_piece(const struct stream_head *h, const struct frame *f, int file,
		      struct disk_state *d, struct err *e)
{
	size_t len = f->len - sizeof(uint64_t);
	uint64_t at;
	int r = stream_disk_offset(f, &at, e);

	if (r < 0)
		return r;
	if (at < d->end || at > h->disk || len > h->disk - at)
		return bad(e, "a piece of the disk lies outside of it or on another");
	d->end = at + len;
	d->done += len;
	if (file < 0)
		return 0;
	r = receive_room(&d->room, file, len, "disk", e);
	for (size_t n = 0; !r && n < len;) {
		ssize_t w = pwrite(file, f->data + sizeof(at) + n, len - n, (off_t)(at + n));

		if (w < 0 && errno != EINTR)
			return err_sys(e, "write the disk");
		n += w > 0 ? (size_t)w : 0;
	}
	return r;
}

/* Up to the end frame, whose checksum stream_get compares. file -1: only look. */
static int take_disk(struct stream *s, const struct stream_head *h, int file,
		     const struct receive_opts *o, struct err *e)
{
	struct disk_state d = { 0 };
	struct frame f;

	for (;;) {
		int r = stream_get(s, &f, e);

		if (!r && f.kind == 'E')
			return 0;
		if (!r && f.kind != 'D')
			r = bad(e, "something else is in the middle of the disk");
		if (!r)
			r = take_piece(h, &f, file, &d, e);
		if (r < 0)
			return r;
		if (o && o->progress)
			o->progress(o->arg, d.done, h->disk);
	}
}

static int note(const struct receiving *rc, uint32_t id, enum moved_how how, struct err *e)
{
	struct moved m = { .how = how };

	if (!rc->o->session)
		return 0;
	(void)str_fmt(m.token, sizeof(m.token), "%s", rc->h.token);
	(void)str_fmt(m.host, sizeof(m.host), "%s", rc->h.from);
	return moved_save(rc->in, id, &m, e);
}

static int fill(void *arg, struct ve *ve, int private, struct err *e)
{
	struct receiving *rc = arg;
	_fd_ int file = -1;
	struct plan plan;
	int r = send_possible(&ve->conf, e);

	if (r < 0)
		return err_wrap(e, "receive VE %u", ve->id);
	plan_for_undo(ve, &plan);
	r = plan.backend->fill_begin(private, rc->h.disk, &file, e);
	if (!r)
		r = take_disk(&rc->s, &rc->h, file, rc->o, e);
	if (!r)
		r = plan.backend->fill_end(private, file, e);
	return r < 0 ? r : note(rc, ve->id, MOVED_ARRIVING, e);
}

/* ---- sessions ---- */

/*
 * What is here already of this very move: 1 when all of it is, so that nothing has to be sent;
 * what came before the sender ran it once more is removed.
 */
static int resume(struct receiving *rc, uint32_t id, struct err *e)
{
	struct moved m;
	int r = moved_read(rc->in, id, &m, e);

	if (r < 0 || m.how == MOVED_NOT || !str_eq(m.token, rc->h.token))
		return r;
	if (m.how == MOVED_ARRIVED)
		return rc->h.left ? 2 : 0;
	if (rc->h.left)
		return 1;
	return m.how == MOVED_ARRIVING ? ve_destroy(rc->in, id, e) : 0;
}

/* It is here, whether the sender still hears that or not: nobody else would start it. */
static int settle(struct receiving *rc, uint32_t id, bool start, struct err *e)
{
	static const struct start_opts plain = { 0 };
	struct err late = ERR_INIT;
	int told = answer(rc, "DONE", &late);
	int r = start ? ve_start(rc->in, id, &plain, e) : 0;

	if (r == -EALREADY) {
		err_clear(e);
		r = 0;
	}
	if (!r && told < 0)
		*e = late;
	return r < 0 ? r : told;
}

/* That it is to run is noted first: killed before it does, the sender's next try or a boot starts it. */
static int arrive(const struct receiving *rc, uint32_t id, bool start, struct err *e)
{
	int r;

	if (start)
		up_note(rc->in, id);
	r = note(rc, id, MOVED_ARRIVED, e);
	return r < 0 ? r : fault_at("receive", "arrived", true, e);
}

static int let_in(struct receiving *rc, uint32_t id, struct err *e)
{
	struct frame f;
	bool start;
	int r = answer(rc, "HELD", e);

	if (!r)
		r = stream_get(&rc->s, &f, e);
	if (!r && f.kind != 'C')
		r = bad(e, "the sender has not let go");
	if (r < 0)
		return r;
	start = str_eq((const char *)f.data, "start");
	r = arrive(rc, id, start, e);
	if (!r)
		r = settle(rc, id, start, e);
	return r < 0 || !start ? r : answer(rc, "RUNS", e);
}

/* ---- all ---- */

static int receive_new(struct receiving *rc, uint32_t id, struct err *e)
{
	struct create_like like = { .conf = &rc->h.conf, .fill = fill, .arg = rc };
	_fd_ int hold = -1;             /* of the version, until the config names it */
	int r = create_like_check(rc->in, id, &like, rc->o->change, e);

	if (!r)
		r = receive_find_image(rc->in, &rc->h, &hold, e);
	if (r < 0)
		return r;
	if (!r && !rc->o->session && !rc->h.image)
		return err_set(e, ENOENT, VZ_NO_TEMPLATE,
			       "receive VE %u: template version %.12s is not here, and not in the stream",
			       id, rc->h.template);
	if (answer(rc, r ? "HAVE" : "NEED", e) < 0)
		return -e->eno;
	if (r && rc->o->session)
		rc->h.image = 0;        /* then it does not come */
	r = receive_image(rc->in, &rc->s, &rc->h, r, rc->o, &hold, e);
	return r < 0 ? r : create_like(rc->in, id, &like, rc->o->change, e);
}

static int receive(struct receiving *rc, uint32_t id, struct err *e)
{
	int r = rc->o->session ? resume(rc, id, e) : 0;

	if (r == 2)
		return settle(rc, id, up_read(rc->in, id), e);
	if (r == 0)
		r = receive_new(rc, id, e);
	if (r < 0 || !rc->o->session)
		return r;
	return let_in(rc, id, e);
}

int ve_receive(struct inst *in, const struct receive_opts *o, int fd, int out, uint32_t *ret_id,
	       struct err *e)
{
	_free_ struct receiving *rc = malloc(sizeof(*rc));
	uint32_t id = 0;
	int r;

	if (!rc)
		return err_set(e, ENOMEM, 0, "receive: out of memory");
	*rc = (struct receiving){ .in = in, .o = o, .s = STREAM_INIT, .out = out };
	r = stream_begin(&rc->s, fd, false, e);
	if (!r)
		r = stream_get_head(&rc->s, &rc->h, e);
	if (!r && rc->h.session != o->session)
		r = bad(e, o->session ? "no sender of a migrate has written it" :
			   "it is one of a migrate, whose sender waits for answers");
	if (!r && !o->own)
		r = receive_conf(&rc->h.conf, o, e);
	if (!r) {
		id = o->id ? o->id : rc->h.id;
		r = receive(rc, id, e);
	}
	stream_done(&rc->s);
	if (!r)
		*ret_id = id;
	return r;
}

int ve_stream_verify(int fd, struct stream_head *ret, struct err *e)
{
	struct stream s = STREAM_INIT;
	int r = stream_begin(&s, fd, false, e);

	if (!r)
		r = stream_get_head(&s, ret, e);
	if (!r)
		r = receive_skip_image(&s, ret, e);
	if (!r)
		r = take_disk(&s, ret, -1, NULL, e);
	stream_done(&s);
	return r;
}
