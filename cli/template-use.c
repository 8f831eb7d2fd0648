/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/template-use.h"

#include <errno.h>
#include <stdlib.h>

#include "cli/xalloc.h"
#include "util/cleanup.h"
#include "util/str.h"
#include "ve/archive.h"
#include "ve/conf.h"
#include "ve/registry.h"
#include "ve/reinstall.h"
#include "ve/snapshot.h"
#include "ve/upgrade.h"

int template_uses_load(struct cli *c, struct template_uses *ret, struct err *e)
{
	_free_ struct ve_conf *conf = xcalloc(1, sizeof(*conf));
	struct template_uses u = { .n = 0 };
	int r = reg_list(&c->in, &u.ids, &u.n, e);

	if (r < 0)
		return r;
	u.digests = xcalloc(u.n ? u.n : 1, sizeof(*u.digests));
	for (size_t i = 0; i < u.n && r >= 0; i++) {
		r = conf_load(&c->in, u.ids[i], conf, e);
		if (r == -ENOENT) {
			err_clear(e);   /* destroyed meanwhile */
			r = 0;
			continue;
		}
		if (r >= 0)
			(void)str_fmt(u.digests[i], sizeof(u.digests[i]), "%s", conf->template);
	}
	if (r >= 0)
		r = archive_list(&c->in, &u.archives, &u.n_archives, e);
	if (r < 0) {
		template_uses_free(&u);
		return r;
	}
	*ret = u;
	return 0;
}

void template_uses_free(struct template_uses *u)
{
	free(u->digests);
	free(u->ids);
	free(u->archives);
	*u = (struct template_uses){ .n = 0 };
}

size_t template_uses_count(const struct template_uses *u, const char *digest)
{
	size_t n = 0;

	for (size_t i = 0; i < u->n; i++)
		n += str_eq(u->digests[i], digest);
	return n;
}

/* After the notes: an upgrade or reinstall that ends meanwhile saves the config, then drops its note. */
static bool is_on(struct cli *c, uint32_t id, const char *digest)
{
	_free_ struct ve_conf *conf = xcalloc(1, sizeof(*conf));
	struct err e = ERR_INIT;
	int r = conf_load(&c->in, id, conf, &e);

	return r < 0 ? r != -ENOENT : str_eq(conf->template, digest);
}

uint32_t template_uses_who(struct cli *c, const struct template_uses *u, const char *digest,
			   const char **ret_how)
{
	for (size_t i = 0; i < u->n; i++) {
		*ret_how = "is on it";
		if (str_eq(u->digests[i], digest))
			return u->ids[i];
		*ret_how = "may go back to it (upgrade --confirm ends that)";
		if (ve_upgrade_needs(&c->in, u->ids[i], digest))
			return u->ids[i];
		*ret_how = "is being reinstalled on it";
		if (ve_reinstall_needs(&c->in, u->ids[i], digest))
			return u->ids[i];
		*ret_how = "has a snapshot on it";
		if (ve_snapshot_needs(&c->in, u->ids[i], digest))
			return u->ids[i];
		*ret_how = "is on it";
		if (is_on(c, u->ids[i], digest))
			return u->ids[i];
	}
	*ret_how = "is archived on it";
	for (size_t i = 0; i < u->n_archives; i++)
		if (str_eq(u->archives[i].conf.template, digest))
			return u->archives[i].id;
	return 0;
}
