/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sender's side of a move; the receiver's is in ve/receive.c, the notes in ve/moved.h.
 *
 *    here                                  there
 *    note "going"; HEAD             -->    looks whether it would be refused
 *                                   <--    HAVE or NEED (the template)
 *    stopped; template, disk, END   -->    made, checked, note "arriving"
 *                                   <--    HELD
 *    note "left"                                           from here on it is there
 *    C                              -->    note "arrived"
 *                                   <--    DONE, and RUNS when it has been started
 *    data removed
 *
 * What fails before "left" leaves it here, running if it ran; what fails after it is gone on with
 * by the same command.
 */
#include "ve/migrate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/step.h"
#include "util/str.h"
#include "util/uuid.h"
#include "ve/intent.h"
#include "ve/migrate-link.h"
#include "ve/moved.h"
#include "ve/plan.h"
#include "ve/snapshot.h"
#include "ve/stream-head.h"
#include "ve/stream.h"
#include "ve/suspend.h"

struct migration {
	struct inst *in;
	uint32_t id;
	const struct migrate_opts *o;
	struct moved note;
	struct stream_head h;
	char *conf;                     /* the config that was announced */
	struct migrate_link link;
	struct stream s;
	bool ran;                       /* until it was stopped for this, perhaps by one cut short */
};

/* ---- before ---- */

static int refuse_snapshots(const struct migration *m, struct err *e)
{
	_free_ struct snapshot *list = NULL;
	size_t n = 0;
	int r = m->o->keep ? 0 : ve_snapshot_list(m->in, m->id, &list, &n, e);

	if (!r && n)
		return err_set(e, EBUSY, VZ_BAD_OPTION,
			       "VE %u has %zu snapshots, which do not move: delete them, or add --remove-area no",
			       m->id, n);
	return r;
}

static int take_note(struct migration *m, struct err *e)
{
	int r = moved_read(m->in, m->id, &m->note, e);

	if (r < 0)
		return r;
	if (m->note.how == MOVED_ARRIVING)
		return moved_check(m->in, m->id, e);
	if ((m->note.how == MOVED_GOING || m->note.how == MOVED_LEFT) && up_read(m->in, m->id))
		m->ran = true;
	if (m->note.how == MOVED_LEFT && !str_eq(m->note.host, m->o->host))
		return err_set(e, EXDEV, VZ_BAD_VALUE, "VE %u has moved to %s, not to %s", m->id,
			       m->note.host, m->o->host);
	if (m->note.how == MOVED_LEFT)
		return 0;
	if (m->note.how != MOVED_GOING && random_hex(m->note.token, STREAM_TOKEN_LEN) < 0)
		return err_set(e, EIO, 0, "migrate: no random numbers");
	m->note.how = MOVED_GOING;
	(void)str_fmt(m->note.host, sizeof(m->note.host), "%s", m->o->host);
	return m->o->dry_run ? 0 : moved_save(m->in, m->id, &m->note, e);
}

static int look(struct migration *m, struct err *e)
{
	struct ve ve;
	int r = ve_open(&ve, m->in, m->id, "migrate", e);

	if (r < 0)
		return r;
	m->ran = ve.state.phase == PH_RUNNING;
	r = suspend_refuse(&ve, "migrate", e);
	if (!r && ve.state.phase == PH_MOUNTED)
		r = err_set(e, EBUSY, VZ_MOUNTED, "VE %u is mounted; unmount it first", m->id);
	if (!r)
		r = take_note(m, e);
	if (!r && m->note.how != MOVED_LEFT)
		r = refuse_snapshots(m, e);
	if (!r)
		r = send_head_make(&ve, true, &m->h, &m->conf, e);
	ve_close(&ve);
	m->h.session = true;
	m->h.left = m->note.how == MOVED_LEFT;
	(void)str_fmt(m->h.token, sizeof(m->h.token), "%s", m->note.token);
	return r;
}

/* ---- the transfer ---- */

static int expect(struct migration *m, const char *word, struct err *e)
{
	char have[16];
	int r = migrate_link_answer(&m->link, have, e);

	if (!r && !str_eq(have, word))
		r = err_set(e, EPROTO, 0, "the other host has answered %s, not %s", have, word);
	return r;
}

/* What was announced is what is sent: nobody may have changed the config meanwhile. */
static int check_same(const struct migration *m, const struct ve *ve, struct err *e)
{
	_free_ struct stream_head *h = malloc(sizeof(*h));
	_free_ char *conf = NULL;
	int r;

	if (!h)
		return err_set(e, ENOMEM, 0, "migrate: out of memory");
	r = send_head_make((struct ve *)ve, false, h, &conf, e);
	if (!r && (!str_eq(conf, m->conf) || h->disk != m->h.disk))
		r = err_set(e, EAGAIN, VZ_LOCKED, "VE %u was changed meanwhile; give the command again",
			    m->id);
	return r;
}

static int send_data(struct migration *m, struct ve *ve, bool image, struct err *e)
{
	_fd_ int private = -1, disk = -1;
	int r = check_same(m, ve, e);

	if (!r)
		r = plan_private(ve, &private, e);
	if (!r)
		r = send_open_disk(ve, private, &disk, e);
	if (!r && image)
		r = send_image(ve, &m->s, e);
	if (!r)
		r = send_disk(&m->s, disk, &m->o->send, e);
	return r < 0 ? r : expect(m, "HELD", e);
}

/* From here on it is not ours any more; what fails later does not make it so. */
static int let_go(struct migration *m, struct err *e)
{
	struct moved left = m->note;
	int r = fault_at("migrate", "left", false, e);

	left.how = MOVED_LEFT;
	if (!r)
		r = moved_save(m->in, m->id, &left, e);
	if (r < 0)
		return r;
	m->note = left;
	return fault_at("migrate", "left", true, e);
}

static int commit(struct migration *m, bool start, struct err *e)
{
	const char *what = start ? "start" : "";
	int r = stream_put(&m->s, 'C', what, strlen(what), e);

	if (!r)
		r = expect(m, "DONE", e);
	if (!r)
		r = fault_at("migrate", "done", false, e);
	if (!r && start)
		r = expect(m, "RUNS", e);
	return r;
}

static int transfer(struct migration *m, bool image, struct err *e)
{
	struct stop_opts stop = { .for_boot = true };
	struct ve ve;
	int r = m->ran ? ve_stop(m->in, m->id, &stop, e) : 0;

	if (!r)
		r = ve_open(&ve, m->in, m->id, "migrate", e);
	if (r < 0)
		return r;
	if (ve.state.phase != PH_STOPPED)
		r = err_set(e, EBUSY, VZ_RUNNING, "VE %u was started meanwhile", m->id);
	if (!r)
		r = send_data(m, &ve, image, e);
	if (!r)
		r = let_go(m, e);
	ve_close(&ve);
	return r < 0 ? r : commit(m, m->ran && !m->o->no_start, e);
}

static int talk(struct migration *m, struct err *e)
{
	char word[16];
	int r = stream_begin(&m->s, m->link.to, true, e);

	if (!r)
		r = stream_put_head(&m->s, &m->h, m->conf, e);
	if (!r)
		r = migrate_link_answer(&m->link, word, e);
	if (r < 0 || m->o->dry_run)
		return r;
	if (m->h.left && str_eq(word, "HELD"))
		return commit(m, m->ran && !m->o->no_start, e);
	if (m->h.left)
		return str_eq(word, "DONE") ? 0 :
		       err_set(e, ENOENT, VZ_SYSTEM,
			       "%s does not have VE %u any more (migrate --take-back %u)", m->o->host,
			       m->id, m->id);
	if (!str_eq(word, "HAVE") && !str_eq(word, "NEED"))
		return err_set(e, EPROTO, 0, "the other host has answered %s", word);
	return transfer(m, str_eq(word, "NEED"), e);
}

/* ---- after ---- */

static int fail(struct migration *m, struct err *e)
{
	static const struct start_opts plain = { 0 };
	struct err late = ERR_INIT;

	if (m->note.how == MOVED_LEFT)
		return err_wrap(e, "VE %u is on %s now, but that was not confirmed; give the command again",
				m->id, m->o->host);
	if (m->ran && ve_start(m->in, m->id, &plain, &late) < 0 && late.eno != EALREADY)
		log_warn(&m->in->log, "start VE %u here again: %s", m->id, late.msg);
	return -e->eno;
}

/* The other end's own words say more than that its pipe broke. */
static int end_link(struct migration *m, int r, struct err *e)
{
	struct err theirs = ERR_INIT;
	int closed = migrate_link_close(&m->link, &theirs);

	if (m->o->dry_run && !r)
		return 0;               /* it has missed the rest */
	if (closed < 0 && (!r || e->eno == EPIPE || e->eno == EPROTO)) {
		*e = theirs;
		r = -e->eno;
	}
	return r;
}

static int finish(struct migration *m, struct err *e)
{
	inst_say(m->in, "CT %u has moved to %s", m->id, m->o->host);
	up_drop(m->in, m->id);
	return m->o->keep ? 0 : ve_destroy(m->in, m->id, e);
}

static int run(struct migration *m, struct err *e)
{
	int r = look(m, e);

	if (!r)
		r = migrate_link_open(&m->link, m->o->argv, m->o->env, e);
	if (!r)
		r = end_link(m, talk(m, e), e);
	stream_done(&m->s);
	if (m->o->dry_run)
		return r;
	return r < 0 ? fail(m, e) : finish(m, e);
}

int ve_migrate(struct inst *in, uint32_t id, const struct migrate_opts *o, struct err *e)
{
	_free_ struct migration *m = malloc(sizeof(*m));
	int r;

	if (!m)
		return err_set(e, ENOMEM, 0, "migrate: out of memory");
	*m = (struct migration){ .in = in, .id = id, .o = o, .link = MIGRATE_LINK_INIT,
				 .s = STREAM_INIT };
	r = run(m, e);
	free(m->conf);
	return r;
}
