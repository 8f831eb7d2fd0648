/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/adopt.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "templates/store.h"
#include "templates/unpack.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/addrs.h"
#include "ve/conf.h"
#include "ve/create.h"
#include "ve/intent.h"
#include "ve/links.h"
#include "ve/refuse.h"
#include "ve/registry.h"

/* ---- the number ---- */

/* 101.conf, vzdump-openvz-101-2019_01_01.tar.gz, vzdump-lxc-101-..., private/101 */
static uint32_t number_of(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char digits[12];
	uint32_t id;
	size_t n;

	if (str_starts(name, "vzdump-openvz-") || str_starts(name, "vzdump-lxc-"))
		name = strchr(name + strlen("vzdump-"), '-') + 1;
	n = strspn(name, "0123456789");
	if (!n || isalpha((unsigned char)name[n]) ||
	    str_fmt(digits, sizeof(digits), "%.*s", (int)n, name) < 0 ||
	    parse_u32(digits, VEID_MIN, VEID_MAX, &id) < 0)
		return 0;
	return id;
}

static int choose_number(struct adopt *a, struct err *e)
{
	a->id = a->o->id;
	if (!a->id && a->o->config)
		a->id = number_of(a->o->config);
	if (!a->id)
		a->id = number_of(a->o->source);
	if (!a->id)
		return err_set(e, EINVAL, VZ_FEW_PARAMS,
			       "import %s: its name says no number from %d on; give the ID of the new VE",
			       a->o->source, VEID_MIN);
	return 0;
}

/* ---- the config ---- */

static int note_row(struct adopt *a, const struct param *p, const char *key, const char *why,
		    struct err *e)
{
	char val[4096], was[4096] = "", now[4200];

	if (param_show(p, &a->conf, val, sizeof(val)) < 0)
		val[0] = '\0';
	if (conf_has(&a->from.conf, p) &&
	    param_show(p, &a->from.conf, was, sizeof(was)) < 0)
		was[0] = '\0';
	(void)str_fmt(now, sizeof(now), "%s %s", param_word(p), val);
	return foreign_note(&a->from, FATE_CHANGES, key, was, now, why, e);
}

/* What neither source nor administrator has said comes from the plan, as in `create`. */
static int note_rest(struct adopt *a, const struct ve_conf *plan, struct err *e)
{
	const struct ve_conf *to = &a->o->change->to;
	char key[80];
	int r = 0;

	for (size_t i = 0; i < n_params && !r; i++) {
		const struct param *p = &params[i];

		if (p->flags & P_HIDDEN)
			continue;
		(void)str_fmt(key, sizeof(key), "--%s", param_word(p));
		if (conf_has(to, p))
			r = note_row(a, p, key, "asked for here", e);
		else if (conf_has(plan, p) && !conf_has(&a->from.conf, p))
			r = note_row(a, p, "(not said)", "as the plan says", e);
	}
	return r;
}

/* A name that cannot be one here is no reason to refuse the VE. */
static int drop_bad_name(struct adopt *a, struct err *e)
{
	struct ve_conf *c = &a->from.conf;
	const struct param *name = param_by_key("NAME");

	if (!conf_has(c, name) || !*c->name || reg_name_ok(c->name))
		return 0;
	conf_mark(c, name, false);
	return foreign_note(&a->from, FATE_LOST, "NAME", c->name, NULL,
			    "no name that a VE can have; --name gives it one", e);
}

static int merge(struct adopt *a, struct err *e)
{
	const struct ve_change *ch = a->o->change;
	const char *name = ch->applyconfig ? ch->applyconfig : a->in->conf.configfile;
	struct ve_conf plan = { 0 };
	int r = drop_bad_name(a, e);

	if (!r)
		r = conf_load_sample(a->in, name, &plan, e);
	if (r < 0)
		return r;
	a->conf = plan;
	(void)str_fmt(a->conf.origin_sample, sizeof(a->conf.origin_sample), "%s", name);
	conf_mark(&a->conf, param_by_key("ORIGIN_SAMPLE"), true);
	conf_merge(&a->conf, &a->from.conf);
	conf_merge(&a->conf, &ch->to);
	if (netif_change_is_for(&ch->netif)) {  /* not of the first link */
		param_copy(param_by_key("IP_ADDRESS"), &a->conf, &a->from.conf);
		param_copy(param_by_key("NETWORK"), &a->conf, &a->from.conf);
	}
	r = netif_apply(&a->conf, ch, e);
	return r < 0 ? r : note_rest(a, &plan, e);
}

int adopt_read(struct adopt *a, struct inst *in, const struct adopt_opts *o, struct err *e)
{
	int r;

	a->in = in;
	a->o = o;
	a->from.other_net = *o->change->to.network;
	r = inst_program(in, "berth-unpack", &a->unpack, e);
	if (!r)
		r = store_open(in->lib, in->run, &a->store, e);
	if (!r)
		r = adopt_source(a, e);
	if (!r)
		r = choose_number(a, e);
	return r < 0 ? r : merge(a, e);
}

void adopt_done(struct adopt *a)
{
	cleanup_fd(&a->fd);
	cleanup_fd(&a->root.fd);
	store_close(&a->store);
	look_free(&a->look);
	foreign_free(&a->from);
	cleanup_free(&a->unpack);
}

/* ---- what would keep it from being made ---- */

static int check_number(const struct adopt *a, struct err *e)
{
	bool half = intent_read(a->in, a->id) == INTENT_CREATE && !create_is_made(a->in, a->id);

	if (reg_exists(a->in, a->id) && !half)
		return err_set(e, EEXIST, VZ_PRIVATE_EXISTS,
			       "VE %u already exists; give the new one another ID", a->id);
	return 0;
}

static int check_name(const struct adopt *a, struct err *e)
{
	struct err none = ERR_INIT;
	uint32_t owner;

	if (*a->conf.name && reg_resolve(a->in, a->conf.name, &owner, &none) == 0 &&
	    owner != a->id && reg_exists(a->in, owner))
		return err_set(e, EEXIST, VZ_NAME, "name %s is that of VE %u; --name gives another",
			       a->conf.name, owner);
	return 0;
}

/* "auto" is chosen when it is made. */
static int check_links(const struct adopt *a, struct err *e)
{
	struct ve ve = { .in = a->in, .id = a->id, .conf = a->conf, .lock = -1, .pidfd = -1 };
	struct links_want w = links_of_conf(&ve);
	struct ip_list *ips = &ve.conf.ips;
	struct links links;
	unsigned n = 0;
	int r;

	for (unsigned i = 0; i < ips->n; i++)
		if (ips->a[i].family)
			ips->a[n++] = ips->a[i];
	ips->n = n;
	r = links_plan(&ve, &w, &links, e);
	return r < 0 ? r : addrs_check(&ve, &links, e);
}

int adopt_check(const struct adopt *a, struct err *e)
{
	char why[160];
	int r = check_number(a, e);

	for (size_t i = 0; i < n_params && !r; i++)
		if (conf_has(&a->o->change->to, &params[i]) &&
		    refuse_row(&params[i], &a->conf, why, sizeof(why)))
			return err_set(e, ERANGE, params[i].exit, "--%s: %s", params[i].opt, why);
	if (!r)
		r = check_name(a, e);
	if (!r)
		r = check_links(a, e);
	return r < 0 ? r : refuse_conf(a->in, &a->conf, e);
}

/* ---- making it ---- */

/* The root in the store, and in the config which version it is. */
static int take_root(void *arg, struct ve *ve, struct err *e)
{
	struct adopt *a = arg;
	struct import im = { .dir = -1, .root = &a->root, .unpack = a->unpack, .tmp = a->store.dir,
			     .max_size = a->o->max_size, .progress = a->o->progress,
			     .arg = a->o->arg };
	char name[32];
	int r;

	if (!im.max_size)
		im.max_size = ve->conf.diskspace > UNPACK_MAX_SIZE ? ve->conf.diskspace : UNPACK_MAX_SIZE;
	(void)str_fmt(name, sizeof(name), "imported-%u", ve->id);
	im.name = name;
	r = import_template(&a->store, &im, &a->t, e);
	if (r < 0)
		return r;
	(void)str_fmt(ve->conf.template, sizeof(ve->conf.template), "%s", a->t.digest);
	(void)str_fmt(ve->conf.ostemplate, sizeof(ve->conf.ostemplate), "%.16s", a->t.digest);
	conf_mark(&ve->conf, param_by_key("OSTEMPLATE"), true);
	conf_mark(&ve->conf, param_by_key("TEMPLATE_VERSION"), true);
	return conf_save(ve->in, ve->id, &ve->conf, e);
}

/* What was read is what is made: the archive must be the same as then. */
static int check_same(const struct adopt *a, struct err *e)
{
	struct stat now;

	if (fstat(a->fd, &now) < 0)
		return err_sys(e, "stat %s", a->o->source);
	if (S_ISREG(now.st_mode) && (now.st_size != a->before.st_size ||
				     now.st_mtim.tv_sec != a->before.st_mtim.tv_sec ||
				     now.st_mtim.tv_nsec != a->before.st_mtim.tv_nsec))
		return err_set(e, EBUSY, VZ_BAD_TEMPLATE, "import %s: it has changed since it was read",
			       a->o->source);
	return 0;
}

int adopt_make(struct adopt *a, struct err *e)
{
	struct create_like like = { .conf = &a->conf, .root = take_root, .arg = a };
	struct ve_change change = *a->o->change;
	struct err ignored = ERR_INIT;
	int r = check_same(a, e);

	change.to = (struct ve_conf){ 0 };      /* all of it is in the config */
	change.netif = (struct netif_change){ 0 };
	if (!r)
		r = create_like(a->in, a->id, &like, &change, e);
	/* A version that was there before may be another VE's. */
	if (r < 0 && a->t.fresh)
		(void)!store_remove(&a->store, a->t.digest, &ignored);
	return r;
}
