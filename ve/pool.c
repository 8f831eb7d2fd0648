/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/claim.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/parse.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/apply.h"
#include "ve/conf.h"
#include "ve/lock.h"
#include "ve/registry.h"

#define CONF_MAX 65536
#define NAMES_SHOWN 10          /* VEs in a message */

static void conf_path(const char *name, char dst[96])
{
	(void)str_fmt(dst, 96, "pools/%s.conf", name);
}

static int check_name(const char *name, struct err *e)
{
	if (reg_name_ok(name) && !str_eq(name, "none"))
		return 0;
	return err_set(e, EINVAL, VZ_BAD_VALUE,
		       "pool \"%.60s\": want letters, digits and . _ -, not starting with a digit, "
		       "at most 63", name);
}

static int no_such(const char *name, struct err *e)
{
	return err_set(e, ENOENT, VZ_BAD_VALUE, "pool %.60s does not exist", name);
}

static bool exists(const struct inst *in, const char *name)
{
	char path[96];

	conf_path(name, path);
	return faccessat(in->etc, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- as a struct ve ---- */

/* Rows that a pool cannot have were written there by hand and count for nothing. */
static int load(const struct inst *in, const char *name, struct ve_conf *ret, struct err *e)
{
	_free_ char *text = NULL;
	char path[96];
	size_t len;
	int r;

	conf_path(name, path);
	r = fs_read_at(in->etc, path, CONF_MAX, &text, &len, e);
	if (r == -ENOENT)
		return no_such(name, e);
	if (!r)
		r = conf_parse(text, len, path, ret, e);
	if (r < 0)
		return err_exit(e, VZ_BAD_CONF);
	for (size_t i = 0; i < n_params; i++)
		if (!param_is_of(&params[i], true))
			param_copy(&params[i], ret, &(struct ve_conf){ 0 });
	(void)str_fmt(ret->name, sizeof(ret->name), "%s", name);
	return 0;
}

int pool_open(struct ve *ret, struct inst *in, const char *name, const char *verb, struct err *e)
{
	struct ve p = { .in = in, .state = VE_STATE_INIT, .lock = -1, .pidfd = -1, .is_pool = true };
	int r = check_name(name, e);

	if (!r && !exists(in, name))            /* and make no lock of that name */
		r = no_such(name, e);
	if (!r && verb)
		r = lock_take_pool(in, name, verb, POOL_WAIT_MS, &p.lock, e);
	if (!r)
		r = load(in, name, &p.conf, e);
	if (r < 0) {
		ve_close(&p);
		return r;
	}
	(void)str_fmt(p.cg, sizeof(p.cg), CG_POOL "%s", name);
	(void)str_fmt(p.state.place, sizeof(p.state.place), "%s", p.cg);
	if (cg_exists(&in->cg, p.cg))
		p.state.phase = PH_RUNNING;
	if (!pool_is_flat(in))
		p.state.disk_dev = host_disk(in);
	*ret = p;
	return 0;
}

bool pool_of_place(const char *place, char ret_place[CG_PLACE_LEN], char ret_name[VE_NAME_LEN])
{
	const char *end = strrchr(place, '/'), *name = strstr(place, CG_POOL);

	if (!end || !name || name > end)
		return false;
	name += strlen(CG_POOL);
	return str_fmt(ret_place, CG_PLACE_LEN, "%.*s", (int)(end - place), place) >= 0 &&
	       str_fmt(ret_name, VE_NAME_LEN, "%.*s", (int)(end - name), name) >= 0;
}

/* ---- who is in it ---- */

static int open_claims(const struct inst *in, const char *name, bool make, int *ret, struct err *e)
{
	char path[96];
	int r = 0;

	(void)str_fmt(path, sizeof(path), "pool/%s", name);
	if (make)
		r = fs_mkdir_p(in->lib, path, 0700, e);
	if (r < 0)
		return r;
	*ret = openat(in->lib, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret < 0 ? err_sys(e, "open the claims on pool %s", name) : 0;
}

static bool is_member(const struct inst *in, const char *name, uint32_t id)
{
	_free_ struct ve_conf *conf = calloc(1, sizeof(*conf));
	struct err ignored = ERR_INIT;
	int r = conf ? conf_load(in, id, conf, &ignored) : -ENOMEM;

	return r == 0 ? str_eq(conf->pool, name) : r != -ENOENT;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

int pool_ves(const struct inst *in, const char *name, uint32_t **ret, size_t *ret_n, struct err *e)
{
	_free_ uint32_t *ids = NULL;
	struct err absent = ERR_INIT;
	_dir_ DIR *d = NULL;
	struct dirent *de;
	size_t n = 0;
	int fd;

	*ret = NULL;
	*ret_n = 0;
	if (open_claims(in, name, false, &fd, &absent) < 0)
		return absent.eno == ENOENT ? 0 : (*e = absent, -absent.eno);
	d = fdopendir(fd);
	if (!d)
		return err_sys(e, "list the claims on pool %s", name);
	while ((de = readdir(d))) {
		uint32_t *more, id;

		if (parse_u32(de->d_name, 1, UINT32_MAX, &id) < 0 ||
		    !is_member(in, name, id))
			continue;
		more = realloc(ids, (n + 1) * sizeof(*ids));
		if (!more)
			return err_set(e, ENOMEM, 0, "list the claims on pool %s: out of memory", name);
		ids = more;
		ids[n++] = id;
	}
	if (n)
		qsort(ids, n, sizeof(*ids), by_number);
	*ret = TAKE_PTR(ids);
	*ret_n = n;
	return 0;
}

/* For one that is not in it yet. */
static int check_room(const struct inst *in, const char *name, uint32_t id, struct err *e)
{
	_free_ struct ve_conf *conf = calloc(1, sizeof(*conf));
	_free_ uint32_t *ids = NULL;
	size_t n = 0;
	int r = conf ? load(in, name, conf, e) : err_set(e, ENOMEM, 0, "join pool %s: no memory", name);

	if (!r && conf->max_ves)
		r = pool_ves(in, name, &ids, &n, e);
	for (size_t i = 0; i < n; i++)
		if (ids[i] == id)
			return r;
	if (r < 0 || !conf->max_ves || n < conf->max_ves)
		return r;
	return err_set(e, ENOSPC, VZ_NO_RESOURCES, "pool %s is full: %zu VEs are in it (max-ves %llu)",
		       name, n, (unsigned long long)conf->max_ves);
}

int pool_check(const struct inst *in, const char *name, uint32_t id, struct err *e)
{
	return *name ? check_room(in, name, id, e) : 0;
}

int pool_claim_locked(const struct inst *in, const char *name, uint32_t id, struct err *e)
{
	_fd_ int dir = -1;
	char claim[16];
	int r = open_claims(in, name, true, &dir, e);

	if (r < 0)
		return r;
	(void)str_fmt(claim, sizeof(claim), "%u", id);
	if (claim_owner(dir, claim) == (int64_t)id)     /* the usual case: it costs no look at others */
		return 0;
	r = check_room(in, name, id, e);
	if (r < 0)
		return r;
	r = claim_take(dir, claim, id);
	return r < 0 ? err_set(e, -r, 0, "join pool %s: %s", name, strerror(-r)) : 0;
}

int pool_claim(struct inst *in, const char *name, uint32_t id, int *ret_lock, struct err *e)
{
	int r;

	if (!*name)
		return 0;
	if (!exists(in, name))
		return no_such(name, e);
	r = lock_take_pool(in, name, "join", POOL_WAIT_MS, ret_lock, e);
	return r < 0 ? r : pool_claim_locked(in, name, id, e);
}

void pool_release(const struct inst *in, const char *name, uint32_t id)
{
	struct err ignored = ERR_INIT;
	_fd_ int dir = -1;
	char claim[16];

	(void)str_fmt(claim, sizeof(claim), "%u", id);
	if (*name && open_claims(in, name, false, &dir, &ignored) == 0)
		claim_drop(dir, claim, id);
}

/* ---- making and removing ---- */

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

int pool_list(const struct inst *in, pool_name **ret, size_t *ret_n, struct err *e)
{
	int fd = openat(in->etc, "pools", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	pool_name *names = NULL;
	struct dirent *de;
	size_t n = 0;

	*ret = NULL;
	*ret_n = 0;
	if (!d)
		return errno == ENOENT ? 0 : err_sys(e, "list the pools");
	while ((de = readdir(d))) {
		pool_name name, *more;

		if (!str_ends(de->d_name, ".conf") ||
		    str_fmt(name, sizeof(name), "%.*s", (int)strlen(de->d_name) - 5, de->d_name) < 0 ||
		    !reg_name_ok(name))
			continue;
		more = realloc(names, (n + 1) * sizeof(*names));
		if (!more) {
			free(names);
			return err_set(e, ENOMEM, 0, "list the pools: out of memory");
		}
		names = more;
		memcpy(names[n++], name, sizeof(name));
	}
	if (n)
		qsort(names, n, sizeof(*names), by_name);
	*ret = names;
	*ret_n = n;
	return 0;
}

int pool_save(const struct inst *in, const char *name, const struct ve_conf *c, struct err *e)
{
	_free_ char *old = NULL, *text = NULL;
	char path[96];
	int r;

	conf_path(name, path);
	r = fs_read_at(in->etc, path, CONF_MAX, &old, NULL, e);
	if (r < 0 && r != -ENOENT)
		return r;
	err_clear(e);
	r = conf_format(old ? old : "", c, &text, e);
	if (!r)
		r = fs_save_at(in->etc, path, text, 0644, e);
	return r < 0 ? err_exit(e, VZ_CONF_SAVE) : 0;
}

/* Rows that this host cannot enforce. */
static int check_rows(struct inst *in, const struct ve_conf *c, struct err *e)
{
	struct ve probe = { .in = in, .is_pool = true };

	for (size_t i = 0; i < n_params; i++) {
		const struct param *p = &params[i];
		const char *why = conf_has(c, p) ? param_lacks(&probe, p) : NULL;

		if (why)
			return err_set(e, EOPNOTSUPP, p->exit ? p->exit : VZ_NO_KERNEL_SUPPORT,
				       "--%s: %s", p->opt, why);
	}
	return 0;
}

int pool_create(struct inst *in, const char *name, const struct ve_change *c, struct err *e)
{
	_fd_ int lock = -1;
	int r = check_name(name, e);

	if (!r)
		r = check_rows(in, &c->to, e);
	if (!r)
		r = fs_mkdir_p(in->etc, "pools", 0755, e);
	if (!r)
		r = lock_take_pool(in, name, "create", POOL_WAIT_MS, &lock, e);
	if (!r && exists(in, name))
		r = err_set(e, EEXIST, VZ_BAD_VALUE, "pool %s already exists", name);
	return r < 0 ? r : pool_save(in, name, &c->to, e);
}

static int in_use(const char *name, const uint32_t *ids, size_t n, struct err *e)
{
	char list[128] = "";
	size_t len = 0;

	for (size_t i = 0; i < n && i < NAMES_SHOWN; i++)
		len += (size_t)str_fmt(list + len, sizeof(list) - len, "%s%u", i ? ", " : "", ids[i]);
	if (n > NAMES_SHOWN)
		(void)str_fmt(list + len, sizeof(list) - len, " and %zu more", n - NAMES_SHOWN);
	return err_set(e, EBUSY, VZ_SYSTEM, "delete pool %s: VE %s %s in it", name, list,
		       n > 1 ? "are" : "is");
}

int pool_delete(struct inst *in, const char *name, struct err *e)
{
	_free_ uint32_t *ids = NULL, *running = NULL;
	char path[96];
	size_t n = 0;
	struct ve p;
	int r = pool_open(&p, in, name, "delete", e);

	if (r < 0)
		return r;
	r = pool_ves(in, name, &ids, &n, e);
	if (!r && n)
		r = in_use(name, ids, n, e);
	/* its config may say otherwise by now: it was taken out while it ran */
	if (!r && cg_members(&in->cg, p.cg, &running, &n) == 0 && n)
		r = in_use(name, running, n, e);
	if (!r) {
		cg_destroy_pool(&in->cg, p.cg);
		conf_path(name, path);
		fs_unlink_saved(in->etc, path);
		(void)str_fmt(path, sizeof(path), "pool/%s", name);
		if (fs_remove_tree(in->lib, path, e) < 0)
			err_clear(e);           /* claims of nobody */
		(void)str_fmt(path, sizeof(path), "lock/pool-%s.lck", name);
		(void)unlinkat(in->run, path, 0);
	}
	ve_close(&p);
	return r;
}
