/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A copy of a VE is a create whose disk comes from another one. What makes a machine this one
 * and no other must not be in it twice: machine-id, host keys of ssh, seeds of randomness, the
 * UUID of the filesystem. Addresses, name and MAC are not copied to begin with.
 *
 * The tenant's files are changed before the copy's owner record is written: no start can see a
 * copy that still thinks it is the other one.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "runtime/nsenter.h"
#include "storage/storage.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "util/sys-proc.h"
#include "util/uuid.h"
#include "ve/conf.h"
#include "ve/create.h"
#include "ve/links.h"
#include "ve/mount.h"
#include "ve/netif.h"
#include "ve/plan.h"
#include "ve/snapshot.h"

#define KEYGEN "/usr/bin/ssh-keygen"

struct clone {
	struct inst *in;
	uint32_t from;
	const struct ve_conf *conf;             /* of the copy: what the other's said before its lock */
	const struct clone_opts *opts;
};

/* ---- identity ---- */

static bool has_file(int root, const char *path)
{
	struct err none = ERR_INIT;
	_fd_ int fd = -1;

	return fs_open_in_root(root, path, O_PATH, 0, S_IFREG, &fd, &none) == 0;
}

/* machine-id(5): D-Bus keeps a copy where it is no link. */
static int renew_machine_id(int root, struct err *e)
{
	static const char *const files[] = { "etc/machine-id", "var/lib/dbus/machine-id" };
	char id[34];
	int r = random_hex(id, 32);

	if (r < 0)
		return err_set(e, -r, 0, "make a machine id: %s", strerror(-r));
	memcpy(id + 32, "\n", 2);
	for (size_t i = 0; !r && i < ARRAY_SIZE(files); i++)
		if (has_file(root, files[i]))
			r = fs_replace_in_root(root, files[i], id, 0444, 0, 0, e);
	return r;
}

/* Seeds are made anew by whoever misses them. */
static void drop_seeds(int root)
{
	static const struct { const char *dir, *name; } seeds[] = {
		{ "var/lib/systemd", "random-seed" }, { "var/lib/urandom", "random-seed" },
		{ "var/lib", "random-seed" }, { "etc", "random-seed" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(seeds); i++) {
		struct err none = ERR_INIT;
		_fd_ int dir = -1;

		if (fs_open_in_root_follow(root, seeds[i].dir, O_RDONLY | O_DIRECTORY, S_IFDIR, &dir,
					   &none) == 0)
			(void)unlinkat(dir, seeds[i].name, 0);
	}
}

/* By the host's own ssh-keygen, outside of anything that the tenant can write. */
static int make_key(struct inst *in, int root, const char *type, uint32_t id, struct err *e)
{
	char dir[64], key[80], pub[80], path[64], comment[32];
	const char *const argv[] = { KEYGEN, "-q", "-t", type, "-N", "", "-C", comment, "-f", "key",
				     NULL };
	_free_ char *secret = NULL, *open_key = NULL;
	_fd_ int cwd = -1;
	int r;

	(void)str_fmt(dir, sizeof(dir), "private/%u/keys", id);
	(void)str_fmt(comment, sizeof(comment), "root@ct%u", id);
	r = fs_remove_tree(in->lib, dir, e);
	if (!r)
		r = fs_mkdir_p(in->lib, dir, 0700, e);
	if (!r)
		r = fs_open_dir(in->lib, dir, &cwd, e);
	if (!r)
		r = proc_run(&(struct run){ .argv = argv, .in = -1, .out = -1, .cwd = cwd,
					    .timeout_ms = 60000 }, e);
	if (r > 0)
		r = -e->eno;
	(void)str_fmt(key, sizeof(key), "%s/key", dir);
	(void)str_fmt(pub, sizeof(pub), "%s/key.pub", dir);
	if (!r)
		r = fs_read_at(in->lib, key, 65536, &secret, NULL, e);
	if (!r)
		r = fs_read_at(in->lib, pub, 65536, &open_key, NULL, e);
	(void)str_fmt(path, sizeof(path), "etc/ssh/ssh_host_%s_key", type);
	if (!r)
		r = fs_replace_in_root(root, path, secret, 0600, 0, 0, e);
	(void)str_fmt(path, sizeof(path), "etc/ssh/ssh_host_%s_key.pub", type);
	if (!r)
		r = fs_replace_in_root(root, path, open_key, 0644, 0, 0, e);
	return r < 0 ? r : fs_remove_tree(in->lib, dir, e);
}

/* All of the other's go; those of the kinds it had come anew where the host can make them. */
static int renew_ssh_keys(struct inst *in, int root, uint32_t id, struct err *e)
{
	static const char *const types[] = { "ed25519", "ecdsa", "rsa" };
	struct err none = ERR_INIT;
	bool had[ARRAY_SIZE(types)] = { 0 };
	_fd_ int dir = -1;
	_dir_ DIR *d = NULL;
	struct dirent *de;
	int list, r = 0;

	if (fs_open_in_root_follow(root, "etc/ssh", O_RDONLY | O_DIRECTORY, S_IFDIR, &dir, &none) < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		char name[64];

		(void)str_fmt(name, sizeof(name), "ssh_host_%s_key", types[i]);
		had[i] = faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	}
	list = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = list < 0 ? NULL : fdopendir(list);
	while (d && (de = readdir(d)))
		if (str_starts(de->d_name, "ssh_host_") && strstr(de->d_name, "_key"))
			(void)unlinkat(dir, de->d_name, 0);
	for (size_t i = 0; !r && i < ARRAY_SIZE(types); i++)
		if (had[i] && access(KEYGEN, X_OK) == 0)
			r = make_key(in, root, types[i], id, e);
	return r;
}

/* A copy whose owner is recorded must not wake up with the other's seeds, or with empty keys. */
static int sync_root(int root, struct err *e)
{
	_fd_ int dir = -1;
	int r = fs_open_dir(root, ".", &dir, e);

	return !r && syncfs(dir) < 0 ? err_sys(e, "sync the copy's root") : r;
}

/*
 * Behind a fence a copy is the machine it was, for the others in there too; a VM has its root for
 * itself, and its kernel random numbers of its own.
 */
static int renew(struct ve *ve, bool fenced, struct err *e)
{
	struct ns_home home = NS_HOME_INIT;
	struct disk disk = DISK_INIT;
	_fd_ int root = -1;
	int r;

	if (fenced && str_eq(ve->conf.kind, "vm"))
		return 0;
	r = ns_unshare_mounts(&home, e);
	if (!r)
		r = mount_tree(ve, &disk, &root, e);
	if (!r && !fenced)
		r = renew_machine_id(root, e);
	if (!r && !fenced)
		r = renew_ssh_keys(ve->in, root, ve->id, e);
	if (!r) {
		drop_seeds(root);
		r = sync_root(root, e);
	}
	cleanup_fd(&root);
	disk_done(&disk);
	ns_return_mounts(&home);
	return r;
}

/* ---- the disk ---- */

/* Whoever had the lock before us may have changed what the disk is: a switch, an upgrade, a reinstall. */
static int check_same(const struct clone *c, const struct ve *from, struct err *e)
{
	static const char *const keys[] = { "OSTEMPLATE", "TEMPLATE_VERSION", "VE_LAYOUT", "KIND", "BOOT",
					    "DISKSPACE", "DISKINODES" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!param_same(param_by_key(keys[i]), c->conf, &from->conf))
			return err_set(e, EBUSY, VZ_LOCKED, "VE %u was changed meanwhile (%s); try again",
				       c->from, keys[i]);
	return 0;
}

static int copy_disk(const struct clone *c, int private, struct err *e)
{
	struct snap_opts o = { .freeze_ms = c->opts->freeze_ms, .progress = c->opts->progress,
			       .arg = c->opts->arg };
	struct ve from;
	int r = ve_open(&from, c->in, c->from, "clone", e);

	if (r < 0)
		return r;
	if (from.state.phase == PH_RUNNING && !c->opts->live)
		r = err_set(e, EBUSY, VZ_RUNNING, "VE %u is running; stop it first, or add --live",
			    c->from);
	if (!r)
		r = check_same(c, &from, e);
	if (!r)
		r = snap_copy_disk(&from, private, true, &o, e);
	ve_close(&from);
	return r;
}

static int fill(void *arg, struct ve *ve, int private, struct err *e)
{
	const struct clone *c = arg;
	int r = copy_disk(c, private, e);

	if (r < 0 || !plan_boots_disk(&ve->conf))
		return r < 0 ? r : renew(ve, c->opts->fence, e);
	if (!c->opts->fence)
		inst_say(ve->in, "The copy has the names and keys of the other inside: nobody here looks into its disk");
	return 0;
}

/* ---- the config ---- */

static void forget(struct ve_conf *c, const char *const *keys, size_t n)
{
	struct ve_conf none = { 0 };

	for (size_t i = 0; i < n; i++)
		param_copy(param_by_key(keys[i]), c, &none);
}

/* What only one may have; a host name becomes the one that a VE without one gets. */
static void forget_identity(struct ve_conf *c, uint32_t copy)
{
	static const char *const keys[] = { "IP_ADDRESS", "NETIF", "HOSTNAME", "FENCE" };
	bool named = *c->hostname;

	forget(c, keys, ARRAY_SIZE(keys));
	if (!named)
		return;
	(void)str_fmt(c->hostname, sizeof(c->hostname), "ct%u", copy);
	conf_mark(c, param_by_key("HOSTNAME"), true);
}

/* A link of the host is in one VE only, and leads out of any fence. */
static void drop_devices(struct netif_list *l)
{
	unsigned n = 0;

	for (unsigned i = 0; i < l->n; i++)
		if (!*l->a[i].device)
			l->a[n++] = l->a[i];
	l->n = n;
}

/* Links get the MACs said that they have from the original's number, on both ends. */
static int keep_links(struct ve *from, struct err *e)
{
	struct links_want w = links_of_conf(from);
	struct links l;
	int r = links_plan(from, &w, &l, e);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < l.n; i++) {
		struct netif *f = &l.conf.a[i];

		if (*f->device)
			return err_set(e, EINVAL, VZ_VETH,
				       "VE %u has device %s of the host, which cannot be behind a fence, too",
				       from->id, f->device);
		f->has_mac = f->has_host_mac = true;
		memcpy(f->mac, l.a[i].guest_mac, sizeof(f->mac));
		memcpy(f->host_mac, l.a[i].host_mac, sizeof(f->host_mac));
	}
	drop_devices(&l.conf);
	if (netif_format(&l.conf, from->conf.netif, sizeof(from->conf.netif)) < 0)
		return err_set(e, E2BIG, VZ_VETH, "clone %u: its links with their MACs are more than a config can hold",
			       from->id);
	conf_mark(&from->conf, param_by_key("NETIF"), true);
	return 0;
}

/* The same machine to whoever meets it behind the fence; nobody starts it but by name. */
static int keep_identity(struct inst *in, uint32_t id, const char *fence, struct ve_conf *c,
			 struct err *e)
{
	static const char *const keys[] = { "ONBOOT" };
	struct ve from = { .in = in, .id = id, .lock = -1, .pidfd = -1, .conf = *c };
	int r = keep_links(&from, e);

	if (r < 0)
		return r;
	*c = from.conf;
	forget(c, keys, ARRAY_SIZE(keys));
	(void)str_fmt(c->fence, sizeof(c->fence), "%s", fence);
	conf_mark(c, param_by_key("FENCE"), true);
	return 0;
}

int ve_clone(struct inst *in, uint32_t id, uint32_t copy, const struct clone_opts *o,
	     struct err *e)
{
	static const char *const one_only[] = { "NAME", "LOCAL_UID", "LOCAL_GID" };
	struct ve_state s = VE_STATE_INIT;
	struct ve_conf conf = { 0 };
	struct clone c = { .in = in, .from = id, .conf = &conf, .opts = o };
	struct create_like like = { .conf = &conf, .fill = fill, .arg = &c };
	int r = conf_load(in, id, &conf, e);

	if (!r)
		r = state_load(in, id, &s, NULL, e);
	if (!r && s.phase == PH_RUNNING && !o->live)
		r = err_set(e, EBUSY, VZ_RUNNING, "VE %u is running; stop it first, or add --live", id);
	if (r < 0)
		return r;
	if (o->fence)
		r = keep_identity(in, id, o->fence, &conf, e);
	else
		forget_identity(&conf, copy);
	if (r < 0)
		return r;
	forget(&conf, one_only, ARRAY_SIZE(one_only));
	return create_like(in, copy, &like, o->change, e);
}
