/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recovery. Nothing here trusts what it finds: a VE is worked on under its lock, and its state
 * is what state_load says after asking the kernel. Whatever this does it does again when it is
 * killed, because the id of the boot is written last.
 *
 * What is looked at: every number that a config, run state, private area, note or claim names.
 * Claims are made under the lock of their VE and after its config or state names them, so one
 * that neither of them names belongs to nobody.
 */
#include "ve/recover.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "util/claim.h"
#include "util/cleanup.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "util/sys-lock.h"
#include "util/sys-proc.h"
#include "ve/addrs.h"
#include "ve/conf.h"
#include "ve/create.h"
#include "ve/destroy.h"
#include "ve/intent.h"
#include "ve/links.h"
#include "ve/lock.h"
#include "ve/netlock.h"
#include "ve/registry.h"
#include "ve/start.h"
#include "ve/suspend.h"

enum claim_kind { CLAIM_IP, CLAIM_IDS, CLAIM_NAME };

struct found {
	uint32_t id;
	bool is_claim;
	enum claim_kind kind;
	char name[VE_NAME_LEN];         /* of a claim, in its directory */
};

struct finds {
	struct found *a;
	size_t n, cap;
};

static const char *const claim_dirs[] = { [CLAIM_IP] = "ip", [CLAIM_IDS] = "ids", [CLAIM_NAME] = "names" };

static int find_add(struct finds *f, const struct found *one, struct err *e)
{
	if (f->n == f->cap) {
		struct found *more = realloc(f->a, (f->cap = f->cap ? f->cap * 2 : 64) * sizeof(*more));

		if (!more)
			return err_set(e, ENOMEM, 0, "recover: out of memory");
		f->a = more;
	}
	f->a[f->n++] = *one;
	return 0;
}

static DIR *list_dir(int at, const char *name)
{
	_fd_ int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (d)
		(void)TAKE_FD(fd);
	return d;
}

/* Every name of the directory that begins with the number of a VE: 101, 101.conf. */
static int find_numbers(struct finds *f, int at, const char *name, struct err *e)
{
	_dir_ DIR *d = list_dir(at, name);
	struct dirent *de;
	int r = 0;

	while (d && !r && (de = readdir(d))) {
		struct found one = { 0 };
		char digits[16];
		size_t n = strspn(de->d_name, "0123456789");

		if (!n || (de->d_name[n] && !str_eq(de->d_name + n, ".conf")) ||
		    str_fmt(digits, sizeof(digits), "%.*s", (int)n, de->d_name) < 0 ||
		    parse_u32(digits, VEID_MIN, VEID_MAX, &one.id) < 0)
			continue;
		r = find_add(f, &one, e);
	}
	return r;
}

static int find_claims(struct finds *f, int lib, enum claim_kind kind, struct err *e)
{
	_dir_ DIR *d = list_dir(lib, claim_dirs[kind]);
	struct dirent *de;
	int r = 0;

	while (d && !r && (de = readdir(d))) {
		struct found one = { .is_claim = true, .kind = kind };
		int64_t owner = claim_owner(dirfd(d), de->d_name);

		if (owner < VEID_MIN || owner > VEID_MAX ||
		    str_fmt(one.name, sizeof(one.name), "%s", de->d_name) < 0)
			continue;
		one.id = (uint32_t)owner;
		r = find_add(f, &one, e);
	}
	return r;
}

static int find_names(struct finds *f, const struct inst *in, struct err *e)
{
	_dir_ DIR *d = list_dir(in->etc, "names");
	struct dirent *de;
	int r = 0;

	while (d && !r && (de = readdir(d))) {
		struct found one = { .is_claim = true, .kind = CLAIM_NAME };
		struct err ignored = ERR_INIT;

		if (!reg_name_ok(de->d_name) || reg_resolve(in, de->d_name, &one.id, &ignored) < 0)
			continue;
		(void)str_fmt(one.name, sizeof(one.name), "%s", de->d_name);
		r = find_add(f, &one, e);
	}
	return r;
}

static int by_number(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static int find_all(const struct inst *in, struct finds *f, struct err *e)
{
	int r = find_numbers(f, in->etc, "conf", e);

	if (!r)
		r = find_numbers(f, in->run, ".", e);
	if (!r)
		r = find_numbers(f, in->lib, "private", e);
	if (!r)
		r = find_numbers(f, in->lib, "half", e);
	if (!r)
		r = find_claims(f, in->lib, CLAIM_IP, e);
	if (!r)
		r = find_claims(f, in->lib, CLAIM_IDS, e);
	if (!r)
		r = find_names(f, in, e);
	if (!r && f->n)
		qsort(f->a, f->n, sizeof(*f->a), by_number);
	return r;
}

/* ---- one VE ---- */

static bool is_wanted(const struct ve *ve, const struct found *c)
{
	char slot[24];

	if (c->kind == CLAIM_IP)
		return addrs_named(ve, c->name);
	if (c->kind == CLAIM_NAME)
		return str_eq(ve->conf.name, c->name);
	(void)str_fmt(slot, sizeof(slot), "%" PRIu64,
		      (ve->conf.local_uid - ve->in->conf.id_base) / 65536);
	return ve->conf.local_uid >= ve->in->conf.id_base && str_eq(slot, c->name);
}

/* Whether it was still there. */
static bool release(const struct ve *ve, const struct found *c)
{
	struct err ignored = ERR_INIT;
	uint32_t owner;
	char path[80];

	if (c->kind == CLAIM_NAME) {
		if (reg_resolve(ve->in, c->name, &owner, &ignored) < 0 || owner != ve->id)
			return false;
		reg_name_drop(ve->in, ve->id, c->name);
		return true;
	}
	(void)str_fmt(path, sizeof(path), "%s/%s", claim_dirs[c->kind], c->name);
	if (claim_owner(ve->in->lib, path) != (int64_t)ve->id)
		return false;
	claim_drop(ve->in->lib, path, ve->id);
	return true;
}

static void release_claims(const struct ve *ve, const struct found *c, size_t n,
			   struct recovered *ret)
{
	for (size_t i = 0; i < n; i++) {
		if (!c[i].is_claim || is_wanted(ve, &c[i]) || !release(ve, &c[i]))
			continue;
		inst_say(ve->in, "CT %u: released %s/%s", ve->id, claim_dirs[c[i].kind], c[i].name);
		ret->claims++;
	}
}

/* Of claims and configs, which may lie in two filesystems, a power cut can take away the claims alone. */
static void claim_again(const struct ve *ve)
{
	struct links_want w = links_of_conf(ve);
	struct err e = ERR_INIT;
	struct links links;

	if ((*ve->conf.name && reg_name_take(ve->in, ve->id, ve->conf.name, &e) < 0) ||
	    links_plan(ve, &w, &links, &e) < 0 || addrs_claim(ve, &links, &e) < 0)
		log_warn(&ve->in->log, "recover %u: %s", ve->id, e.msg);
}

static bool has_run_dir(const struct ve *ve)
{
	char path[16];

	(void)str_fmt(path, sizeof(path), "%u", ve->id);
	return faccessat(ve->in->run, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* What a run left. Without control groups at hand only files: after a boot there is no more. */
static void clear_run(struct ve *ve, struct recovered *ret)
{
	char path[64];

	if (!has_run_dir(ve))
		return;
	if (ve->state.phase == PH_STOPPED)
		state_drop(ve->in, ve->id);
	else if (ve->in->cg.v2 >= 0)
		start_undo(ve, "recover");
	else
		return;
	(void)str_fmt(path, sizeof(path), "root/%u", ve->id);
	(void)unlinkat(ve->in->lib, path, AT_REMOVEDIR);
	inst_say(ve->in, "CT %u: cleared what was left of its last run", ve->id);
	ret->runs++;
}

static int resolve_intent(struct ve *ve, struct recovered *ret, struct err *e)
{
	enum intent what = intent_read(ve->in, ve->id);
	int r = 0;

	if (what == INTENT_NONE)
		return 0;
	/* Whole: as before the destroy, or after the create. A destroy without a config was told of. */
	if (create_is_made(ve->in, ve->id) &&
	    (what != INTENT_DESTROY || reg_exists(ve->in, ve->id))) {
		intent_drop(ve->in, ve->id);
		return 0;
	}
	if (what == INTENT_DESTROY) {
		r = destroy_finish(ve, e);
		inst_say(ve->in, "CT %u: finished its destroy", ve->id);
		ret->destroys++;
		return r;
	}
	create_undo(ve, what == INTENT_FILL);
	inst_say(ve->in, "CT %u: undid its unfinished create", ve->id);
	ret->creates++;
	return 0;
}

static int recover_locked(struct ve *ve, const struct found *f, size_t n, struct recovered *ret,
			  struct err *e)
{
	bool readable = true;
	int r = conf_load(ve->in, ve->id, &ve->conf, e);

	if (r < 0 && r != -ENOENT)
		readable = false;       /* nobody knows what it owns: it keeps everything */
	err_clear(e);
	r = state_load(ve->in, ve->id, &ve->state, &ve->pidfd, e);
	if (r < 0)
		return r;
	ve_place(&ve->state, ve->id, ve->cg);
	if (readable)
		suspend_mend(ve);
	links_mend(ve);
	if (ve->state.phase != PH_RUNNING && ve->state.phase != PH_MOUNTED) {
		clear_run(ve, ret);
		if (readable)
			r = resolve_intent(ve, ret, e);
	}
	if (!r && !reg_exists(ve->in, ve->id))
		ve->conf = (struct ve_conf){ 0 };
	if (!r && readable)
		release_claims(ve, f, n, ret);
	if (!r && readable && reg_exists(ve->in, ve->id))
		claim_again(ve);
	return r;
}

static void recover_one(struct inst *in, const struct found *f, size_t n, struct recovered *ret)
{
	struct ve ve = { .in = in, .id = f->id, .state = VE_STATE_INIT, .lock = -1, .pidfd = -1 };
	struct err e = ERR_INIT;
	char path[32];
	int r;

	ret->seen++;
	r = lock_take(in, f->id, "recover", 0, &ve.lock, &e);
	if (r == -EBUSY) {
		ret->busy++;
		return;
	}
	if (!r)
		r = recover_locked(&ve, f, n, ret, &e);
	if (r < 0) {
		ret->failed++;
		log_warn(&in->log, "recover %u: %s", f->id, e.msg);
	}
	if (!reg_exists(in, f->id)) {           /* under the lock, as destroy does */
		(void)str_fmt(path, sizeof(path), "lock/%u.lck", f->id);
		(void)unlinkat(in->run, path, 0);
	}
	ve_close(&ve);
}

int recover_all(struct inst *in, struct recovered *ret, struct err *e)
{
	struct recovered sum = { 0 };
	struct finds f = { 0 };
	int r = find_all(in, &f, e);

	for (size_t i = 0, end; !r && i < f.n; i = end) {
		for (end = i; end < f.n && f.a[end].id == f.a[i].id; end++)
			;
		recover_one(in, f.a + i, end - i, &sum);
	}
	free(f.a);
	if (!r) {
		if (in->cg.v2 >= 0)
			cg_tidy(&in->cg);
		netlock_tidy(in);
		*ret = sum;
	}
	return r;
}

/* ---- once after a boot ---- */

static bool is_of_this_boot(const struct inst *in, int fd)
{
	char noted[37];

	return fs_pread_all(fd, noted, 36, 0) == 0 && memcmp(in->boot_id, noted, 36) == 0;
}

void recover_stale(struct inst *in)
{
	_fd_ int fd = openat(in->run, "lock/boot.lck", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	void (*say)(void *, const char *) = in->say;
	struct recovered done;
	struct err e = ERR_INIT;
	int r;

	if (fd < 0 || is_of_this_boot(in, fd))
		return;                         /* a run directory that takes no file is told elsewhere */
	r = flock_fd(fd, "recovery after the boot", FLOCK_WORK_MS, &e);
	if (!r && is_of_this_boot(in, fd))
		return;
	in->say = NULL;
	if (!r)
		r = recover_all(in, &done, &e);
	in->say = say;
	if (r < 0)
		log_warn(&in->log, "recover: %s", e.msg);
	else if (pwrite(fd, in->boot_id, 36, 0) != 36)
		log_debug(&in->log, "recover: cannot note the boot; the next command does it again");
}
