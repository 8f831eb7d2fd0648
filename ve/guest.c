/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/guest.h"

#include <fcntl.h>
#include <sched.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/mount.h>

#include "netns/guestconf.h"
#include "runtime/nsenter.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-cred.h"
#include "util/sys-proc.h"
#include "ve/first.h"
#include "ve/links.h"
#include "ve/mount.h"
#include "ve/plan.h"

struct password {
	const char *user, *text;
};

static int write_files(const struct guest_conf *g, const struct password *pw, struct err *e)
{
	return pw ? guest_set_password(g, pw->user, pw->text, e) : guest_write(g, e);
}

static int write_as(const struct guest_conf *g, const struct password *pw, struct err *e)
{
	struct err left = ERR_INIT;
	struct cred home;
	int r = cred_assume(g->uid, g->gid, &home, e);

	if (r < 0)
		return r;
	r = write_files(g, pw, e);
	if (cred_restore(&home, &left) < 0 && !r) {
		*e = left;
		r = -e->eno;
	}
	return r;
}

/* On the id-mapped root of a running VE we write as its root; ids on a plain mount are its own. */
static int write_as_root(struct ve *ve, int root, const struct password *pw, struct err *e)
{
	uid_t base = (uid_t)ve->conf.local_uid;
	struct guest_link guest[NET_MAX_LINKS];
	struct links_want w = links_of_conf(ve);
	char instance[32];
	struct guest_conf g;
	struct links links;
	struct first first;
	int r = links_plan(ve, &w, &links, e);

	if (!r)
		r = first_load(ve, &first, e);
	if (r < 0)
		return r;
	plan_guest(ve, root, base, &g);
	g.links = guest;
	g.n_links = links_guest(&links, guest);
	(void)str_fmt(instance, sizeof(instance), "berth-%u", ve->id);
	g.instance = instance;
	g.ssh_keys = first.keys;
	g.user_data = first.user_data;
	r = write_as(&g, pw, e);
	first_done(&first);
	return r;
}

int guest_setup(struct ve *ve, int root, struct err *e)
{
	return ve->conf.skip_guest ? 0 : write_as_root(ve, root, NULL, e);
}

static int split(const char *userpasswd, char user[64], struct password *ret, struct err *e)
{
	const char *colon = strchr(userpasswd, ':');

	if (!colon || colon == userpasswd ||
	    str_fmt(user, 64, "%.*s", (int)(colon - userpasswd), userpasswd) < 0)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "--userpasswd: want USER:PASSWORD");
	*ret = (struct password){ user, colon + 1 };
	return 0;
}

int guest_userpasswd(struct ve *ve, int root, const char *userpasswd, struct err *e)
{
	struct password pw;
	char user[64];
	int r = split(userpasswd, user, &pw, e);

	if (r < 0)
		return r;
	return write_as_root(ve, root, &pw, e) < 0 ? err_exit(e, VZ_PASSWD) : 0;
}

/* Ids as they lie on disk, and nothing on it is a device or runs. */
static int passwd_on(int root, const char *userpasswd, struct err *e)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
	};
	struct guest_conf g = { .root = root };
	struct password pw;
	char user[64];
	int r = split(userpasswd, user, &pw, e);

	if (r < 0)
		return r;
	if (mount_setattr(root, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return err_sys(e, "restrict the mounted root");
	return write_as(&g, &pw, e);
}

int guest_userpasswd_stopped(struct ve *ve, const char *userpasswd, struct err *e)
{
	struct ns_home home = NS_HOME_INIT;
	struct disk disk = DISK_INIT;
	_fd_ int root = -1;
	int r;

	if (ve->state.phase == PH_MOUNTED)
		return err_set(e, EBUSY, VZ_MOUNTED, "--userpasswd: VE %u is mounted; unmount it first",
			       ve->id);
	r = ns_unshare_mounts(&home, e);
	if (!r)
		r = mount_tree(ve, &disk, &root, e);
	if (!r)
		r = passwd_on(root, userpasswd, e);
	cleanup_fd(&root);
	disk_done(&disk);
	ns_return_mounts(&home);
	return r < 0 ? err_exit(e, VZ_PASSWD) : 0;
}

/*
 * What was opened by the number of init is the VE's only if init is alive now: the tenant decides
 * when it ends, and the number could have gone to a process of the host.
 */
int guest_still_there(const struct ve *ve, int *fd, struct err *e)
{
	if (proc_wait_gone(ve->pidfd, 0) == -ETIMEDOUT)
		return 0;
	cleanup_fd(fd);
	return err_set(e, ESRCH, VZ_NOT_RUNNING, "VE %u has just stopped", ve->id);
}

int guest_open_root(struct ve *ve, int *ret, struct err *e)
{
	char path[64];
	_fd_ int fd = -1;

	(void)str_fmt(path, sizeof(path), "/proc/%d/root", (int)ve->state.pid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open the root of VE %u", ve->id);
	*ret = TAKE_FD(fd);
	return guest_still_there(ve, ret, e);
}

int guest_sethostname(struct ve *ve, struct err *e)
{
	_fd_ int own = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
	int r = 0;

	if (own < 0 || setns(ve->pidfd, CLONE_NEWUTS) < 0)
		return err_sys(e, "enter the host name of VE %u", ve->id);
	if (sethostname(ve->conf.hostname, strlen(ve->conf.hostname)) < 0)
		r = err_sys(e, "set the host name of VE %u", ve->id);
	if (setns(own, CLONE_NEWUTS) < 0 && !r)
		r = err_sys(e, "return to the host's name");
	return r;
}
