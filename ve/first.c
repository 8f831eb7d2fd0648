/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/first.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netns/guestfile.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-cred.h"
#include "util/sys-fs.h"
#include "ve/events.h"
#include "ve/guest.h"
#include "ve/ready.h"

#define MAX_TEXT (1 << 20)
#define BOOT_MS (10 * 60 * 1000)
#define SCRIPT "var/lib/berth/user-script"
#define SCRIPT_LOG "var/log/berth-user-script.log"

static bool is_cloud_config(const char *text)
{
	return str_starts(text, "#cloud-config");
}

int first_store(int private, const struct ve_change *c, struct err *e)
{
	const char *script = c->user_script;
	int r = 0;

	if (!c->ssh_keys && !script)
		return 0;
	r = fs_mkdir_p(private, "first", 0700, e);
	if (!r && c->ssh_keys)
		r = fs_save_at(private, "first/keys", c->ssh_keys, 0600, e);
	if (!r && script)
		r = fs_save_at(private, is_cloud_config(script) ? "first/user-data" : "first/script",
			       script, 0600, e);
	return r;
}

static int load(int dir, const char *name, char **ret, struct err *e)
{
	int r = fs_read_at(dir, name, MAX_TEXT, ret, NULL, e);

	if (r != -ENOENT)
		return r;
	err_clear(e);
	return 0;
}

int first_load(const struct ve *ve, struct first *ret, struct err *e)
{
	_fd_ int dir = -1;
	char path[64];
	int r;

	*ret = (struct first){ NULL, NULL };
	(void)str_fmt(path, sizeof(path), "private/%u/first", ve->id);
	r = fs_open_dir(ve->in->lib, path, &dir, e);
	if (r == -ENOENT) {
		err_clear(e);
		return 0;
	}
	if (!r)
		r = load(dir, "keys", &ret->keys, e);
	if (!r)
		r = load(dir, "user-data", &ret->user_data, e);
	if (r < 0)
		first_done(ret);
	return r;
}

void first_done(struct first *f)
{
	cleanup_free(&f->keys);
	cleanup_free(&f->user_data);
}

/* ---- the script ---- */

/* Detached from whoever started the VE: neither its terminal nor its pipes are held. */
static void be_runner(const struct inst *in, uint32_t id)
{
	const char *none[] = { NULL };  /* BERTH_EXE there is of the program that is about to end */
	char number[12];
	const char *const all[] = { in->self, "--root", in->root, "_first-boot", number, NULL };
	const char *const *argv = *in->root ? all : (const char *const[]){ in->self, all[3], number, NULL };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct err ignored = ERR_INIT;

	(void)str_fmt(number, sizeof(number), "%u", id);
	if (fork() != 0 || setsid() < 0 || null < 0)
		_exit(0);
	if (cg_join_keepers(&in->cg, &ignored) < 0)
		err_clear(&ignored);            /* it stays where it is */
	for (int fd = 0; fd < 3; fd++)
		if (dup2(null, fd) < 0)
			_exit(1);
	(void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	(void)execve(in->self, (char *const *)argv, (char *const *)none);
	_exit(1);
}

void first_go(struct ve *ve)
{
	_fd_ int dir = -1;
	struct err ignored = ERR_INIT;
	char path[64];
	pid_t pid;

	(void)str_fmt(path, sizeof(path), "private/%u/first", ve->id);
	if (fs_open_dir(ve->in->lib, path, &dir, &ignored) < 0)
		return;
	fs_unlink_saved(dir, "keys");
	fs_unlink_saved(dir, "user-data");
	if (faccessat(dir, "script", F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
		(void)unlinkat(ve->in->lib, path, AT_REMOVEDIR);
		return;
	}
	pid = fork();
	if (pid == 0)
		be_runner(ve->in, ve->id);
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
	else
		log_warn(&ve->in->log, "VE %u: its user script runs at its next start", ve->id);
}

/* Whoever takes the file away runs it. */
static int take_script(const struct ve *ve, char **ret, struct err *e)
{
	char from[64], to[64];
	int r;

	(void)str_fmt(from, sizeof(from), "private/%u/first/script", ve->id);
	(void)str_fmt(to, sizeof(to), "private/%u/first/begun", ve->id);
	if (renameat(ve->in->lib, from, ve->in->lib, to) < 0)
		return err_sys(e, "take the user script of VE %u", ve->id);
	r = fs_read_at(ve->in->lib, to, MAX_TEXT, ret, NULL, e);
	fs_unlink_saved(ve->in->lib, to);
	(void)str_fmt(to, sizeof(to), "private/%u/first", ve->id);
	(void)unlinkat(ve->in->lib, to, AT_REMOVEDIR);
	return r;
}

/* Script and log lie inside: both are the tenant's, and count against its disk. */
static int put_files(const struct guest_conf *g, const char *script, int *ret_log, struct err *e)
{
	int r = guest_mkdir(g, "var/lib/berth", e);

	if (!r)
		r = guest_mkdir(g, "var/log", e);
	if (!r)
		r = fs_replace_in_root(g->root, SCRIPT, script, 0700, g->uid, g->gid, e);
	if (!r)
		r = fs_replace_in_root(g->root, SCRIPT_LOG, "", 0600, g->uid, g->gid, e);
	return r < 0 ? r : fs_open_in_root(g->root, SCRIPT_LOG, O_WRONLY | O_APPEND, 0, S_IFREG, ret_log, e);
}

static int install(struct ve *ve, const char *script, int *ret_log, struct err *e)
{
	uid_t base = (uid_t)ve->conf.local_uid;
	struct guest_conf g = { .uid = base, .gid = base };
	struct err left = ERR_INIT;
	_fd_ int root = -1;
	struct cred home;
	int r = guest_open_root(ve, &root, e);

	g.root = root;
	if (!r)
		r = cred_assume(base, base, &home, e);
	if (r < 0)
		return r;
	r = put_files(&g, script, ret_log, e);
	if (cred_restore(&home, &left) < 0 && !r) {
		*e = left;
		r = -e->eno;
	}
	return r;
}

static int run_script(struct ve *ve, struct err *e)
{
	static const char *const argv[] = { "/" SCRIPT, NULL };
	_free_ char *script = NULL;
	_fd_ int log = -1, null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct exec_opts o = { .argv = argv, .in = null };
	int r = null < 0 ? err_sys(e, "open /dev/null") : take_script(ve, &script, e);

	if (!r)
		r = install(ve, script, &log, e);
	if (r < 0)
		return r;
	o.out = o.err = log;
	return ve_exec(ve->in, ve->id, &o, e);
}

int ve_first_boot(struct inst *in, uint32_t id, struct err *e)
{
	struct ve ve;
	int r = ready_wait(in, id, BOOT_MS, e);

	if (r < 0)              /* it is still there for the next start */
		return r;
	r = ve_open(&ve, in, id, NULL, e);
	if (r < 0)
		return r;
	r = ve.state.phase == PH_RUNNING ? run_script(&ve, e) :
	    err_set(e, ESRCH, VZ_NOT_RUNNING, "VE %u is not running", id);
	if (r == -ENOENT)       /* somebody else has run it */
		err_clear(e);
	else if (r >= 0)
		events_add_status(in, id, "user-script", r);
	else
		events_add(in, id, "user-script-failed");
	ve_close(&ve);
	return r < 0 && r != -ENOENT ? r : 0;
}
