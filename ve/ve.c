/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/ve.h"

#include "util/cleanup.h"
#include "util/str.h"
#include "ve/conf.h"
#include "ve/freeze.h"
#include "ve/links.h"
#include "ve/lock.h"
#include "ve/reinstall.h"
#include "ve/send.h"
#include "ve/snap-store.h"
#include "ve/suspend.h"

#define LOCK_WAIT_MS 10000

void ve_place(const struct ve_state *s, uint32_t id, char ret[CG_PLACE_LEN])
{
	if (*s->place)
		(void)str_fmt(ret, CG_PLACE_LEN, "%s", s->place);
	else
		(void)str_fmt(ret, CG_PLACE_LEN, "%u", id);
}

int ve_open(struct ve *ve, struct inst *in, uint32_t id, const char *verb, struct err *e)
{
	struct ve v = { .in = in, .id = id, .state = VE_STATE_INIT, .lock = -1, .pidfd = -1 };
	int r = 0;

	if (verb)
		r = lock_take(in, id, verb, LOCK_WAIT_MS, &v.lock, e);
	if (!r)
		r = conf_load(in, id, &v.conf, e);
	if (!r)
		r = state_load(in, id, &v.state, &v.pidfd, e);
	ve_place(&v.state, id, v.cg);
	if (r < 0) {
		ve_close(&v);
		return r;
	}
	if (verb) {
		freeze_mend(&v);
		snap_mend_all(&v);
		reinstall_mend(&v);
		send_mend(&v);
		suspend_mend(&v);
		links_mend(&v);
	}
	*ve = v;
	return 0;
}

void ve_close(struct ve *ve)
{
	cleanup_fd(&ve->lock);
	cleanup_fd(&ve->pidfd);
}
