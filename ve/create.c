/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Creating a VE, as a step table, within a note of intent (ve/intent.h): what a killed one left is
 * taken up by the same create, or undone by recovery, or destroyed by the config, which is written
 * early and names it all. The private area counts as made when its `owner` file is there; until
 * then nothing uses it.
 */
#include "ve/create.h"

#include <fcntl.h>
#include <string.h>

#include "templates/store.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/addrs.h"
#include "ve/conf.h"
#include "ve/create-impl.h"
#include "ve/events.h"
#include "ve/first.h"
#include "ve/guest.h"
#include "ve/intent.h"
#include "ve/lock.h"
#include "ve/netlock.h"
#include "ve/plan.h"
#include "ve/pool.h"
#include "ve/registry.h"
#include "ve/whole.h"

bool create_is_made(const struct inst *in, uint32_t id)
{
	char path[64];

	(void)str_fmt(path, sizeof(path), "private/%u/owner", id);
	return faccessat(in->lib, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int create_check_made(const struct ve *ve, struct err *e)
{
	char path[64];

	(void)str_fmt(path, sizeof(path), "private/%u", ve->id);
	if (create_is_made(ve->in, ve->id) ||
	    faccessat(ve->in->lib, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;               /* without any data others say so */
	return err_set(e, EBUSY, VZ_NO_PRIVATE, "VE %u is half made, its create was cut short; give the "
		       "same create again, or destroy %u", ve->id, ve->id);
}

/* An address that is still to be chosen is nothing that a file could say. */
static int save_undecided(struct create *c, struct err *e)
{
	struct ve_conf conf = c->ve.conf;

	for (unsigned i = 0; i < conf.ips.n; i++)
		if (!conf.ips.a[i].family)
			conf_mark(&conf, param_by_key("IP_ADDRESS"), false);
	return conf_save_early(c->ve.in, c->ve.id, &conf, e);
}

static int up_config(void *ctx, struct err *e)
{
	struct create *c = ctx;
	uint64_t base;
	int r;

	if (c->had_conf && c->ve.conf.local_uid)
		return 0;
	r = reg_ids_pick(c->ve.in, c->ve.id, &base, e);
	if (r < 0)
		return r;
	c->picked = true;
	c->ve.conf.local_uid = c->ve.conf.local_gid = base;
	conf_mark(&c->ve.conf, param_by_key("LOCAL_UID"), true);
	conf_mark(&c->ve.conf, param_by_key("LOCAL_GID"), true);
	return c->had_conf ? 0 : save_undecided(c, e);
}

static void down_config(void *ctx)
{
	struct create *c = ctx;
	char path[64];

	(void)str_fmt(path, sizeof(path), "conf/%u.conf", c->ve.id);
	if (c->picked)
		reg_ids_drop(c->ve.in, c->ve.id, c->ve.conf.local_uid);
	if (!c->had_conf)
		fs_unlink_saved(c->ve.in->etc, path);
}

static int up_ids(void *ctx, struct err *e)
{
	struct create *c = ctx;

	return reg_ids_claim(c->ve.in, c->ve.id, c->ve.conf.local_uid, e);
}

static void down_ids(void *ctx)
{
	struct create *c = ctx;

	if (!c->had_conf)
		reg_ids_drop(c->ve.in, c->ve.id, c->ve.conf.local_uid);
}

static int up_name(void *ctx, struct err *e)
{
	struct create *c = ctx;

	return *c->ve.conf.name ? reg_name_take(c->ve.in, c->ve.id, c->ve.conf.name, e) : 0;
}

static void down_name(void *ctx)
{
	struct create *c = ctx;

	if (!c->had_conf && *c->ve.conf.name)
		reg_name_drop(c->ve.in, c->ve.id, c->ve.conf.name);
}

static int up_ips(void *ctx, struct err *e)
{
	struct create *c = ctx;
	struct links_want w = links_of_conf(&c->ve);
	_fd_ int lock = -1;             /* who removes a network sees the config, or this its absence */
	struct links links;
	int r = netlock_take(c->ve.in, false, &lock, e);

	if (r == 0)
		r = addrs_choose(&c->ve, e);
	if (r > 0)
		r = conf_save_early(c->ve.in, c->ve.id, &c->ve.conf, e);
	if (r == 0)
		r = links_plan(&c->ve, &w, &links, e);
	if (r == 0)
		r = addrs_check(&c->ve, &links, e);
	return r < 0 ? r : addrs_claim(&c->ve, &links, e);
}

static void down_ips(void *ctx)
{
	struct create *c = ctx;
	struct links_want w = links_of_conf(&c->ve);
	struct links links;

	if (c->had_conf)
		return;
	links_plan_undo(&c->ve, &w, &links);
	addrs_release(&c->ve, &links, NULL);
}

static int up_pool(void *ctx, struct err *e)
{
	struct create *c = ctx;
	_fd_ int lock = -1;

	return pool_claim(c->ve.in, c->ve.conf.pool, c->ve.id, &lock, e);
}

static void down_pool(void *ctx)
{
	struct create *c = ctx;

	if (!c->had_conf)
		pool_release(c->ve.in, c->ve.conf.pool, c->ve.id);
}

static void private_path(const struct create *c, char dst[64])
{
	(void)str_fmt(dst, 64, "private/%u", c->ve.id);
}

static void down_private(void *ctx)
{
	struct create *c = ctx;
	struct err e = ERR_INIT;
	char path[64];

	plan_retire_disk(&c->ve);
	private_path(c, path);
	if (fs_remove_tree(c->ve.in->lib, path, &e) < 0)
		log_warn(&c->ve.in->log, "%s", e.msg);
}

static int up_private(void *ctx, struct err *e)
{
	struct create *c = ctx;
	char path[64];

	down_private(c);                        /* what a killed create left */
	private_path(c, path);
	if (mkdirat(c->ve.in->lib, path, 0700) < 0) {
		(void)err_sys(e, "make the private area of VE %u", c->ve.id);
		return err_exit(e, errno == ENOSPC ? VZ_NO_DISK_SPACE : VZ_MAKE_PRIVATE);
	}
	return 0;
}

static int up_root(void *ctx, struct err *e)
{
	struct create *c = ctx;

	return c->like && c->like->root ? c->like->root(c->like->arg, &c->ve, e) : 0;
}

/* Of a VM that boots it: what its disk begins as. */
static int open_content(const struct ve *ve, int *ret, struct err *e)
{
	struct store st = STORE_INIT;
	struct template t;
	int r = store_open(ve->in->lib, ve->in->run, &st, e);

	if (!r)
		r = store_find(&st, ve->conf.template, &t, e);
	if (!r)
		r = store_disk(&st, &t, ret, e);
	store_close(&st);
	return r;
}

static int up_disk(void *ctx, struct err *e)
{
	struct create *c = ctx;
	_fd_ int private = -1, seeds = -1, content = -1;
	bool filled = c->like && c->like->fill;
	struct plan plan;
	int r;

	plan_for_undo(&c->ve, &plan);
	r = plan_private(&c->ve, &private, e);
	if (!r)
		r = fs_open_dir(c->ve.in->lib, "seed", &seeds, e);
	plan.disk.seeds = seeds;
	if (!r && !c->like && plan_boots_disk(&c->ve.conf))
		r = open_content(&c->ve, &content, e);
	plan.disk.content = content;
	if (!r)
		r = filled ? c->like->fill(c->like->arg, &c->ve, private, e) :
			     plan.backend->create(private, &plan.disk, e);
	if (!r && !filled && plan.whole)
		r = whole_fill_new(&c->ve, private, e);
	return r < 0 ? err_exit(e, VZ_IMAGE_CREATE) : 0;
}

/* Last of what is in the disk: what comes before can be undone without it. */
static int up_inside(void *ctx, struct err *e)
{
	struct create *c = ctx;
	_fd_ int private = -1;
	int r = 0;

	if (!c->change || (!c->change->ssh_keys && !c->change->user_script && !c->change->userpasswd))
		return 0;
	r = plan_private(&c->ve, &private, e);
	if (!r)
		r = first_store(private, c->change, e);
	if (!r && c->change->userpasswd)
		r = guest_userpasswd_stopped(&c->ve, c->change->userpasswd, e);
	return r;
}

/* Written last: with it the VE is whole, and what was written before is on the disk. */
static int up_owner(void *ctx, struct err *e)
{
	struct create *c = ctx;
	char path[64], text[128];
	int r;

	(void)str_fmt(path, sizeof(path), "private/%u/owner", c->ve.id);
	(void)str_fmt(text, sizeof(text), "VEID=%u\nLAYOUT=%s\n", c->ve.id,
		      *c->ve.conf.layout ? c->ve.conf.layout : "image");
	inst_say(c->ve.in, "Performing postcreate actions");
	r = c->had_conf ? conf_save(c->ve.in, c->ve.id, &c->ve.conf, e) : conf_sync(c->ve.in, e);
	return r < 0 ? r : fs_save_at(c->ve.in->lib, path, text, 0600, e);
}

/* clang-format off */
const struct step create_steps[] = {
	{ "config",  up_config,  down_config },
	{ "ids",     up_ids,     down_ids },
	{ "name",    up_name,    down_name },
	{ "ips",     up_ips,     down_ips },
	{ "pool",    up_pool,    down_pool },
	{ "private", up_private, down_private },
	{ "root",    up_root,    NULL },
	{ "disk",    up_disk,    NULL },
	{ "inside",  up_inside,  NULL },
	{ "owner",   up_owner,   NULL },
};
/* clang-format on */
const size_t n_create_steps = ARRAY_SIZE(create_steps);

/* What could not be removed is recovery's to try again, which without a note would not know it. */
static void drop_note(const struct ve *ve)
{
	char path[64];

	(void)str_fmt(path, sizeof(path), "private/%u", ve->id);
	if (faccessat(ve->in->lib, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0 ||
	    create_is_made(ve->in, ve->id))
		intent_drop(ve->in, ve->id);
}

void create_undo(struct ve *ve, bool had_conf)
{
	struct create c = { .ve = *ve, .had_conf = had_conf };

	steps_down(create_steps, n_create_steps, &c, &ve->in->log, "undo create");
	drop_note(ve);
}

/* The steps, within a note for whoever comes after a kill or a power cut. */
static int run_steps(struct create *c, struct err *e)
{
	struct inst *in = c->ve.in;
	enum intent before = intent_read(in, c->ve.id);
	char what[32];
	int r = 0;

	(void)str_fmt(what, sizeof(what), "create %u", c->ve.id);
	if (before == INTENT_CREATE)
		addrs_drop_unnamed(&c->ve);
	else
		r = intent_note(in, c->ve.id, c->had_conf ? INTENT_FILL : INTENT_CREATE, e);
	if (!r)
		r = steps_up(create_steps, n_create_steps, c, &in->log, what, e);
	if (!r || before != INTENT_CREATE)      /* a config of an earlier one is still to be undone */
		drop_note(&c->ve);
	return r;
}

static int create_locked(struct create *c, struct err *e)
{
	struct inst *in = c->ve.in;
	_fd_ int hold = -1;             /* of the template, until the config names it */
	int r;

	if (create_is_made(in, c->ve.id)) {
		intent_drop(in, c->ve.id);      /* of one that was killed when all was done */
		return err_set(e, EEXIST, VZ_PRIVATE_EXISTS, "VE %u already exists", c->ve.id);
	}
	r = state_load(in, c->ve.id, &c->ve.state, &c->ve.pidfd, e);
	if (!r && (c->ve.state.phase == PH_RUNNING || c->ve.state.phase == PH_MOUNTED))
		r = err_set(e, EBUSY, VZ_RUNNING, "VE %u is in use, although half made; stop it first",
			    c->ve.id);
	if (!r)
		r = create_gather(c, &hold, e);
	if (r < 0)
		return r;
	inst_say(in, "Creating container private area (%s)",
		 c->like && c->like->root ? "with its own root" : c->ve.conf.ostemplate);
	r = run_steps(c, e);
	if (r < 0)
		return r;
	inst_say(in, "CT configuration saved to %s/etc/berth/conf/%u.conf", in->root, c->ve.id);
	inst_say(in, "Container private area was created");
	return 0;
}

int ve_create(struct inst *in, uint32_t id, const struct ve_change *change, struct err *e)
{
	return create_like(in, id, NULL, change, e);
}

int create_like(struct inst *in, uint32_t id, const struct create_like *l,
		const struct ve_change *change, struct err *e)
{
	struct create c = { .ve = { .in = in, .id = id, .lock = -1, .pidfd = -1 },
			    .change = change, .like = l };
	int r = lock_take(in, id, "create", 10000, &c.ve.lock, e);

	if (r < 0)
		return r;
	r = create_locked(&c, e);
	if (!r)
		events_add(in, id, "created");
	ve_close(&c.ve);
	return r;
}

int create_like_check(struct inst *in, uint32_t id, const struct create_like *l,
		      const struct ve_change *change, struct err *e)
{
	struct create c = { .ve = { .in = in, .id = id, .lock = -1, .pidfd = -1 },
			    .change = change, .like = l };
	struct err none = ERR_INIT;
	struct links_want w;
	struct links links;
	_fd_ int hold = -1;
	uint32_t other;
	int r = create_gather(&c, &hold, e);

	if (r < 0)
		return r;
	if (*c.ve.conf.name && reg_resolve(in, c.ve.conf.name, &other, &none) == 0 && other != id)
		return err_set(e, EEXIST, VZ_NAME, "name \"%s\" is that of VE %u", c.ve.conf.name, other);
	w = links_of_conf(&c.ve);
	r = links_plan(&c.ve, &w, &links, e);
	return r < 0 ? r : addrs_check(&c.ve, &links, e);
}
