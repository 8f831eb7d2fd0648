/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/guest.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>

#include "netns/guestconf.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-cred.h"
#include "util/sys-proc.h"
#include "ve/plan.h"

struct password {
	const char *user, *text;
};

static int write_files(const struct guest_conf *g, const struct password *pw, struct err *e)
{
	return pw ? guest_set_password(g, pw->user, pw->text, e) : guest_write(g, e);
}

/* On the id-mapped root of a running VE we write as its root; ids on a plain mount are its own. */
static int write_as_root(struct ve *ve, int root, const struct password *pw, struct err *e)
{
	uid_t base = (uid_t)ve->conf.local_uid;
	struct guest_link guest[NET_MAX_LINKS];
	struct links_want w = links_of_conf(ve);
	struct err left = ERR_INIT;
	struct guest_conf g;
	struct links links;
	struct cred home;
	int r = links_plan(ve, &w, &links, e);

	if (r < 0)
		return r;
	plan_guest(ve, root, base, &g);
	g.links = guest;
	g.n_links = links_guest(&links, guest);
	r = cred_assume(base, base, &home, e);
	if (r < 0)
		return r;
	r = write_files(&g, pw, e);
	if (cred_restore(&home, &left) < 0 && !r) {
		*e = left;
		r = -e->eno;
	}
	return r;
}

int guest_setup(struct ve *ve, int root, struct err *e)
{
	return ve->conf.skip_guest ? 0 : write_as_root(ve, root, NULL, e);
}

int guest_userpasswd(struct ve *ve, int root, const char *userpasswd, struct err *e)
{
	const char *colon = strchr(userpasswd, ':');
	struct password pw;
	char user[64];

	if (!colon || colon == userpasswd ||
	    str_fmt(user, sizeof(user), "%.*s", (int)(colon - userpasswd), userpasswd) < 0)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "--userpasswd: want USER:PASSWORD");
	pw = (struct password){ user, colon + 1 };
	return write_as_root(ve, root, &pw, e) < 0 ? err_exit(e, VZ_PASSWD) : 0;
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
