/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Acting on files as another id without ceasing to be root (setfsuid(2), capabilities(7)).
 * Files on an id-mapped root can only be made with an fsuid that its map contains.
 */
#pragma once

#include <sys/types.h>

#include "util/err.h"

struct cred {
	void *caps;             /* what the caller had */
	uid_t fsuid;
	gid_t fsgid;
};

/*
 * Take fsuid/fsgid uid:gid. The capabilities that leaving fsuid 0 clears are kept; without
 * CAP_SYS_RESOURCE, which would let writes past reserved blocks and quotas.
 */
MUST_CHECK int cred_assume(uid_t uid, gid_t gid, struct cred *ret, struct err *e);

/* Come back. Failing at that would leave a process with mixed rights, hence an error. */
MUST_CHECK int cred_restore(struct cred *c, struct err *e);
