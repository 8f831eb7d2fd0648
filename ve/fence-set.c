/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Creating, changing and deleting fences. What a fence shall be is decided and written down under
 * the network lock; the copies are made afterwards, one by one, each by a create that undoes
 * itself. A delete takes the file away last.
 */
#include "ve/fence.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "netns/door.h"
#include "netns/ipam.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/conf.h"
#include "ve/create.h"
#include "ve/fence-impl.h"
#include "ve/netlock.h"
#include "ve/network-impl.h"
#include "ve/registry.h"

static const struct lock_common one_verb = { "fence", "work on fences", "fence", 120000 };

static void path_of(const char *name, char dst[80])
{
	(void)str_fmt(dst, 80, "fences/%s.conf", name);
}

static int save(const struct inst *in, const struct fence *f, struct err *e)
{
	char ves[FENCE_VES * 24] = "", text[FENCE_VES * 24 + NETWORK_TEXT + 64], path[80];
	size_t len = 0;
	int r;

	for (unsigned i = 0; i < f->n_ves; i++) {
		r = str_fmt(ves + len, sizeof(ves) - len, "%s%u:%u", i ? " " : "", f->ve[i].from,
			    f->ve[i].copy);
		len += r > 0 ? (size_t)r : 0;
	}
	(void)str_fmt(text, sizeof(text), "NUMBER=\"%u\"\nFORWARD=\"%s\"\nVES=\"%s\"\n", f->number,
		      f->forwards, ves);
	path_of(f->name, path);
	r = fs_mkdir_p(in->etc, "fences", 0700, e);
	if (r == 0)
		r = fs_save_at(in->etc, path, text, 0644, e);
	return r < 0 ? err_exit(e, VZ_CONF_SAVE) : 0;
}

/* ---- judging ---- */

struct search {
	const struct forwards_of *mine;
	const struct net_forward *port;
	char name[NETWORK_NAME_LEN];
};

static int meet(struct search *s, const char *name, const struct net_forward *f, size_t n)
{
	s->port = network_common_port(s->mine->f.a, s->mine->f.n, f, n);
	(void)str_fmt(s->name, sizeof(s->name), "%s", name);
	return s->port != NULL;
}

static int meet_network(void *arg, const struct network *n)
{
	struct search *s = arg;

	return str_eq(n->name, s->mine->network) ? 0 : meet(s, n->name, n->forward, n->n_forward);
}

static int meet_fence(void *arg, const struct fence *f)
{
	struct search *s = arg;

	return str_eq(f->name, s->mine->fence) ? 0 : meet(s, f->name, f->forward, f->n_forward);
}

int forwards_check(const struct inst *in, const struct forwards_of *mine, struct err *e)
{
	struct search s = { .mine = mine };
	const char *what = "network";
	int r = mine->f.n ? network_each(in, meet_network, &s, e) : 0;

	if (r == 0 && mine->f.n) {
		what = "fence";
		r = fence_each(in, meet_fence, &s, e);
	}
	if (r == 1)
		return err_set(e, EEXIST, VZ_BAD_VALUE, "--forward: port %u is forwarded by %s %s",
			       s.port->port, what, s.name);
	return r;
}

static int take_forwards(const struct inst *in, struct fence *f, const char *text, struct err *e)
{
	int r;

	if (str_has_control(text) || strpbrk(text, "\"\\$`") ||
	    str_fmt(f->forwards, sizeof(f->forwards), "%s", text) < 0)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "--forward: bad value \"%.100s\": want %s", text,
			       net_rows[NR_FORWARD].help);
	r = network_parse_forwards(text, NULL, f->forward, &f->n_forward, e);
	if (r < 0)
		return r;
	return forwards_check(in, &(struct forwards_of){ "", f->name, { f->forward, f->n_forward } }, e);
}

static bool has_ve(const struct fence *f, bool copies, int64_t id)
{
	for (unsigned i = 0; i < f->n_ves; i++)
		if ((copies ? f->ve[i].copy : f->ve[i].from) == id)
			return true;
	return false;
}

/* A forward leads to an address of one of the copies, or of the originals while there are none. */
static int check_targets(const struct inst *in, const struct fence *f, bool copies, struct err *e)
{
	char text[IPADDR_STRLEN];
	_fd_ int claims = -1;
	int r = f->n_forward ? fence_claims(in, copies ? f->name : "", &claims, e) : 0;

	for (size_t i = 0; r == 0 && i < f->n_forward; i++) {
		struct ipaddr a = { .family = AF_INET, .prefix = 32, .v4 = f->forward[i].to };

		format_ip_host(&a, text);
		if (!has_ve(f, copies, ipam_owner(claims, &a)))
			r = err_set(e, EADDRNOTAVAIL, VZ_BAD_VALUE, "--forward: no VE of fence %s has %s",
				    f->name, text);
	}
	return r;
}

/* ---- numbers ---- */

struct taken {
	uint64_t numbers[DOOR_NUMBERS / 64 + 1];
	uint32_t last;                  /* highest number of a copy */
};

static int note_taken(void *arg, const struct fence *f)
{
	struct taken *t = arg;

	t->numbers[f->number / 64] |= UINT64_C(1) << f->number % 64;
	for (unsigned i = 0; i < f->n_ves; i++)
		if (f->ve[i].copy > t->last)
			t->last = f->ve[i].copy;
	return 0;
}

static int check_original(const struct inst *in, uint32_t id, bool live, struct err *e)
{
	struct ve_state s = VE_STATE_INIT;
	struct ve_conf conf = { 0 };
	int r = conf_load(in, id, &conf, e);

	if (r == -ENOENT)
		return err_set(e, ENOENT, VZ_NO_CONF, "VE %u does not exist", id);
	if (r == 0 && *conf.fence)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "VE %u is itself a copy, of fence %s; name the original",
			       id, conf.fence);
	if (r == 0)
		r = state_load(in, id, &s, NULL, e);
	if (r == 0 && s.phase == PH_RUNNING && !live)
		r = err_set(e, EBUSY, VZ_RUNNING, "VE %u is running; stop it first, or add --live", id);
	return r;
}

/* Copies are numbered in the order of the originals, from `first` or from behind all there are. */
static int number_copies(const struct inst *in, struct fence *f, const struct fence_opts *o,
			 uint32_t last, struct err *e)
{
	_free_ uint32_t *ids = NULL;
	uint32_t next = o->first;
	size_t n;
	int r = reg_list(in, &ids, &n, e);

	if (r < 0)
		return r;
	if (!next)
		next = (n && ids[n - 1] > last ? ids[n - 1] : last) + 1;
	if (next < VEID_MIN || next > VEID_MAX - o->n_ids)
		return err_set(e, ERANGE, VZ_BAD_VALUE, "fence %s: numbers from %u on are none of VEs",
			       f->name, next);
	for (size_t i = 0; r == 0 && i < o->n_ids; i++, next++) {
		f->ve[i].from = o->ids[i];
		f->ve[i].copy = next;
		r = check_original(in, o->ids[i], o->clone.live, e);
		if (r == 0 && reg_exists(in, next))
			r = err_set(e, EEXIST, VZ_PRIVATE_EXISTS, "VE %u already exists", next);
	}
	f->n_ves = (unsigned)o->n_ids;
	return r;
}

static int number_fence(const struct inst *in, struct fence *f, uint32_t *ret_last, struct err *e)
{
	struct taken t = { .last = 0 };
	int r = fence_each(in, note_taken, &t, e);

	if (r < 0)
		return r;
	for (f->number = 1; f->number <= DOOR_NUMBERS; f->number++)
		if (!(t.numbers[f->number / 64] >> f->number % 64 & 1)) {
			*ret_last = t.last;
			return 0;
		}
	return err_set(e, ENOSPC, VZ_BAD_VALUE, "fence %s: there are %d already", f->name, DOOR_NUMBERS);
}

/* ---- create ---- */

static int decide(const struct inst *in, struct fence *f, const struct fence_opts *o, struct err *e)
{
	uint32_t last = 0;
	int r;

	if (!o->n_ids || o->n_ids > FENCE_VES)
		return err_set(e, EINVAL, VZ_FEW_PARAMS, "fence create %s: want 1 to %d VEs to copy",
			       f->name, FENCE_VES);
	r = number_fence(in, f, &last, e);
	if (r == 0)
		r = number_copies(in, f, o, last, e);
	if (r == 0 && o->forwards)
		r = take_forwards(in, f, o->forwards, e);
	if (r == 0)
		r = check_targets(in, f, false, e);
	return r < 0 ? r : save(in, f, e);
}

static bool same_wish(const struct fence *f, const struct fence_opts *o)
{
	for (unsigned i = 0; i < f->n_ves && i < o->n_ids; i++)
		if (f->ve[i].from != o->ids[i])
			return false;
	return f->n_ves == o->n_ids && (!o->first || o->first == f->ve[0].copy) &&
	       str_eq(f->forwards, o->forwards ? o->forwards : "");
}

/* 1: the copy is there, 0: it is not, but its number is free. */
static int is_copied(struct inst *in, const struct fence *f, uint32_t copy, struct err *e)
{
	struct ve_conf conf = { 0 };
	int r;

	if (!reg_exists(in, copy))
		return 0;
	r = conf_load(in, copy, &conf, e);
	if (r < 0)
		return r;
	if (!str_eq(conf.fence, f->name))
		return err_set(e, EEXIST, VZ_PRIVATE_EXISTS,
			       "VE %u already exists, and is none of fence %s", copy, f->name);
	if (create_is_made(in, copy))
		return 1;
	return ve_destroy(in, copy, e);         /* half of one that was killed */
}

/* A fence that is there is gone on with, if it is the one that is wanted and not complete. */
static int take_up(struct inst *in, const struct fence *f, const struct fence_opts *o, struct err *e)
{
	unsigned made = 0;
	int r = 0;

	for (unsigned i = 0; same_wish(f, o) && i < f->n_ves && r >= 0; i++) {
		r = is_copied(in, f, f->ve[i].copy, e);
		made += r == 1;
	}
	if (r < 0)
		return r;
	if (same_wish(f, o) && made < f->n_ves)
		return 0;
	return err_set(e, EEXIST, VZ_NAME, "fence %s already exists", f->name);
}

static int decide_or_take_up(struct inst *in, const char *name, struct fence *f,
			     const struct fence_opts *o, struct err *e)
{
	_fd_ int lock = -1;
	int r;

	if (!network_name_ok(name))
		return err_set(e, EINVAL, VZ_BAD_VALUE,
			       "fence \"%.60s\": want a name of letters, digits, _ and -, at most 31",
			       name);
	r = fence_load(in, name, f, e);
	if (r == 0)
		return take_up(in, f, o, e);
	if (r != -ENOENT)
		return r;
	err_clear(e);
	*f = (struct fence){ .number = 0 };
	(void)str_fmt(f->name, sizeof(f->name), "%s", name);
	r = netlock_take(in, true, &lock, e);
	return r < 0 ? r : decide(in, f, o, e);
}

static int copy_all(struct inst *in, const struct fence *f, const struct fence_opts *o, struct err *e)
{
	struct clone_opts c = o->clone;
	struct ve_change none = { .ip_del_all = false };
	char path[64];
	int r;

	c.fence = f->name;
	c.change = &none;
	(void)str_fmt(path, sizeof(path), "fence/%s/ip", f->name);
	r = fs_mkdir_p(in->lib, path, 0700, e);
	for (unsigned i = 0; i < f->n_ves && r >= 0; i++) {
		r = is_copied(in, f, f->ve[i].copy, e);
		if (r == 0)
			r = ve_clone(in, f->ve[i].from, f->ve[i].copy, &c, e);
	}
	return r < 0 ? r : 0;
}

/* Of a create that failed nothing stays; one that was killed is gone on with. */
int fence_create(struct inst *in, const char *name, const struct fence_opts *o, struct err *e)
{
	struct err undo = ERR_INIT;
	_fd_ int lock = -1;
	struct fence f;
	int r = lock_take_common(in, &one_verb, true, &lock, e);

	if (r == 0)
		r = decide_or_take_up(in, name, &f, o, e);
	if (r < 0)
		return r;
	r = copy_all(in, &f, o, e);
	if (r == 0)
		return 0;
	cleanup_fd(&lock);
	if (fence_delete(in, name, &undo) < 0)
		log_warn(&in->log, "%s (fence delete %s tries again)", undo.msg, name);
	return r;
}

/* ---- set ---- */

int fence_set(struct inst *in, const char *name, const char *forwards, struct err *e)
{
	_fd_ int verb = -1, space_lock = -1, lock = -1;
	struct fence old, f;
	int r = lock_take_common(in, &one_verb, true, &verb, e);

	if (r == 0)
		r = lock_take_common(in, &fence_space, true, &space_lock, e);
	if (r == 0)
		r = netlock_take(in, true, &lock, e);
	if (r == 0)
		r = fence_load(in, name, &old, e);
	if (r < 0)
		return r;
	f = old;
	r = take_forwards(in, &f, forwards, e);
	if (r == 0)
		r = check_targets(in, &f, true, e);
	if (r == 0)
		r = fence_move_door(in, &old, &f, e);
	return r < 0 ? r : save(in, &f, e);
}

/* ---- delete ---- */

static int remove_ve(struct inst *in, const struct fence *f, uint32_t copy, struct err *e)
{
	struct stop_opts fast = { .fast = true };
	struct ve_conf conf = { 0 };
	int r;

	if (!reg_exists(in, copy))
		return 0;
	r = conf_load(in, copy, &conf, e);
	if (r < 0 || !str_eq(conf.fence, f->name))
		return r == -ENOENT ? 0 : r;    /* another's now, who leaves this fence as it is */
	r = ve_stop(in, copy, &fast, e);
	return r < 0 ? r : ve_destroy(in, copy, e);
}

int fence_delete(struct inst *in, const char *name, struct err *e)
{
	struct err ignored = ERR_INIT;
	_fd_ int lock = -1;
	char path[80];
	struct fence f;
	int r = lock_take_common(in, &one_verb, true, &lock, e);

	if (r == 0)
		r = fence_load(in, name, &f, e);
	if (r < 0)
		return r;
	for (unsigned i = f.n_ves; r == 0 && i-- > 0;)
		r = remove_ve(in, &f, f.ve[i].copy, e);
	if (r < 0)
		return r;
	fence_down(in, name);
	netlock_tidy(in);
	(void)str_fmt(path, sizeof(path), "fence/%s", name);
	(void)!fs_remove_tree(in->lib, path, &ignored);
	(void)unlinkat(in->lib, "fence", AT_REMOVEDIR);
	path_of(name, path);
	fs_unlink_saved(in->etc, path);
	return 0;
}
