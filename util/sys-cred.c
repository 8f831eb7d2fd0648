/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/sys-cred.h"

#include <errno.h>
#include <stddef.h>
#include <sys/capability.h>
#include <sys/fsuid.h>

int cred_assume(uid_t uid, gid_t gid, struct cred *ret, struct err *e)
{
	static const cap_value_t resource = CAP_SYS_RESOURCE;
	cap_t old = cap_get_proc(), keep = old ? cap_dup(old) : NULL;
	struct cred c = { .caps = old };
	int r = 0;

	if (!keep || cap_set_flag(keep, CAP_EFFECTIVE, 1, &resource, CAP_CLEAR) < 0) {
		r = err_sys(e, "read the capabilities");
		(void)cap_free(keep);
		(void)cap_free(old);
		return r;
	}
	c.fsgid = (gid_t)setfsgid(gid);
	c.fsuid = (uid_t)setfsuid(uid);
	if (cap_set_proc(keep) < 0) {
		r = err_sys(e, "keep the capabilities as id %u", uid);
		(void)setfsuid(c.fsuid);
		(void)setfsgid(c.fsgid);
	}
	(void)cap_free(keep);
	if (r < 0) {
		(void)cap_free(old);
		return r;
	}
	*ret = c;
	return 0;
}

int cred_restore(struct cred *c, struct err *e)
{
	int r = 0;

	(void)setfsuid(c->fsuid);
	(void)setfsgid(c->fsgid);
	if (cap_set_proc(c->caps) < 0)
		r = err_sys(e, "restore the capabilities");
	(void)cap_free(c->caps);
	c->caps = NULL;
	return r;
}
