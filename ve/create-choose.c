/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a VE that is created shall be: of the plan, the config that was there, and what was asked for. */
#include "ve/create-impl.h"

#include <string.h>

#include "templates/store.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/conf.h"
#include "ve/intent.h"
#include "ve/plan.h"
#include "ve/refuse.h"
#include "ve/registry.h"
#include "ve/template-cache.h"

/* Settings that were asked for and are none of such a VE. */
static int check_settings(const struct create *c, struct err *e)
{
	char why[160];

	for (size_t i = 0; i < n_params; i++)
		if (conf_has(&c->change->to, &params[i]) &&
		    refuse_own_disk(&params[i], why, sizeof(why)))
			return err_set(e, ENOTSUP, VZ_BAD_OPTION, "create %u: --%s: %s", c->ve.id,
				       params[i].opt, why);
	if (c->change->userpasswd)
		return err_set(e, ENOTSUP, VZ_PASSWD,
			       "create %u: --userpasswd: the system on its own disk decides that", c->ve.id);
	return 0;
}

/* At least what it has now: it cannot become smaller. */
static int check_size(struct create *c, uint64_t bytes, struct err *e)
{
	const struct param *p = param_by_key("DISKSPACE");
	struct disk_spec spec;

	plan_disk(&c->ve, &spec);
	if (spec.size >= bytes)
		return 0;
	if (conf_has(&c->change->to, p))
		return err_set(e, EINVAL, VZ_IMAGE_CREATE, "create %u: --diskspace: the disk of template %.60s "
			       "has %llu MiB", c->ve.id, c->ve.conf.ostemplate,
			       (unsigned long long)((bytes + 1048575) >> 20));
	c->ve.conf.diskspace = (bytes + 4095) / 4096 * 4096;
	conf_mark(&c->ve.conf, p, true);
	return 0;
}

/* A template is a root, of a container or of a VM by the host's kernel, or the disk of a VM. */
static int check_content(struct create *c, const struct template *t, struct err *e)
{
	struct ve_conf *conf = &c->ve.conf;
	int r;

	if (!t->disk && plan_boots_disk(conf))
		return err_set(e, EINVAL, VZ_BAD_TEMPLATE, "create %u: --boot disk: template %.60s is no disk; "
			       "berth template import --format makes one", c->ve.id, conf->ostemplate);
	if (t->disk && (!str_eq(conf->kind, "vm") || str_eq(conf->boot, "kernel")))
		return err_set(e, EINVAL, VZ_BAD_TEMPLATE, "create %u: template %.60s is the disk of a machine "
			       "that boots it; want --kind vm --boot disk", c->ve.id, conf->ostemplate);
	if (!t->disk)
		return 0;
	(void)str_fmt(conf->boot, sizeof(conf->boot), "disk");
	conf_mark(conf, param_by_key("BOOT"), true);
	r = check_settings(c, e);
	return r < 0 ? r : check_size(c, t->size, e);
}

/* What the store does not know may lie in vzctl's cache, and may be named as the file there. */
static int find_template(struct create *c, const struct store *st, struct template *ret, struct err *e)
{
	struct ve_conf *conf = &c->ve.conf;
	struct err missing = ERR_INIT;
	char name[sizeof(conf->ostemplate)];
	int r = store_find(st, conf->ostemplate, ret, &missing);

	template_cache_name(conf->ostemplate, name, sizeof(name));
	if (r == -ENOENT && !str_eq(name, conf->ostemplate)) {
		(void)str_fmt(conf->ostemplate, sizeof(conf->ostemplate), "%s", name);
		r = store_find(st, name, ret, e);
		err_clear(e);
	}
	if (r == -ENOENT) {
		r = template_from_cache(c->ve.in, st, name, ret, e);
		if (r < 0 && e->eno)
			return r;
	}
	if (r < 0)
		*e = missing;
	return r;
}

static int choose_template(struct create *c, int *ret_hold, struct err *e)
{
	struct ve_conf *conf = &c->ve.conf;
	const struct inst *in = c->ve.in;
	struct store st = STORE_INIT;
	struct template t;
	int r;

	if (!*conf->ostemplate) {
		if (!*in->conf.def_ostemplate)
			return err_set(e, EINVAL, VZ_NO_TEMPLATE_GIVEN,
				       "create %u: no template given; add --ostemplate NAME", c->ve.id);
		(void)str_fmt(conf->ostemplate, sizeof(conf->ostemplate), "%s",
			      in->conf.def_ostemplate);
	}
	r = store_open(in->lib, in->run, &st, e);
	if (!r)
		r = find_template(c, &st, &t, e);
	if (!r)
		r = store_hold(&st, t.digest, ret_hold, e);
	store_close(&st);
	if (r < 0)
		return err_exit(e, VZ_NO_TEMPLATE);
	(void)str_fmt(conf->template, sizeof(conf->template), "%s", t.digest);
	conf_mark(conf, param_by_key("OSTEMPLATE"), true);
	conf_mark(conf, param_by_key("TEMPLATE_VERSION"), true);
	return check_content(c, &t, e);
}

static int refuse_layout(const struct create *c, struct err *e)
{
	const struct ve_conf *conf = &c->ve.conf;
	const struct storage_backend *b = storage_find(conf->layout);
	_fd_ int dir = -1;
	int r;

	if (!b)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "--layout %s: want image, full or quota",
			       conf->layout);
	if (!b->usable)
		return 0;
	r = fs_open_dir(c->ve.in->lib, "private", &dir, e);
	if (!r)
		r = b->usable(dir, e);
	return r < 0 ? err_wrap(e, "--layout %s", conf->layout) : 0;
}

/* What start would fail on, or what was asked for and this host does not have. */
static int refuse(struct create *c, struct err *e)
{
	char why[160];
	int r;

	for (size_t i = 0; i < n_params; i++)
		if (conf_has(&c->change->to, &params[i]) &&
		    refuse_row(&params[i], &c->ve.conf, why, sizeof(why)))
			return err_set(e, ERANGE, params[i].exit, "--%s: %s", params[i].opt, why);
	if (str_eq(c->ve.conf.kind, "vm") && (c->change->ssh_keys || c->change->user_script))
		return err_set(e, ENOTSUP, VZ_BAD_OPTION,
			       "create %u: --ssh-key and --user-script are for containers", c->ve.id);
	r = refuse_layout(c, e);
	return r < 0 ? r : refuse_conf(c->ve.in, &c->ve.conf, e);
}

/* A killed one like this had got as far as its config: nobody's, and of another moment. */
static int clear_killed(struct create *c, struct err *e)
{
	struct ve old = c->ve;
	int r;

	if (intent_read(c->ve.in, c->ve.id) != INTENT_CREATE || !reg_exists(c->ve.in, c->ve.id))
		return 0;
	r = conf_load(c->ve.in, c->ve.id, &old.conf, e);
	if (!r)
		create_undo(&old, false);
	return r;
}

/* The other's config, then what was asked for now. One that was there is somebody's. */
static int gather_like(struct create *c, struct err *e)
{
	int r = clear_killed(c, e);

	if (r < 0)
		return r;
	if (reg_exists(c->ve.in, c->ve.id))
		return err_set(e, EEXIST, VZ_PRIVATE_EXISTS, "VE %u already exists", c->ve.id);
	c->ve.conf = *c->like->conf;
	conf_merge(&c->ve.conf, &c->change->to);
	return refuse(c, e);
}

/* Plan, then the config that was there, then what was asked for now: later wins. */
static int gather(struct create *c, int *ret_hold, struct err *e)
{
	const char *plan = c->change->applyconfig ? c->change->applyconfig
						  : c->ve.in->conf.configfile;
	struct ve_conf conf = { 0 }, have = { 0 };
	int r = conf_load_sample(c->ve.in, plan, &conf, e);

	if (r < 0)
		return r;
	(void)str_fmt(conf.origin_sample, sizeof(conf.origin_sample), "%s", plan);
	conf_mark(&conf, param_by_key("ORIGIN_SAMPLE"), true);
	r = conf_load(c->ve.in, c->ve.id, &have, e);
	c->had_conf = r == 0;
	if (r < 0 && r != -ENOENT)
		return r;
	err_clear(e);
	conf_merge(&conf, &have);
	conf_merge(&conf, &c->change->to);
	if (netif_change_is_for(&c->change->netif)) {   /* not of the first link */
		param_copy(param_by_key("IP_ADDRESS"), &conf, &have);
		param_copy(param_by_key("NETWORK"), &conf, &have);
	}
	r = netif_apply(&conf, c->change, e);
	if (r < 0)
		return r;
	c->ve.conf = conf;
	r = refuse(c, e);
	return r < 0 ? r : choose_template(c, ret_hold, e);
}

int create_gather(struct create *c, int *ret_hold, struct err *e)
{
	return c->like ? gather_like(c, e) : gather(c, ret_hold, e);
}
